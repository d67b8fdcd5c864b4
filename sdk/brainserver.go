package sdk

import (
	"context"
	"iter"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"github.com/stagehouse/stagehouse/plugin/protocol"
	"github.com/stagehouse/stagehouse/schema"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
	"github.com/stagehouse/stagehouse/schema/wire"
)

// brainRPC answers the host's calls of the brain.
type brainRPC struct {
	pb.UnimplementedBrainsServer
	s *Server
}

func (r brainRPC) Think(in *pb.ThinkRequest, out grpc.ServerStreamingServer[pb.ThinkResponse]) error {
	b, ctx, done, err := r.begin(out.Context())
	if err != nil {
		return err
	}
	defer done()
	return wire.ServeThink(ctx, r.s.env.Log, in, out, func(ctx context.Context, q ThinkRequest) iter.Seq2[ThinkEvent, error] {
		if b == nil {
			return func(yield func(ThinkEvent, error) bool) { yield(ThinkEvent{}, errNoBrain()) }
		}
		return b.think(ctx, q)
	})
}

func (r brainRPC) Embed(ctx context.Context, in *pb.EmbedRequest) (*pb.EmbedResponse, error) {
	b, ctx, done, err := r.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	return wire.ServeEmbed(ctx, r.s.env.Log, in, func(ctx context.Context, q EmbedRequest) (Embeddings, error) {
		switch {
		case b == nil:
			return Embeddings{}, errNoBrain()
		case b.embed == nil:
			return Embeddings{}, schema.Errorf(schema.CodeUnimplemented, "the brain has no embeddings")
		}
		return b.embed(ctx, q)
	})
}

func errNoBrain() error { return schema.Errorf(schema.CodeNotFound, "the extension has no brain") }

// begin lets a step begin where the extension runs. The drain waits for done; the context ends with the process, too.
func (r brainRPC) begin(ctx context.Context) (b *Brain, _ context.Context, done func(), err error) {
	s := r.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != started || !s.life.calls.Begin() {
		return nil, nil, nil, status.Error(protocol.StatusLeaving, "the extension is not started, or leaves")
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.life.ctx, cancel)
	return s.brain, ctx, func() { stop(); cancel(); s.life.calls.End() }, nil
}
