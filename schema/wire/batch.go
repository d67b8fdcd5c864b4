package wire

import (
	"context"
	"iter"

	"google.golang.org/protobuf/proto"

	"github.com/stagehouse/stagehouse/schema"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
)

// Bounds of one batch of a stream. A single message that is larger travels alone.
const (
	maxBatchItems = 256
	maxBatchBytes = 256 << 10
)

// serveStream runs one streaming call of a service: it takes what the service yields and hands it to send in batches.
// A batch holds what was ready when the one before had been sent; nothing waits for a batch to fill. While send blocks,
// at most maxBatchItems are gathered, and then the service's own iteration is held up. It returns when the service's
// iteration is over, which a client that goes away makes it be by ending ctx.
func serveStream[T any, M proto.Message](
	ctx context.Context, s *server, caller *pb.Caller, seq func(context.Context) iter.Seq2[T, error],
	encode func(T) (M, error), send func([]M) error,
) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ready := make(chan M, maxBatchItems)
	var fed error // written before ready is closed, read after
	go func() {
		defer close(ready)
		fed = feed(ctx, s, caller, seq, encode, ready)
	}()
	err := sendBatches(ready, send)
	if err != nil {
		cancel()
		for range ready { // until the service's iteration is over
		}
		return ToStatus(err)
	}
	if fed != nil {
		return ToStatus(blame(ctx, fed))
	}
	return nil
}

// feed iterates over what a service yields until it ends, fails or nobody takes it any more.
func feed[T any, M proto.Message](
	ctx context.Context, s *server, caller *pb.Caller, seq func(context.Context) iter.Seq2[T, error],
	encode func(T) (M, error), ready chan<- M,
) error {
	_, err := contained(ctx, s, caller, func(ctx context.Context) (struct{}, error) {
		answered := false
		for v, err := range seq(ctx) {
			if err != nil {
				return struct{}{}, err
			}
			if !answered {
				tell(ctx, schema.OnceFrom(ctx))
				answered = true
			}
			m, err := encode(v)
			if err != nil {
				return struct{}{}, badAnswer(err)
			}
			select {
			case ready <- m:
			case <-ctx.Done():
				return struct{}{}, ctx.Err()
			}
		}
		return struct{}{}, nil
	})
	return err
}

// sendBatches sends everything that comes out of ready until it is closed or send fails.
func sendBatches[M proto.Message](ready <-chan M, send func([]M) error) error {
	b := batch[M]{send: send}
	for m := range ready {
		for more := true; more; {
			if err := b.add(m); err != nil {
				return err
			}
			select {
			case m, more = <-ready:
			default:
				more = false
			}
		}
		if err := b.flush(); err != nil {
			return err
		}
	}
	return nil
}

// batch gathers messages up to the bounds.
type batch[M proto.Message] struct {
	send  func([]M) error
	items []M
	bytes int
}

func (b *batch[M]) add(m M) error {
	size := proto.Size(m)
	if len(b.items) == maxBatchItems || b.bytes+size > maxBatchBytes {
		if err := b.flush(); err != nil {
			return err
		}
	}
	b.items, b.bytes = append(b.items, m), b.bytes+size
	return nil
}

func (b *batch[M]) flush() error {
	if len(b.items) == 0 {
		return nil
	}
	items := b.items
	b.items, b.bytes = nil, 0
	return b.send(items)
}
