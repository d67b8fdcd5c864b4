package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/stagehouse/stagehouse/schema"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
)

// MaxMessageSize is the largest message in bytes, both ways. Clients made by Dial keep it by themselves; a server has to
// be made with grpc.MaxRecvMsgSize(MaxMessageSize) and grpc.MaxSendMsgSize(MaxMessageSize).
const MaxMessageSize = 16 << 20

// Dial returns the named services as they are behind cc, and leaves the others nil. A name that this version does not
// know is ignored, because a newer host may offer more. Every call carries the [schema.Caller] of its context, and every
// error is a *schema.Error. Dial itself does not use the connection, and the result lives as long as cc does.
func Dial(cc grpc.ClientConnInterface, names []string) schema.Services {
	return schema.Services{
		Agents:   agentsClient{pb.NewAgentsClient(cc)},
		Chat:     chatClient{pb.NewChatClient(cc)},
		Memory:   memoryClient{pb.NewMemoryClient(cc)},
		Events:   eventsClient{pb.NewEventsClient(cc)},
		Usage:    usageClient{pb.NewUsageClient(cc)},
		Identity: identityClient{pb.NewIdentityClient(cc)},
	}.Only(names)
}

// callerOf returns the caller of ctx as it travels in a request, with what has the call happen once.
func callerOf(ctx context.Context) *pb.Caller {
	c, o := ToCaller(schema.CallerFrom(ctx)), schema.OnceFrom(ctx)
	if o == nil {
		return c
	}
	if c == nil {
		c = &pb.Caller{}
	}
	c.Once = ToOnce(o)
	return c
}

// callOptions belong to every call.
func callOptions() []grpc.CallOption {
	return []grpc.CallOption{grpc.MaxCallRecvMsgSize(MaxMessageSize), grpc.MaxCallSendMsgSize(MaxMessageSize)}
}

// unary makes one call and decodes its answer.
func unary[Req proto.Message, Resp, T any](
	ctx context.Context, rpc func(context.Context, Req, ...grpc.CallOption) (Resp, error), req Req,
	decode func(Resp) (T, error),
) (T, error) {
	var none T
	var header metadata.MD
	resp, err := rpc(ctx, req, append(callOptions(), grpc.Header(&header))...)
	hear(schema.OnceFrom(ctx), header)
	if err != nil {
		return none, callError(ctx, req, err)
	}
	out, err := decode(resp)
	if err != nil {
		return none, badAnswer(err)
	}
	return out, nil
}

// stream makes one call whose answer is a stream of batches, and yields what is in them. It ends with the stream.
// Breaking out of it cancels the call and waits for nothing.
func stream[Req proto.Message, Resp, M, T any](
	ctx context.Context, rpc func(context.Context, Req, ...grpc.CallOption) (grpc.ServerStreamingClient[Resp], error),
	req Req, batch func(*Resp) []M, decode func(M) (T, error),
) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		inner, cancel := context.WithCancel(ctx)
		defer cancel()
		s, err := rpc(inner, req, callOptions()...)
		for heard := false; err == nil; {
			var resp *Resp
			resp, err = s.Recv()
			if !heard {
				header, _ := s.Header() // which is there, or never will be
				hear(schema.OnceFrom(ctx), header)
				heard = true
			}
			if err != nil {
				break
			}
			for _, m := range batch(resp) {
				out, err := decode(m)
				if err != nil {
					yield(none, badAnswer(err))
					return
				}
				if !yield(out, nil) {
					return
				}
			}
		}
		if !errors.Is(err, io.EOF) {
			yield(none, callError(ctx, req, err))
		}
	}
}

// failed yields one error.
func failed[T any](err error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		yield(none, err)
	}
}

// callError says why a call failed, in terms of what the caller did: a request that cannot be encoded is the caller's
// mistake, a context that is done is the reason for whatever gRPC made of it, and a call that was ended by somebody else
// was not given up by the caller.
func callError(ctx context.Context, req proto.Message, err error) error {
	e := schema.AsError(FromStatus(err))
	st, _ := status.FromError(err)
	bare := detailOf(st) == nil // it is gRPC's own, and speaks of its insides
	if !bare && e.Code != schema.CodeInternal {
		return e
	}
	switch cause := ctx.Err(); {
	case cause != nil:
		return &schema.Error{Code: schema.CodeOf(cause), Message: givenUp(cause), Cause: cause}
	case e.Code == schema.CodeInternal:
		if where := invalidText(req); where != "" {
			return schema.Invalid(where, "is not valid UTF-8")
		}
	case e.Code == schema.CodeCancelled:
		return &schema.Error{Code: schema.CodeUnavailable, Message: "the connection to the host was closed", Cause: err}
	case e.Code == schema.CodeTooLarge && proto.Size(req) <= MaxMessageSize:
		return badAnswer(fmt.Errorf("it is larger than a message may be: %w", err))
	case bare:
		e.Message = bareText(e)
	}
	return e
}

// bareText words an error of gRPC's. What is not about the request keeps gRPC's text: nobody but a log is shown it.
func bareText(e *schema.Error) string {
	switch e.Code {
	case schema.CodeInternal, schema.CodeUnavailable, schema.CodeDeadlineExceeded:
		return e.Message
	case schema.CodeTooLarge:
		return fmt.Sprintf("the request is too large: a message has at most %d bytes", MaxMessageSize)
	case schema.CodeUnimplemented:
		return "the host does not offer this"
	default:
		return "the host refused the call: " + strings.ReplaceAll(string(e.Code), "_", " ")
	}
}

func givenUp(cause error) string {
	if errors.Is(cause, context.DeadlineExceeded) {
		return "the call did not finish before its deadline"
	}
	return "the call was given up by its caller"
}

// badRequest says that a request cannot be encoded or decoded.
func badRequest(err error) error {
	if err == nil {
		return nil
	}
	return &schema.Error{Code: schema.CodeInvalidArgument, Message: err.Error(), Cause: err}
}

// badAnswer says that an answer cannot be encoded or decoded.
func badAnswer(err error) error {
	if err == nil {
		return nil
	}
	return &schema.Error{Code: schema.CodeInternal, Message: "the runtime's answer is broken: " + err.Error(), Cause: err}
}
