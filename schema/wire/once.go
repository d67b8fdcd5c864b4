package wire

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/stagehouse/stagehouse/schema"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
)

// headerReplayed is a response header: the answer is that of an earlier request (see schema.Once).
const headerReplayed = "stagehouse-replayed"

// ToOnce converts what has a call happen once; nil stays nil.
func ToOnce(o *schema.Once) *pb.Once {
	if o == nil {
		return nil
	}
	return &pb.Once{Key: o.Key, Scope: o.Scope, Digest: o.Digest}
}

// FromOnce converts what has a call happen once; nil stays nil.
func FromOnce(m *pb.Once) *schema.Once {
	if m == nil {
		return nil
	}
	return &schema.Once{Key: m.GetKey(), Scope: m.GetScope(), Digest: m.GetDigest()}
}

// hear takes over what the headers of an answer say.
func hear(o *schema.Once, header metadata.MD) {
	if o != nil && len(header.Get(headerReplayed)) > 0 {
		o.Replay()
	}
}

// tell says in the headers of an answer that it is that of an earlier request. It is called before anything is answered.
func tell(ctx context.Context, o *schema.Once) {
	if o != nil && o.Replayed() {
		_ = grpc.SetHeader(ctx, metadata.Pairs(headerReplayed, "1")) // it fails only where something was answered already
	}
}
