package sdk

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/stagehouse/stagehouse/schema"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
	"github.com/stagehouse/stagehouse/schema/wire"
)

// Reloader is implemented by an extension that takes another block of its configuration while it serves, so that no other
// generation has to take its place. next is what Definition.New returns, with the block decoded into it and validated just as for a
// start; nothing has been started of it, and nothing will be. Reload takes over from it what has changed:
//
//	func (x *desk) Reload(ctx context.Context, next sdk.Extension) error {
//		n := next.(*desk)
//		if n.Address != x.Address {
//			return fmt.Errorf("address: %w", sdk.ErrDeclined)
//		}
//		x.greeting.Store(&n.Greeting)
//		return nil
//	}
//
// It takes the whole block or nothing of it. With ErrDeclined, which it may wrap, another generation takes its place with the
// block, as if there were no Reload; with any other error nobody takes the block, the extension goes on with the one before, and
// the operator reads why. After a panic nobody knows what it has taken, and another generation takes its place.
//
// Reload is called after Start, one call at a time, while everything else goes on: requests, what Host.Go runs, Health. ctx ends
// with the deadline for a start, and when the extension drains. The host does not call it if the program has changed, or anything
// but the block, or if an operator asks for another process.
type Reloader interface {
	Reload(ctx context.Context, next Extension) error
}

// ErrDeclined is what Reloader.Reload returns to have another generation take the block. Wrap it to say what cannot change in
// this one.
var ErrDeclined = errors.New("another generation has to take it")

// Reload waits for one before it, whose host may have given up on it.
func (r *rpc) Reload(ctx context.Context, in *pb.ReloadRequest) (*pb.ReloadResponse, error) {
	s := r.s
	s.reloading.Lock()
	defer s.reloading.Unlock()
	if err := s.move("Reload", started, started); err != nil {
		return nil, err
	}
	reloader, ok := s.ext.(Reloader)
	if !ok {
		return nil, status.Error(codes.Unimplemented, "the extension takes no other block while it serves")
	}
	next, problems := s.def.configure(s.env.Log, in.GetConfig())
	if next == nil {
		return &pb.ReloadResponse{Problems: toProblems(problems)}, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.life.work, cancel)()
	var err error
	if broken := contain(s.env.Log, "Reload", func() error { err = reloader.Reload(ctx, next); return nil }); broken != nil {
		return nil, wire.ToStatus(broken)
	}
	out := &pb.ReloadResponse{}
	switch {
	case errors.Is(err, ErrDeclined):
		out.Declined = err.Error()
	case err != nil:
		problems = append(problems, wrong("", "%v", err))
	}
	out.Problems = toProblems(problems)
	return out, nil
}

func toProblems(problems []schema.Problem) (out []*pb.Problem) {
	for _, p := range problems {
		out = append(out, &pb.Problem{
			Severity: string(p.Severity), Pointer: p.Pointer, Message: p.Message, Suggestion: p.Suggestion,
		})
	}
	return out
}
