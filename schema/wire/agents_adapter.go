package wire

import (
	"context"

	"github.com/stagehouse/stagehouse/schema"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
)

// agentsClient is a schema.Agents behind a connection.
type agentsClient struct{ rpc pb.AgentsClient }

var _ schema.Agents = agentsClient{}

func (c agentsClient) List(ctx context.Context, q schema.AgentQuery) (schema.AgentPage, error) {
	req := ToAgentQuery(q)
	req.Caller = callerOf(ctx)
	return unary(ctx, c.rpc.List, req, FromAgentPage)
}

func (c agentsClient) Get(ctx context.Context, id string) (schema.Agent, error) {
	return unary(ctx, c.rpc.Get, &pb.GetAgentRequest{Caller: callerOf(ctx), Id: id},
		func(r *pb.GetAgentResponse) (schema.Agent, error) { return FromAgent(r.GetAgent()) })
}

func (c agentsClient) Create(ctx context.Context, n schema.NewAgent) (schema.Agent, error) {
	req, err := ToNewAgent(n)
	if err != nil {
		return schema.Agent{}, badRequest(err)
	}
	req.Caller = callerOf(ctx)
	return unary(ctx, c.rpc.Create, req,
		func(r *pb.CreateAgentResponse) (schema.Agent, error) { return FromAgent(r.GetAgent()) })
}

func (c agentsClient) Delete(ctx context.Context, id string, ifRevision int64) error {
	_, err := unary(ctx, c.rpc.Delete, &pb.DeleteAgentRequest{Caller: callerOf(ctx), Id: id, IfRevision: ifRevision},
		func(*pb.DeleteAgentResponse) (struct{}, error) { return struct{}{}, nil })
	return err
}

func (c agentsClient) Update(ctx context.Context, id string, p schema.AgentPatch) (schema.Agent, error) {
	req, err := ToAgentPatch(id, p)
	if err != nil {
		return schema.Agent{}, badRequest(err)
	}
	req.Caller = callerOf(ctx)
	return unary(ctx, c.rpc.Update, req,
		func(r *pb.UpdateAgentResponse) (schema.Agent, error) { return FromAgent(r.GetAgent()) })
}

func (c agentsClient) Start(ctx context.Context, id string) (schema.Agent, error) {
	return unary(ctx, c.rpc.Start, &pb.StartAgentRequest{Caller: callerOf(ctx), Id: id},
		func(r *pb.StartAgentResponse) (schema.Agent, error) { return FromAgent(r.GetAgent()) })
}

func (c agentsClient) Stop(ctx context.Context, id string) (schema.Agent, error) {
	return unary(ctx, c.rpc.Stop, &pb.StopAgentRequest{Caller: callerOf(ctx), Id: id},
		func(r *pb.StopAgentResponse) (schema.Agent, error) { return FromAgent(r.GetAgent()) })
}

// agentsServer puts a schema.Agents behind a server.
type agentsServer struct {
	pb.UnimplementedAgentsServer
	*server
	svc schema.Agents
}

func (s agentsServer) List(ctx context.Context, m *pb.ListAgentsRequest) (*pb.ListAgentsResponse, error) {
	return serve(ctx, s.server, m.GetCaller(), func(ctx context.Context) (*pb.ListAgentsResponse, error) {
		q := FromAgentQuery(m)
		return page(q.Limit, func(limit int) (*pb.ListAgentsResponse, error) {
			q.Limit = limit
			found, err := s.svc.List(ctx, q)
			if err != nil {
				return nil, err
			}
			out, err := ToAgentPage(found)
			return out, badAnswer(err)
		}, (*pb.ListAgentsResponse).GetAgents)
	})
}

func (s agentsServer) Get(ctx context.Context, m *pb.GetAgentRequest) (*pb.GetAgentResponse, error) {
	return serve(ctx, s.server, m.GetCaller(), func(ctx context.Context) (*pb.GetAgentResponse, error) {
		out, err := agentAnswer(s.svc.Get(ctx, m.GetId()))
		return &pb.GetAgentResponse{Agent: out}, err
	})
}

func (s agentsServer) Create(ctx context.Context, m *pb.CreateAgentRequest) (*pb.CreateAgentResponse, error) {
	return serve(ctx, s.server, m.GetCaller(), func(ctx context.Context) (*pb.CreateAgentResponse, error) {
		n, err := FromNewAgent(m)
		if err != nil {
			return nil, badRequest(err)
		}
		out, err := agentAnswer(s.svc.Create(ctx, n))
		return &pb.CreateAgentResponse{Agent: out}, err
	})
}

func (s agentsServer) Delete(ctx context.Context, m *pb.DeleteAgentRequest) (*pb.DeleteAgentResponse, error) {
	return serve(ctx, s.server, m.GetCaller(), func(ctx context.Context) (*pb.DeleteAgentResponse, error) {
		return &pb.DeleteAgentResponse{}, s.svc.Delete(ctx, m.GetId(), m.GetIfRevision())
	})
}

func (s agentsServer) Update(ctx context.Context, m *pb.UpdateAgentRequest) (*pb.UpdateAgentResponse, error) {
	return serve(ctx, s.server, m.GetCaller(), func(ctx context.Context) (*pb.UpdateAgentResponse, error) {
		id, patch, err := FromAgentPatch(m)
		if err != nil {
			return nil, badRequest(err)
		}
		out, err := agentAnswer(s.svc.Update(ctx, id, patch))
		return &pb.UpdateAgentResponse{Agent: out}, err
	})
}

func (s agentsServer) Start(ctx context.Context, m *pb.StartAgentRequest) (*pb.StartAgentResponse, error) {
	return serve(ctx, s.server, m.GetCaller(), func(ctx context.Context) (*pb.StartAgentResponse, error) {
		out, err := agentAnswer(s.svc.Start(ctx, m.GetId()))
		return &pb.StartAgentResponse{Agent: out}, err
	})
}

func (s agentsServer) Stop(ctx context.Context, m *pb.StopAgentRequest) (*pb.StopAgentResponse, error) {
	return serve(ctx, s.server, m.GetCaller(), func(ctx context.Context) (*pb.StopAgentResponse, error) {
		out, err := agentAnswer(s.svc.Stop(ctx, m.GetId()))
		return &pb.StopAgentResponse{Agent: out}, err
	})
}

func agentAnswer(a schema.Agent, err error) (*pb.Agent, error) {
	if err != nil {
		return nil, err
	}
	out, err := ToAgent(a)
	return out, badAnswer(err)
}
