package client

import (
	"context"

	"github.com/stagehouse/stagehouse/schema"
)

// talk is a socket for messages, of one turn at a time. It subscribes to nothing: the frames of a turn come by themselves to the
// socket that has asked for it.
type talk struct {
	*socket
	seq uint64 // of the last place that was sent on it; 0 = there was none
}

// ask sends a message, and returns its acknowledgement.
func (t *talk) ask(ctx context.Context, message command) (a ack, err error) {
	answer, err := t.exchange(ctx, message)
	if err == nil {
		err = answer.as(&a)
	}
	if err == nil && a.RunID == "" {
		err = faulty("a message was answered by %.40q", answer.Type)
	}
	return a, err
}

// event returns the next event of a run, or a gap.
func (t *talk) event(ctx context.Context, run string) (schema.Event, error) {
	for {
		f, err := t.next(ctx)
		switch {
		case err != nil:
			return schema.Event{}, err
		case f.untold(run):
			return schema.Event{}, f.refusal()
		case !f.isEvent():
			continue
		}
		e, err := f.event()
		if err != nil {
			return e, err
		}
		if f.PrevSeq != nil && *f.PrevSeq != t.seq {
			return e, faulty("event %s says that it comes after number %d, and %d was the last: something is lost", e.Cursor, *f.PrevSeq, t.seq)
		}
		if f.isPlace() {
			t.seq = e.Cursor.Seq
		}
		if e.RunID == run || e.Type == schema.EventGap {
			return e, nil
		}
	}
}
