package wire

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/stagehouse/stagehouse/schema"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
)

// ToCommand converts a command.
func ToCommand(c schema.Command) *pb.Command {
	return &pb.Command{
		Name: c.Name, Description: c.Description, InputSchema: c.InputSchema, OutputSchema: c.OutputSchema,
		Scope: string(c.Scope), TimeoutMs: c.TimeoutMs,
	}
}

// FromCommand converts a command.
func FromCommand(m *pb.Command) schema.Command {
	return schema.Command{
		Name: m.GetName(), Description: m.GetDescription(), InputSchema: m.GetInputSchema(), OutputSchema: m.GetOutputSchema(),
		Scope: schema.Scope(m.GetScope()), TimeoutMs: m.GetTimeoutMs(),
	}
}

// ToCommandCall converts a call.
func ToCommandCall(c schema.CommandCall) (*pb.RunCommandRequest, error) {
	input, err := toObject("input", c.Input)
	if err != nil {
		return nil, err
	}
	return &pb.RunCommandRequest{
		Id: c.ID, Name: c.Name, Input: input, AgentId: c.AgentID, ConversationId: c.ConversationID, RunId: c.RunID,
	}, nil
}

// FromCommandCall converts a call.
func FromCommandCall(m *pb.RunCommandRequest) (schema.CommandCall, error) {
	input, err := fromObject("input", m.GetInput())
	if err != nil {
		return schema.CommandCall{}, err
	}
	return schema.CommandCall{
		ID: m.GetId(), Name: m.GetName(), Input: input, AgentID: m.GetAgentId(), ConversationID: m.GetConversationId(), RunID: m.GetRunId(),
	}, nil
}

// RunCommand has the extension behind rpc carry a command out, on behalf of the caller of ctx. Errors are *schema.Error, with
// the status as their cause.
func RunCommand(ctx context.Context, rpc pb.CommandsClient, c schema.CommandCall) (schema.Object, error) {
	req, err := ToCommandCall(c)
	if err != nil {
		return nil, badRequest(err)
	}
	req.Caller = ToCaller(schema.CallerFrom(ctx))
	resp, err := rpc.Run(ctx, req, callOptions()...)
	if err != nil {
		return nil, callError(ctx, req, err)
	}
	result, err := fromObject("result", resp.GetResult())
	if err != nil {
		return nil, &schema.Error{Code: schema.CodeInternal, Message: "the extension's answer is broken: " + err.Error(), Cause: err}
	}
	return result, nil
}

// NotBegun reports whether an error of RunCommand says that the process is leaving and has not begun: protocol.StatusLeaving,
// and not an error of the command that has the same status.
func NotBegun(err error) bool {
	st := statusOf(err)
	return st != nil && st.Code() == codes.Aborted && detailOf(st) == nil
}

// Answered reports whether an error of RunCommand is what the command returned, and not what became of the connection.
func Answered(err error) bool {
	st := statusOf(err)
	return st != nil && detailOf(st) != nil
}

// statusOf returns the status behind an error of RunCommand; nil = it has none.
func statusOf(err error) *status.Status {
	var e *schema.Error
	if !errors.As(err, &e) || e.Cause == nil {
		return nil
	}
	st, ok := status.FromError(e.Cause)
	if !ok {
		return nil
	}
	return st
}

// commandsClient calls the commands that a host offers to a runtime.
type commandsClient struct{ rpc pb.CommandsClient }

var _ schema.Commands = commandsClient{}

func (c commandsClient) List(ctx context.Context) ([]schema.Command, error) {
	return unary(ctx, c.rpc.List, &pb.ListCommandsRequest{Caller: ToCaller(schema.CallerFrom(ctx))},
		func(m *pb.ListCommandsResponse) ([]schema.Command, error) {
			all := make([]schema.Command, len(m.GetCommands()))
			for i, x := range m.GetCommands() {
				all[i] = FromCommand(x)
			}
			return all, nil
		})
}

func (c commandsClient) Run(ctx context.Context, call schema.CommandCall) (schema.Object, error) {
	return RunCommand(ctx, c.rpc, call)
}

// commandsServer offers commands to a runtime.
type commandsServer struct {
	pb.UnimplementedCommandsServer
	*server
	svc schema.Commands
}

func (s commandsServer) List(ctx context.Context, m *pb.ListCommandsRequest) (*pb.ListCommandsResponse, error) {
	return serve(ctx, s.server, m.GetCaller(), func(ctx context.Context) (*pb.ListCommandsResponse, error) {
		all, err := s.svc.List(ctx)
		out := &pb.ListCommandsResponse{}
		for _, c := range all {
			out.Commands = append(out.Commands, ToCommand(c))
		}
		return out, err
	})
}

func (s commandsServer) Run(ctx context.Context, m *pb.RunCommandRequest) (*pb.RunCommandResponse, error) {
	return serve(ctx, s.server, m.GetCaller(), func(ctx context.Context) (*pb.RunCommandResponse, error) {
		return runCommand(ctx, m, s.svc.Run)
	})
}

// ServeCommand has run carry out what a request asks for, on behalf of the caller of the request.
func ServeCommand(ctx context.Context, m *pb.RunCommandRequest, run func(context.Context, schema.CommandCall) (schema.Object, error)) (*pb.RunCommandResponse, error) {
	out, err := runCommand(schema.WithCaller(ctx, FromCaller(m.GetCaller())), m, run)
	if err != nil {
		return nil, ToStatus(blame(ctx, err))
	}
	return out, nil
}

func runCommand(ctx context.Context, m *pb.RunCommandRequest, run func(context.Context, schema.CommandCall) (schema.Object, error)) (*pb.RunCommandResponse, error) {
	c, err := FromCommandCall(m)
	if err != nil {
		return nil, badRequest(err)
	}
	result, err := run(ctx, c)
	if err != nil {
		return nil, err
	}
	b, err := toObject("result", result)
	if err != nil {
		return nil, err
	}
	return &pb.RunCommandResponse{Result: b}, nil
}
