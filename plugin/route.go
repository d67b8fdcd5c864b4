package plugin

import (
	"context"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/stagehouse/stagehouse/schema"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
	"github.com/stagehouse/stagehouse/schema/wire"
)

// maxTries is how often a call is made whose process goes away under it. One that is the reason for that must not go on.
const maxTries = 3

// route is a connection to whichever process of the runtime serves. A call that is lost with its process is made again, by the
// next one, where that changes nothing or happens once.
type route struct{ gate *gate }

var _ grpc.ClientConnInterface = route{}

func (r route) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	v := visit{change: !goesOn(method)}
	for try := 1; ; try++ {
		p, err := r.gate.enter(ctx, v)
		if err != nil {
			return wire.ToStatus(err)
		}
		err = p.g.proc.Conn().Invoke(ctx, method, args, reply, opts...)
		p.leave()
		if err == nil || !r.gate.lost(ctx, p, v.change, err) {
			return err
		}
		if try == maxTries || v.change && !repeatable(method, args) {
			return wire.ToStatus(away("the runtime went away while it worked on this, which may have happened or not; look, or try again"))
		}
		v.after = p.term
		opts = withoutHeader(opts)
		if m, ok := reply.(proto.Message); ok {
			proto.Reset(m)
		}
	}
}

// withoutHeader returns the options of a call that is made again: its caller has asked once, and is not told in the header that the
// answer is that of an earlier request.
func withoutHeader(opts []grpc.CallOption) []grpc.CallOption {
	return slices.DeleteFunc(slices.Clone(opts), func(o grpc.CallOption) bool {
		_, header := o.(grpc.HeaderCallOption)
		return header
	})
}

// passKey is under which a stream finds the process that it goes to.
type passKey struct{}

// NewStream makes a stream with the process of the pass in ctx; whoever put it there knows what to do when that goes away.
func (r route) NewStream(
	ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption,
) (grpc.ClientStream, error) {
	p, ok := ctx.Value(passKey{}).(pass)
	if !ok {
		return nil, wire.ToStatus(schema.Errorf(schema.CodeInternal, "%s has no process to go to", method))
	}
	return p.g.proc.Conn().NewStream(ctx, desc, method, opts...)
}

// goesOn reports whether calls of a method are made while a process finishes what it has: those that only read, and the one
// that makes a turn end sooner. They can be made again.
func goesOn(method string) bool {
	switch method {
	case pb.Agents_List_FullMethodName, pb.Agents_Get_FullMethodName,
		pb.Chat_Route_FullMethodName, pb.Chat_GetConversation_FullMethodName, pb.Chat_ListConversations_FullMethodName,
		pb.Chat_ListRuns_FullMethodName, pb.Chat_GetRun_FullMethodName, pb.Chat_CancelRun_FullMethodName,
		pb.Memory_Search_FullMethodName, pb.Memory_Get_FullMethodName,
		pb.Events_Head_FullMethodName, pb.Usage_Report_FullMethodName:
		return true
	}
	return false
}

// repeatable reports whether a call that changes something can be made again without doing it twice: because of its key, or
// because it is idempotent by itself.
func repeatable(method string, args any) bool {
	switch method {
	case pb.Agents_Start_FullMethodName, pb.Agents_Stop_FullMethodName:
		return true
	case pb.Chat_DeleteConversation_FullMethodName, pb.Memory_Delete_FullMethodName: // which take no notice of a key
		return false
	}
	r, ok := args.(interface{ GetCaller() *pb.Caller })
	return ok && r.GetCaller().GetOnce() != nil
}
