package wire

import (
	"context"
	"iter"

	"google.golang.org/grpc"

	"github.com/stagehouse/stagehouse/schema"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
)

// chatClient is a schema.Chat behind a connection.
type chatClient struct{ rpc pb.ChatClient }

var _ schema.Chat = chatClient{}

func (c chatClient) Send(ctx context.Context, r schema.SendRequest) iter.Seq2[schema.ChatEvent, error] {
	req, err := ToSendRequest(r)
	if err != nil {
		return failed[schema.ChatEvent](badRequest(err))
	}
	req.Caller = callerOf(ctx)
	return stream(ctx, c.rpc.Send, req, (*pb.SendResponse).GetEvents, FromChatEvent)
}

func (c chatClient) Route(ctx context.Context, r schema.RouteRequest) (schema.RouteDecision, error) {
	req, err := ToRouteRequest(r)
	if err != nil {
		return schema.RouteDecision{}, badRequest(err)
	}
	req.Caller = callerOf(ctx)
	return unary(ctx, c.rpc.Route, req,
		func(r *pb.RouteResponse) (schema.RouteDecision, error) { return FromRouteDecision(r.GetDecision()) })
}

func (c chatClient) Conversation(ctx context.Context, q schema.ConversationQuery) (schema.Conversation, error) {
	req := ToConversationQuery(q)
	req.Caller = callerOf(ctx)
	return unary(ctx, c.rpc.GetConversation, req, FromConversation)
}

func (c chatClient) Conversations(ctx context.Context, q schema.ConversationsQuery) (schema.ConversationPage, error) {
	req := ToConversationsQuery(q)
	req.Caller = callerOf(ctx)
	return unary(ctx, c.rpc.ListConversations, req, FromConversationPage)
}

func (c chatClient) CreateConversation(ctx context.Context, n schema.NewConversation) (schema.ConversationSummary, error) {
	req := ToNewConversation(n)
	req.Caller = callerOf(ctx)
	return unary(ctx, c.rpc.CreateConversation, req, func(r *pb.CreateConversationResponse) (schema.ConversationSummary, error) {
		return FromConversationSummary(r.GetConversation())
	})
}

func (c chatClient) UpdateConversation(ctx context.Context, id string, p schema.ConversationPatch) (schema.ConversationSummary, error) {
	req := ToConversationPatch(id, p)
	req.Caller = callerOf(ctx)
	return unary(ctx, c.rpc.UpdateConversation, req, func(r *pb.UpdateConversationResponse) (schema.ConversationSummary, error) {
		return FromConversationSummary(r.GetConversation())
	})
}

func (c chatClient) DeleteConversation(ctx context.Context, id string, ifRevision int64) error {
	_, err := unary(ctx, c.rpc.DeleteConversation,
		&pb.DeleteConversationRequest{Caller: callerOf(ctx), Id: id, IfRevision: ifRevision},
		func(*pb.DeleteConversationResponse) (struct{}, error) { return struct{}{}, nil })
	return err
}

func (c chatClient) Runs(ctx context.Context, q schema.RunsQuery) (schema.RunPage, error) {
	req := ToRunsQuery(q)
	req.Caller = callerOf(ctx)
	return unary(ctx, c.rpc.ListRuns, req, FromRunPage)
}

func (c chatClient) Run(ctx context.Context, id string) (schema.Run, error) {
	return unary(ctx, c.rpc.GetRun, &pb.GetRunRequest{Caller: callerOf(ctx), Id: id},
		func(r *pb.GetRunResponse) (schema.Run, error) { return FromRun(r.GetRun()) })
}

func (c chatClient) Cancel(ctx context.Context, runID string) (schema.Run, error) {
	return unary(ctx, c.rpc.CancelRun, &pb.CancelRunRequest{Caller: callerOf(ctx), Id: runID},
		func(r *pb.CancelRunResponse) (schema.Run, error) { return FromRun(r.GetRun()) })
}

// chatServer puts a schema.Chat behind a server.
type chatServer struct {
	pb.UnimplementedChatServer
	*server
	svc schema.Chat
}

func (s chatServer) Send(m *pb.SendRequest, out grpc.ServerStreamingServer[pb.SendResponse]) error {
	return serveStream(out.Context(), s.server, m.GetCaller(),
		func(ctx context.Context) iter.Seq2[schema.ChatEvent, error] {
			r, err := FromSendRequest(m)
			if err != nil {
				return failed[schema.ChatEvent](badRequest(err))
			}
			return s.svc.Send(ctx, r)
		},
		ToChatEvent,
		func(batch []*pb.ChatEvent) error { return out.Send(&pb.SendResponse{Events: batch}) })
}

func (s chatServer) Route(ctx context.Context, m *pb.RouteRequest) (*pb.RouteResponse, error) {
	return serve(ctx, s.server, m.GetCaller(), func(ctx context.Context) (*pb.RouteResponse, error) {
		r, err := FromRouteRequest(m)
		if err != nil {
			return nil, badRequest(err)
		}
		d, err := s.svc.Route(ctx, r)
		return &pb.RouteResponse{Decision: ToRouteDecision(d)}, err
	})
}

func (s chatServer) GetConversation(
	ctx context.Context, m *pb.GetConversationRequest,
) (*pb.GetConversationResponse, error) {
	return serve(ctx, s.server, m.GetCaller(), func(ctx context.Context) (*pb.GetConversationResponse, error) {
		q := FromConversationQuery(m)
		return page(q.Limit, func(limit int) (*pb.GetConversationResponse, error) {
			q.Limit = limit
			c, err := s.svc.Conversation(ctx, q)
			return ToConversation(c), err
		}, (*pb.GetConversationResponse).GetMessages)
	})
}

func (s chatServer) ListConversations(
	ctx context.Context, m *pb.ListConversationsRequest,
) (*pb.ListConversationsResponse, error) {
	return serve(ctx, s.server, m.GetCaller(), func(ctx context.Context) (*pb.ListConversationsResponse, error) {
		q := FromConversationsQuery(m)
		return page(q.Limit, func(limit int) (*pb.ListConversationsResponse, error) {
			q.Limit = limit
			p, err := s.svc.Conversations(ctx, q)
			return ToConversationPage(p), err
		}, (*pb.ListConversationsResponse).GetConversations)
	})
}

func (s chatServer) CreateConversation(
	ctx context.Context, m *pb.CreateConversationRequest,
) (*pb.CreateConversationResponse, error) {
	return serve(ctx, s.server, m.GetCaller(), func(ctx context.Context) (*pb.CreateConversationResponse, error) {
		c, err := s.svc.CreateConversation(ctx, FromNewConversation(m))
		return &pb.CreateConversationResponse{Conversation: ToConversationSummary(c)}, err
	})
}

func (s chatServer) UpdateConversation(
	ctx context.Context, m *pb.UpdateConversationRequest,
) (*pb.UpdateConversationResponse, error) {
	return serve(ctx, s.server, m.GetCaller(), func(ctx context.Context) (*pb.UpdateConversationResponse, error) {
		id, p, err := FromConversationPatch(m)
		if err != nil {
			return nil, badRequest(err)
		}
		c, err := s.svc.UpdateConversation(ctx, id, p)
		return &pb.UpdateConversationResponse{Conversation: ToConversationSummary(c)}, err
	})
}

func (s chatServer) DeleteConversation(
	ctx context.Context, m *pb.DeleteConversationRequest,
) (*pb.DeleteConversationResponse, error) {
	return serve(ctx, s.server, m.GetCaller(), func(ctx context.Context) (*pb.DeleteConversationResponse, error) {
		return &pb.DeleteConversationResponse{}, s.svc.DeleteConversation(ctx, m.GetId(), m.GetIfRevision())
	})
}

func (s chatServer) ListRuns(ctx context.Context, m *pb.ListRunsRequest) (*pb.ListRunsResponse, error) {
	return serve(ctx, s.server, m.GetCaller(), func(ctx context.Context) (*pb.ListRunsResponse, error) {
		q := FromRunsQuery(m)
		return page(q.Limit, func(limit int) (*pb.ListRunsResponse, error) {
			q.Limit = limit
			p, err := s.svc.Runs(ctx, q)
			return ToRunPage(p), err
		}, (*pb.ListRunsResponse).GetRuns)
	})
}

func (s chatServer) GetRun(ctx context.Context, m *pb.GetRunRequest) (*pb.GetRunResponse, error) {
	return serve(ctx, s.server, m.GetCaller(), func(ctx context.Context) (*pb.GetRunResponse, error) {
		r, err := s.svc.Run(ctx, m.GetId())
		return &pb.GetRunResponse{Run: ToRun(r)}, err
	})
}

func (s chatServer) CancelRun(ctx context.Context, m *pb.CancelRunRequest) (*pb.CancelRunResponse, error) {
	return serve(ctx, s.server, m.GetCaller(), func(ctx context.Context) (*pb.CancelRunResponse, error) {
		r, err := s.svc.Cancel(ctx, m.GetId())
		return &pb.CancelRunResponse{Run: ToRun(r)}, err
	})
}
