package ws

import (
	"encoding/json"
	"log/slog"
	"reflect"
	"testing"

	"github.com/stagehouse/stagehouse/schema"
)

// TestStateKeepsWhatIsToBeTold takes a session that is in the middle of a backlog to another process and back.
func TestStateKeepsWhatIsToBeTold(t *testing.T) {
	srv := newTestServer(nil)
	at := func(n uint64) schema.Cursor { return schema.Cursor{Epoch: "e", Seq: n} }
	s := &session{srv: srv, out: newOutbox(1 << 20), log: slog.New(slog.DiscardHandler)}
	s.backlogs = []*backlog{{run: "run_1", pos: at(3), until: at(9)}, {run: "run_2", pos: at(4), until: at(9), evicted: true}}
	s.replay = &replay{set: srv.catalogue.all, pos: at(9)}
	for i := range maxChanges + 2 {
		c := change{after: uint64(i), add: i%3 > 0, set: 1 << (i % 5)}
		if i%2 == 0 {
			c.named = []string{"nyx", "aria"}[:i%3]
		}
		s.subs.change(c.add, c.named, c.set)
		s.history.add(c)
	}
	s.earlier = earlier{closed: true, runs: []string{"run_0"}}
	moved := &session{srv: srv, out: newOutbox(1 << 20)}
	moved.adopt(throughJSON(t, s.state(at(9))))
	for what, v := range map[string][2]any{
		"backlogs": {moved.backlogs, s.backlogs}, "history": {moved.history, s.history}, "earlier": {moved.earlier, s.earlier},
		"replay": {moved.replay, s.replay}, "subscription": {moved.subs, s.subs},
	} {
		if !reflect.DeepEqual(v[0], v[1]) {
			t.Errorf("%s: %+v, want %+v", what, v[0], v[1])
		}
	}
}

// TestStateOfAnEarlierVersion, which has no history: what was sent before is not known, and what comes is.
func TestStateOfAnEarlierVersion(t *testing.T) {
	st, err := parseState([]byte(`{"version":1,"subs":{"all":["chat:reply"]},"at":{"Epoch":"e","Seq":7},"last":{"Epoch":"e","Seq":5},"earlier":{}}`))
	if err != nil {
		t.Fatal(err)
	}
	srv := newTestServer(nil)
	s := &session{srv: srv, out: newOutbox(1 << 20)}
	s.adopt(st)
	reply := srv.catalogue.bits[schema.EventReply]
	if s.history.had("nyx", reply, 7) || !s.history.had("nyx", reply, 8) || len(s.backlogs) > 0 {
		t.Errorf("%+v", s.history)
	}
}

func throughJSON(t *testing.T, st state) state {
	t.Helper()
	b, err := json.Marshal(st)
	if err != nil {
		t.Fatal(err)
	}
	out, err := parseState(b)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
