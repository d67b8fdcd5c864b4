package ws

import (
	"context"
	"iter"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

// brokenLog is a log that cannot be read.
type brokenLog struct{ stillLog }

func (brokenLog) Subscribe(context.Context, schema.EventQuery) iter.Seq2[schema.Event, error] {
	return func(yield func(schema.Event, error) bool) {
		yield(schema.Event{}, schema.Errorf(schema.CodeUnavailable, "the host restarts"))
	}
}

// TestReplayGivesUp: while the log cannot be read it is tried again, but not for ever; the client is told, and comes again.
func TestReplayGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newTestServer(nil)
		srv.opts.Events = brokenLog{}
		srv.hub.cursor.Store(&schema.Cursor{Epoch: "e", Seq: 10})
		s := &session{srv: srv, out: newOutbox(1 << 20), log: slog.New(slog.DiscardHandler)}
		s.ctx, s.cancel = context.WithCancel(t.Context())
		defer s.cancel()
		r := &replay{set: srv.catalogue.all, pos: schema.Cursor{Epoch: "e", Seq: 3}}
		s.replay = r
		begin := time.Now()
		s.catchUp(nil, r)
		items, end := s.out.take(nil, 1<<20)
		if len(items) != 1 || end == nil || end.code != CloseRestart {
			t.Errorf("the end is %+v, behind %d frames", end, len(items))
		}
		if took := time.Since(begin); took < replayWait || took > replayWait+2*lastRetry {
			t.Errorf("gave up after %v", took)
		}
	})
}
