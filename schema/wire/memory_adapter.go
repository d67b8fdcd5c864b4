package wire

import (
	"context"

	"github.com/stagehouse/stagehouse/schema"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
)

// memoryClient is a schema.Memory behind a connection.
type memoryClient struct{ rpc pb.MemoryClient }

var _ schema.Memory = memoryClient{}

func (c memoryClient) Store(ctx context.Context, n schema.NewMemory) (schema.MemoryItem, error) {
	req, err := ToNewMemory(n)
	if err != nil {
		return schema.MemoryItem{}, badRequest(err)
	}
	req.Caller = callerOf(ctx)
	return unary(ctx, c.rpc.Store, req,
		func(r *pb.StoreMemoryResponse) (schema.MemoryItem, error) { return FromMemoryItem(r.GetMemory()) })
}

func (c memoryClient) Search(ctx context.Context, q schema.MemoryQuery) ([]schema.MemoryHit, error) {
	req := ToMemoryQuery(q)
	req.Caller = callerOf(ctx)
	return unary(ctx, c.rpc.Search, req,
		func(r *pb.SearchMemoryResponse) ([]schema.MemoryHit, error) { return each(r.GetHits(), FromMemoryHit) })
}

func (c memoryClient) Get(ctx context.Context, agentID, id string) (schema.MemoryItem, error) {
	return unary(ctx, c.rpc.Get, &pb.GetMemoryRequest{Caller: callerOf(ctx), AgentId: agentID, Id: id},
		func(r *pb.GetMemoryResponse) (schema.MemoryItem, error) { return FromMemoryItem(r.GetMemory()) })
}

func (c memoryClient) Delete(ctx context.Context, agentID, id string) error {
	_, err := unary(ctx, c.rpc.Delete, &pb.DeleteMemoryRequest{Caller: callerOf(ctx), AgentId: agentID, Id: id},
		func(*pb.DeleteMemoryResponse) (struct{}, error) { return struct{}{}, nil })
	return err
}

// memoryServer puts a schema.Memory behind a server.
type memoryServer struct {
	pb.UnimplementedMemoryServer
	*server
	svc schema.Memory
}

func (s memoryServer) Store(ctx context.Context, m *pb.StoreMemoryRequest) (*pb.StoreMemoryResponse, error) {
	return serve(ctx, s.server, m.GetCaller(), func(ctx context.Context) (*pb.StoreMemoryResponse, error) {
		n, err := FromNewMemory(m)
		if err != nil {
			return nil, badRequest(err)
		}
		item, err := s.svc.Store(ctx, n)
		if err != nil {
			return nil, err
		}
		out, err := ToMemoryItem(item)
		return &pb.StoreMemoryResponse{Memory: out}, badAnswer(err)
	})
}

func (s memoryServer) Search(ctx context.Context, m *pb.SearchMemoryRequest) (*pb.SearchMemoryResponse, error) {
	return serve(ctx, s.server, m.GetCaller(), func(ctx context.Context) (*pb.SearchMemoryResponse, error) {
		q, err := FromMemoryQuery(m)
		if err != nil {
			return nil, badRequest(err)
		}
		hits, err := s.svc.Search(ctx, q)
		if err != nil {
			return nil, err
		}
		out, err := each(hits, ToMemoryHit)
		return &pb.SearchMemoryResponse{Hits: out[:fitting(out)]}, badAnswer(err) // the best come first
	})
}

func (s memoryServer) Get(ctx context.Context, m *pb.GetMemoryRequest) (*pb.GetMemoryResponse, error) {
	return serve(ctx, s.server, m.GetCaller(), func(ctx context.Context) (*pb.GetMemoryResponse, error) {
		item, err := s.svc.Get(ctx, m.GetAgentId(), m.GetId())
		if err != nil {
			return nil, err
		}
		out, err := ToMemoryItem(item)
		return &pb.GetMemoryResponse{Memory: out}, badAnswer(err)
	})
}

func (s memoryServer) Delete(ctx context.Context, m *pb.DeleteMemoryRequest) (*pb.DeleteMemoryResponse, error) {
	return serve(ctx, s.server, m.GetCaller(), func(ctx context.Context) (*pb.DeleteMemoryResponse, error) {
		return &pb.DeleteMemoryResponse{}, s.svc.Delete(ctx, m.GetAgentId(), m.GetId())
	})
}
