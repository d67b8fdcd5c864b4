package services

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/stagehouse/stagehouse/schema"
)

func eventChecks() []check {
	return []check{
		{"head", "the head of the log grows with what happens", "schema.Events.Head", eventsHead},
		{"follow", "a follower sees a turn as its sender does", "schema.Events.Subscribe", eventsFollow},
		{"follow-from-now", "without a cursor a subscription begins now", "schema.EventQuery", eventsFollowNow},
		{"replay-from-anywhere", "from each place in the log a reader sees the rest of it", "schema.Events.Subscribe", eventsReplay},
		{"resume-while-it-happens", "who leaves and comes back sees what one who stays sees", "schema.Events.Subscribe", eventsResume},
		{"slow-reader-is-told", "a reader that is slow misses nothing without a gap", "schema.Events.Subscribe", eventsSlow},
		{"other-epoch-yields-a-gap", "a cursor of another epoch yields one gap, then the oldest events there are", "schema.Events.Subscribe", eventsOtherEpoch},
		{"stretches-end", "a subscription with an end ends there, whether its last events match or not", "schema.EventQuery", eventsUntil},
		{"filters", "filters by type, agent and run keep what fits", "schema.EventQuery", eventsFilters},
		{"visibility", "a caller sees its own events and the public ones", "schema.Events.Subscribe", eventsVisibility},
		{"thoughts-and-emotions", "an agent thinks and feels while it answers", "schema.EventType", eventsMind},
		{"status-and-updates", "each step of an agent's state is told with the one before, and each change", "schema.StatusChange", eventsAgent},
		{"many-at-once", "of a hundred turns at once each is queued, started and ended once, in that order", "schema.Chat", eventsMany},
		{"cancelled-context", "a subscription ends with its context: CodeCancelled", "schema.Events.Subscribe", eventsCancelled},
	}
}

func eventsHead(s *suite) {
	before := s.head()
	if back, err := schema.ParseCursor(before.String()); err != nil || back != before || before.Epoch == "" {
		s.Errorf("head %q reads back as %q, %v", before, back, err)
	}
	t := s.say(s.user(), schema.SendRequest{AgentID: nyx, Message: "hello"})
	after := s.head()
	if after.Epoch != before.Epoch || after.Seq < t.last().Cursor.Seq || after.Seq <= before.Seq {
		s.Errorf("head %s after %s and a turn that ended at %s", after, before, t.last().Cursor)
	}
}

// eventsFollow compares what a sender sees of its turn with what a follower sees of it.
func eventsFollow(s *suite) {
	ctx, since := s.user(), s.head()
	var want []schema.Event
	for range 3 {
		want = append(want, s.say(ctx, schema.SendRequest{AgentID: nyx, Message: "hello"}).events...)
	}
	var got []schema.Event
	for _, e := range s.between(ctx, schema.EventQuery{Since: since}, want[len(want)-1].Cursor.Seq) {
		if e.RunID != "" {
			got = append(got, e)
		}
	}
	if !sameJSON(got, want) {
		s.Errorf("followed %v, sent %v", seqs(got), seqs(want))
	}
}

// eventsFollowNow subscribes without a cursor. When that has taken effect cannot be seen, so turns go on until one is.
func eventsFollowNow(s *suite) {
	ctx, before := s.user(), s.head()
	done := make(chan error, 1)
	go func() {
		done <- read(ctx, s.Events, schema.EventQuery{}, func(e schema.Event) error {
			if e.Cursor.Seq <= before.Seq {
				return fmt.Errorf("event %s is older than the subscription", e.Cursor)
			}
			return errEnough
		})
	}()
	for {
		select {
		case err := <-done:
			s.must(err)
			return
		default:
			s.say(ctx, schema.SendRequest{AgentID: nyx, Message: "hello"})
		}
	}
}

// eventsReplay reads the same stretch from every place in it: each reader must see exactly the rest.
func eventsReplay(s *suite) {
	ctx, since := s.user(), s.head()
	for range 3 {
		s.say(ctx, schema.SendRequest{AgentID: nyx, Message: "I love the rain"})
	}
	to := s.mark()
	all := s.between(ctx, schema.EventQuery{Since: since}, to)
	for i, e := range all {
		if rest := s.between(ctx, schema.EventQuery{Since: e.Cursor}, to); !sameJSON(rest, all[i+1:]) {
			s.Errorf("after %d there is %v, want %v", e.Cursor.Seq, seqs(rest), seqs(all[i+1:]))
		}
	}
}

// eventsResume has a reader that leaves and comes back all the time while turns run. It must see what one that stays sees.
func eventsResume(s *suite) {
	const turns = 30
	ctx, since := s.user(), s.head()
	var got []schema.Event
	done := make(chan error, 1)
	go func() { done <- s.readInPieces(ctx, since, turns, &got) }()
	s.atOnce(turns, func(int) error {
		_, err := send(ctx, s.Chat, schema.SendRequest{AgentID: nyx, Message: "hello"})
		return err
	})
	s.must(<-done)
	want := s.between(ctx, schema.EventQuery{Since: since}, got[len(got)-1].Cursor.Seq)
	if !sameJSON(got, want) {
		s.Errorf("in pieces %d events were seen, in one go %d", len(got), len(want))
	}
}

// readInPieces follows the log with a new subscription every few events, until turns of the caller's have ended.
func (s *suite) readInPieces(ctx context.Context, since schema.Cursor, turns int, got *[]schema.Event) error {
	for piece := 1; turns > 0; piece++ {
		left := 1 + piece%7
		err := read(ctx, s.Events, schema.EventQuery{Since: since}, func(e schema.Event) error {
			*got, since = append(*got, e), e.Cursor
			if e.Type.Terminal() {
				turns--
			}
			if left--; left == 0 || turns == 0 {
				return errEnough
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// eventsSlow has a reader stop after its first event until much has happened. Then it sees all of it, or is told of a gap.
func eventsSlow(s *suite) {
	const turns = 200
	ctx, first := s.user(), s.mark()
	since := schema.Cursor{Epoch: s.head().Epoch, Seq: first - 1}
	var got []schema.Event
	gap := false
	var to uint64
	s.must(read(ctx, s.Events, schema.EventQuery{Since: since}, func(e schema.Event) error {
		if to == 0 {
			s.atOnce(turns, func(int) error {
				_, err := send(ctx, s.Chat, schema.SendRequest{AgentID: nyx, Message: "hello"})
				return err
			})
			to = s.mark()
		}
		gap = gap || e.Type == schema.EventGap
		got = append(got, e)
		if e.Cursor.Seq >= to {
			return errEnough
		}
		return nil
	}))
	if got[0].Cursor.Seq != first && !gap {
		s.Errorf("the first event is %s, want %d", got[0].Cursor, first)
	}
	if want := s.between(ctx, schema.EventQuery{Since: since}, to); !gap && !slices.Equal(seqs(got), seqs(want)) {
		s.Errorf("the slow reader saw %d events and no gap, there are %d", len(got), len(want))
	}
}

func eventsOtherEpoch(s *suite) {
	s.say(s.user(), schema.SendRequest{AgentID: nyx, Message: "hello"})
	head, n := s.head(), 0
	since := schema.Cursor{Epoch: "another0epoch", Seq: 7}
	q := schema.EventQuery{Since: since, Types: []schema.EventType{schema.EventReply}}
	var oldest uint64
	s.must(read(s.admin(), s.Events, q, func(e schema.Event) error {
		if n++; n > 1 {
			oldest = e.Cursor.Seq
			return errEnough
		}
		if e.Type != schema.EventGap {
			return fmt.Errorf("the first event is %s, want a gap", e.Type)
		}
		return checkGap(e, since, head)
	}))
	all := s.between(s.admin(), schema.EventQuery{Since: schema.Cursor{Epoch: head.Epoch}, Types: q.Types}, oldest)
	if len(all) == 0 || all[0].Type != schema.EventGap && all[0].Cursor.Seq != oldest {
		s.Errorf("after the gap %d came first, the oldest are %v", oldest, seqs(all))
	}
}

// eventsUntil reads stretches that end by themselves, whether their last events match or not.
func eventsUntil(s *suite) {
	ctx, since := s.user(), s.head()
	for range 2 {
		s.say(ctx, schema.SendRequest{AgentID: nyx, Message: "hello"})
	}
	to := schema.Cursor{Epoch: since.Epoch, Seq: s.mark()} // about aria
	s.say(ctx, schema.SendRequest{AgentID: nyx, Message: "hello"})
	for name, q := range map[string]schema.EventQuery{
		"everything": {}, "what the last one is not": {Types: []schema.EventType{schema.EventReply}}, "nothing": {Agents: []string{"nobody"}},
	} {
		q.Since = since
		want := s.between(ctx, schema.EventQuery{Since: since}, to.Seq)
		want = slices.DeleteFunc(want, func(e schema.Event) bool {
			return len(q.Types) > 0 && !slices.Contains(q.Types, e.Type) || len(q.Agents) > 0 && !slices.Contains(q.Agents, e.AgentID)
		})
		q.Until = to
		if got := s.stretch(ctx, q); !sameJSON(got, want) {
			s.Errorf("%s: %v, want %v", name, seqs(got), seqs(want))
		}
	}
	if got := s.stretch(ctx, schema.EventQuery{Since: to, Until: to}); len(got) > 0 {
		s.Errorf("between %s and itself there is %v", to, seqs(got))
	}
	other := schema.Cursor{Epoch: "another0epoch", Seq: 7}
	if got := s.stretch(ctx, schema.EventQuery{Since: other, Until: other}); len(got) != 1 || got[0].Type != schema.EventGap {
		s.Errorf("of another epoch there is %v, want a gap", seqs(got))
	}
}

// stretch returns what a subscription yields that ends by itself.
func (s *suite) stretch(ctx context.Context, q schema.EventQuery) []schema.Event {
	s.Helper()
	out := []schema.Event{}
	for e, err := range s.Events.Subscribe(ctx, q) {
		s.must(err)
		out = append(out, e)
	}
	return out
}

func checkGap(e schema.Event, since, head schema.Cursor) error {
	var gap schema.Gap
	if err := json.Unmarshal(e.Payload, &gap); err != nil {
		return err
	}
	first, err := schema.ParseCursor(gap.FirstAvailable)
	at, err2 := schema.ParseCursor(gap.Head)
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	if gap.Requested != since.String() || first.Epoch != head.Epoch || at.Epoch != head.Epoch || at.Seq < head.Seq || first.Seq > at.Seq ||
		e.Cursor != (schema.Cursor{Epoch: first.Epoch, Seq: first.Seq - 1}) {
		return fmt.Errorf("the gap at %s says %+v, the head is %s", e.Cursor, gap, head)
	}
	return nil
}

func eventsFilters(s *suite) {
	ctx, since := s.user(), s.head()
	one := s.say(ctx, schema.SendRequest{AgentID: nyx, Message: "hello"})
	s.say(ctx, schema.SendRequest{AgentID: aria, Message: "hello"})
	to := s.mark() // about aria
	all := s.between(ctx, schema.EventQuery{Since: since}, to)
	for name, c := range map[string]struct {
		q    schema.EventQuery
		want func(schema.Event) bool
	}{
		"types": {
			schema.EventQuery{Types: []schema.EventType{schema.EventReply, s.markType()}},
			func(e schema.Event) bool { return e.Type == schema.EventReply || e.Type == s.markType() },
		},
		"agents": {
			schema.EventQuery{Agents: []string{aria, "nobody"}}, func(e schema.Event) bool { return e.AgentID == aria },
		},
		"both": {
			schema.EventQuery{Agents: []string{nyx, aria}, Types: []schema.EventType{s.markType()}},
			func(e schema.Event) bool { return e.Type == s.markType() },
		},
		"empty": {
			schema.EventQuery{Agents: []string{}, Types: []schema.EventType{}}, func(schema.Event) bool { return true },
		},
	} {
		c.q.Since = since
		got := s.between(ctx, c.q, to)
		want := slices.DeleteFunc(slices.Clone(all), func(e schema.Event) bool { return !c.want(e) })
		if !sameJSON(got, want) {
			s.Errorf("%s: %v, want %v", name, seqs(got), seqs(want))
		}
	}
	got := s.between(ctx, schema.EventQuery{Since: since, RunID: one.accepted.RunID}, one.last().Cursor.Seq)
	if !sameJSON(got, one.events) {
		s.Errorf("of one run: %v, want %v", seqs(got), seqs(one.events))
	}
}

// eventsMany runs many turns at once; in the log each of them is whole and in order.
func eventsMany(s *suite) {
	const turns = 100
	ctx, since := s.user(), s.head()
	s.atOnce(turns, func(i int) error {
		id := fmt.Sprint("room-", i%10)
		for {
			_, err := send(ctx, s.Chat, schema.SendRequest{AgentID: nyx, ConversationID: id, Message: "hello"})
			if schema.CodeOf(err) != schema.CodeBusy {
				return err
			}
		}
	})
	stages := map[string][]schema.EventType{}
	for _, e := range s.between(ctx, schema.EventQuery{Since: since}, s.mark()) {
		switch e.Type {
		case schema.EventQueued, schema.EventStarted, schema.EventReply, schema.EventFailed, schema.EventCancelled:
			stages[e.RunID] = append(stages[e.RunID], e.Type)
		}
	}
	want := []schema.EventType{schema.EventQueued, schema.EventStarted, schema.EventReply}
	for run, got := range stages {
		if !slices.Equal(got, want) {
			s.Errorf("run %s went through %v", run, got)
		}
	}
	if len(stages) != turns {
		s.Errorf("%d runs are in the log, want %d", len(stages), turns)
	}
}

func eventsCancelled(s *suite) {
	ctx, stop := context.WithCancel(s.user())
	stop()
	err := read(ctx, s.Events, schema.EventQuery{Since: s.head()}, func(schema.Event) error { return nil })
	s.wantCode(err, schema.CodeCancelled)

	ctx, stop = context.WithCancel(s.user())
	defer stop()
	done := make(chan error, 1)
	since := s.head()
	go func() {
		done <- read(ctx, s.Events, schema.EventQuery{Since: since}, func(schema.Event) error {
			stop()
			return nil
		})
	}()
	s.mark()
	s.wantCode(<-done, schema.CodeCancelled)
}
