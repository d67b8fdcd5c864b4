package services

import (
	"context"
	"fmt"

	"github.com/stagehouse/stagehouse/schema"
)

func runChecks() []check {
	return []check{
		{"runs-list", "runs are listed newest first, by conversation, agent and status, to those who may see them", "schema.Chat.Runs", runsList},
		{"runs-pages", "pages hold the same runs as one list, and another cursor is CodeInvalidArgument", "schema.Chat.Runs", runsPages},
		{"runs-since-shows-all-of-a-run", "a run's Since is the place just before its first event", "schema.Run", runsSince},
		{"busy-reject", "a message to a busy conversation is CodeConversationBusy where that is asked for, with the holder", "schema.OnBusy", busyReject},
		{"busy-interrupt", "a message takes the place of the unfinished turn where that is asked for", "schema.OnBusy", busyInterrupt},
		{"routing-that-finds-nobody-has-details", "CodeNoAgentFits has the threshold and the candidates", "schema.Chat.Send", runsNobody},
	}
}

func runsList(s *suite) {
	ctx := s.user()
	a := s.say(ctx, schema.SendRequest{AgentID: nyx, ConversationID: "a", Message: "one"}).accepted
	b := s.say(ctx, schema.SendRequest{AgentID: aria, ConversationID: "b", Message: "two"}).accepted
	for _, c := range []struct {
		q    schema.RunsQuery
		want []string
	}{
		{schema.RunsQuery{}, []string{b.RunID, a.RunID}},
		{schema.RunsQuery{ConversationID: "a"}, []string{a.RunID}},
		{schema.RunsQuery{AgentID: aria}, []string{b.RunID}},
		{schema.RunsQuery{Status: schema.RunCompleted}, []string{b.RunID, a.RunID}},
		{schema.RunsQuery{Status: schema.RunFailed}, nil},
		{schema.RunsQuery{ConversationID: "nowhere"}, nil},
	} {
		page := must1[schema.RunPage](s)(s.Chat.Runs(ctx, c.q))
		if got := runIDs(page.Runs); fmt.Sprint(got) != fmt.Sprint(c.want) || page.NextCursor != "" || page.Runs == nil {
			s.Errorf("%+v: %v, want %v", c.q, got, c.want)
		}
	}
	if page := must1[schema.RunPage](s)(s.Chat.Runs(s.user(), schema.RunsQuery{ConversationID: "a"})); len(page.Runs) != 0 {
		s.Errorf("a stranger sees %v", runIDs(page.Runs))
	}
	run := must1[schema.Run](s)(s.Chat.Run(ctx, a.RunID))
	if run.Reply == nil || run.Reply.ID != run.ReplyID || run.Reply.Content == "" {
		s.Errorf("the reply of the run is %+v", run.Reply)
	}
}

func runIDs(runs []schema.Run) []string {
	var out []string
	for _, r := range runs {
		out = append(out, r.ID)
	}
	return out
}

func runsPages(s *suite) {
	ctx := s.user()
	var want []string
	for i := range 5 {
		want = append([]string{s.say(ctx, schema.SendRequest{AgentID: nyx, Message: fmt.Sprint(i)}).accepted.RunID}, want...)
	}
	var got []string
	for q := (schema.RunsQuery{Limit: 2}); ; {
		page := must1[schema.RunPage](s)(s.Chat.Runs(ctx, q))
		got = append(got, runIDs(page.Runs)...)
		if q.Cursor = page.NextCursor; q.Cursor == "" {
			break
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		s.Errorf("pages of runs:\n%v, want\n%v", got, want)
	}
	_, err := s.Chat.Runs(ctx, schema.RunsQuery{Cursor: "no cursor"})
	s.wantCode(err, schema.CodeInvalidArgument)
}

func runsSince(s *suite) {
	if s.Events == nil {
		s.Skipf("no events")
	}
	ctx := s.user()
	t := s.say(ctx, schema.SendRequest{AgentID: nyx, Message: "Hello!"})
	run := must1[schema.Run](s)(s.Chat.Run(ctx, t.accepted.RunID))
	since, err := schema.ParseCursor(run.Since)
	s.must(err)
	if since != t.accepted.Since {
		s.Errorf("the run begins after %s, and was accepted as after %s", run.Since, t.accepted.Since)
	}
	var got []schema.Event
	for e, err := range s.Events.Subscribe(ctx, schema.EventQuery{Since: since, RunID: run.ID}) {
		s.must(err)
		if got = append(got, e); e.Type.Terminal() {
			break
		}
	}
	s.must(equal(got, t.events))
}

// busyReject tries until it meets a turn that is unfinished.
func busyReject(s *suite) {
	ctx := s.user()
	s.whileBusy(ctx, func(holder schema.Accepted) bool {
		_, err := send(ctx, s.Chat, schema.SendRequest{AgentID: nyx, ConversationID: holder.ConversationID, Message: "me too", OnBusy: schema.BusyReject})
		if err == nil {
			return false // it was over
		}
		s.wantCode(err, schema.CodeConversationBusy)
		if got := schema.AsError(err).Details[schema.DetailRunID]; got != holder.RunID {
			s.Errorf("run %v is in the way, and not %s", got, holder.RunID)
		}
		return true
	})
}

// busyInterrupt tries until it meets a turn that is unfinished.
func busyInterrupt(s *suite) {
	ctx := s.user()
	s.whileBusy(ctx, func(holder schema.Accepted) bool {
		t := s.say(ctx, schema.SendRequest{AgentID: nyx, ConversationID: holder.ConversationID, Message: "stop", OnBusy: schema.BusyInterrupt})
		run := s.runOver(ctx, holder.RunID)
		if run.Status == schema.RunCompleted {
			return false
		}
		if run.Status != schema.RunCancelled || run.Reason != schema.ReasonInterrupted {
			s.Errorf("the interrupted run is %+v", run)
		}
		if t.accepted.Position != 0 {
			s.Errorf("who interrupts is at position %d", t.accepted.Position)
		}
		if run.Reply != nil && (!run.Reply.Partial || run.Reply.Content == "") {
			s.Errorf("what had been said is %+v", run.Reply)
		}
		return true
	})
}

// whileBusy begins a turn and calls try as soon as it is accepted, again and again until try has met what it looks for.
func (s *suite) whileBusy(ctx context.Context, try func(holder schema.Accepted) bool) {
	s.Helper()
	for ctx.Err() == nil {
		for e, err := range s.Chat.Send(ctx, schema.SendRequest{AgentID: nyx, Message: "Tell me everything that you know about the sea."}) {
			s.must(err)
			if try(*e.Accepted) {
				return
			}
			break
		}
	}
	s.Errorf("no turn was unfinished when another one came")
}

func runsNobody(s *suite) {
	_, err := s.Chat.Route(s.user(), schema.RouteRequest{Message: "x", Context: schema.Object{"skill": "juggling"}})
	s.wantCode(err, schema.CodeNoAgentFits)
	e := schema.AsError(err)
	candidates, _ := e.Details[schema.DetailCandidates].([]any)
	if e.Details[schema.DetailThreshold] == nil || len(candidates) != 2 {
		s.Errorf("the details are %v", e.Details)
	}
}
