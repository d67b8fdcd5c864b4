package wire

import (
	"context"
	"iter"

	"google.golang.org/grpc"

	"github.com/stagehouse/stagehouse/schema"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
)

// eventsClient is a schema.Events behind a connection.
type eventsClient struct{ rpc pb.EventsClient }

var _ schema.Events = eventsClient{}

// Subscribe ends with an error even if the server ends the stream well, unless the query says where it ends.
func (c eventsClient) Subscribe(ctx context.Context, q schema.EventQuery) iter.Seq2[schema.Event, error] {
	req := ToEventQuery(q)
	req.Caller = callerOf(ctx)
	return func(yield func(schema.Event, error) bool) {
		for e, err := range stream(ctx, c.rpc.Subscribe, req, (*pb.SubscribeResponse).GetEvents, FromEvent) {
			if !yield(e, err) || err != nil {
				return
			}
		}
		if !q.Until.IsZero() {
			return
		}
		yield(schema.Event{}, schema.Errorf(schema.CodeUnavailable, "the host ended the event stream; subscribe again"))
	}
}

func (c eventsClient) Head(ctx context.Context) (schema.Cursor, error) {
	return unary(ctx, c.rpc.Head, &pb.HeadRequest{Caller: callerOf(ctx)},
		func(r *pb.HeadResponse) (schema.Cursor, error) { return FromCursor(r.GetHead()), nil })
}

// eventsServer puts a schema.Events behind a server.
type eventsServer struct {
	pb.UnimplementedEventsServer
	*server
	svc schema.Events
}

func (s eventsServer) Subscribe(m *pb.SubscribeRequest, out grpc.ServerStreamingServer[pb.SubscribeResponse]) error {
	return serveStream(out.Context(), s.server, m.GetCaller(),
		func(ctx context.Context) iter.Seq2[schema.Event, error] {
			return s.svc.Subscribe(ctx, FromEventQuery(m))
		},
		func(e schema.Event) (*pb.Event, error) { return ToEvent(e), nil },
		func(batch []*pb.Event) error { return out.Send(&pb.SubscribeResponse{Events: batch}) })
}

func (s eventsServer) Head(ctx context.Context, m *pb.HeadRequest) (*pb.HeadResponse, error) {
	return serve(ctx, s.server, m.GetCaller(), func(ctx context.Context) (*pb.HeadResponse, error) {
		head, err := s.svc.Head(ctx)
		return &pb.HeadResponse{Head: ToCursor(head)}, err
	})
}
