package ws

import (
	"fmt"
	"testing"

	"github.com/stagehouse/stagehouse/schema"
)

// TestEarlier: a socket can be resumed from any place as long as it knows all turns whose frames it was sent behind there.
func TestEarlier(t *testing.T) {
	at := func(seq int) schema.Cursor { return schema.Cursor{Epoch: "e", Seq: uint64(seq)} }
	var past earlier
	for i := range maxRuns {
		past.add(fmt.Sprint("run ", i), at(10*i))
	}
	if err := past.resumable(at(0)); err != nil || len(past.runs) != maxRuns {
		t.Errorf("%d turns, %v", len(past.runs), err)
	}
	past.add("one more", at(10*maxRuns))
	for since, want := range map[schema.Cursor]schema.ErrorCode{
		at(10*maxRuns - 1): schema.CodeInvalidArgument, at(10 * maxRuns): "", {Epoch: "other", Seq: 1}: "",
	} {
		if err := past.resumable(since); schema.CodeOf(err) != want {
			t.Errorf("from %s: %v", since, err)
		}
	}
	if len(past.runs) != maxRuns || past.runs[0] != "run 1" || past.runs[maxRuns-1] != "one more" {
		t.Errorf("%d turns from %s", len(past.runs), past.runs[0])
	}
	past = earlier{closed: true}
	past.add("run", at(1))
	past.forget(at(2))
	if err := past.resumable(at(9)); schema.CodeOf(err) != schema.CodeInvalidArgument || len(past.runs) != 1 || !past.forgotten.IsZero() {
		t.Errorf("%+v: %v", past, err)
	}
}

// TestReplayKeepsALittle of what the hub sends, by number and by bytes, and lets go of all of it when it is more.
func TestReplayKeepsALittle(t *testing.T) {
	small, big := &event{json: []byte("{}")}, &event{json: make([]byte, 500)}
	for name, c := range map[string]struct {
		e    *event
		room int
		fits int
	}{"by number": {small, 1 << 20, maxKept}, "by bytes": {big, 1000, 1}, "none at all": {big, 100, 0}} {
		r := &replay{}
		r.see(c.e, c.room)
		if r.kept != nil {
			t.Errorf("%s: keeps what it need not", name)
		}
		r.keeping = true
		for range c.fits {
			r.see(c.e, c.room)
		}
		if !r.keeping || len(r.kept) != c.fits {
			t.Errorf("%s: keeps %d of %d", name, len(r.kept), c.fits)
		}
		if r.see(c.e, c.room); r.keeping || r.kept != nil {
			t.Errorf("%s: keeps %d", name, len(r.kept))
		}
	}
}
