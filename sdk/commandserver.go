package sdk

import (
	"context"
	"errors"
	"slices"

	"google.golang.org/grpc/status"

	"github.com/stagehouse/stagehouse/plugin/protocol"
	"github.com/stagehouse/stagehouse/schema"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
	"github.com/stagehouse/stagehouse/schema/wire"
)

// commandRPC answers the host's calls of commands.
type commandRPC struct {
	pb.UnimplementedCommandsServer
	s *Server
}

func (r commandRPC) Run(ctx context.Context, in *pb.RunCommandRequest) (*pb.RunCommandResponse, error) {
	commands, done, ok := r.s.beginCommand()
	if !ok {
		return nil, status.Error(protocol.StatusLeaving, "the extension is not started, or leaves")
	}
	defer done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(r.s.life.ctx, cancel)()
	return wire.ServeCommand(ctx, in, func(ctx context.Context, c CommandCall) (result Object, err error) {
		i := slices.IndexFunc(commands, func(x Command) bool { return x.spec.Name == c.Name })
		if i < 0 {
			return nil, schema.Errorf(schema.CodeNotFound, "the extension has no command %q", c.Name)
		}
		errPanic := contain(r.s.env.Log, "command "+c.Name, func() error { result, err = commands[i].run(ctx, c); return nil })
		if errPanic != nil {
			return nil, schema.Errorf(schema.CodeInternal, "the command %s failed unexpectedly; the host's log has the details", c.Name)
		}
		if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			err = schema.Errorf(schema.CodeOf(ctx.Err()), "the command %s was cut off", c.Name)
		}
		return result, err
	})
}

// beginCommand lets a command begin where the extension runs. The drain waits for done.
func (s *Server) beginCommand() (commands []Command, done func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != started || !s.life.calls.Begin() {
		return nil, nil, false
	}
	return s.commands, s.life.calls.End, true
}
