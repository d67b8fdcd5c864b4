package client_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/host/local"
	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk/client"
)

// halting is a brain that says half of its reply, and the rest when it is told to.
type halting struct{ resume chan struct{} }

func (h halting) Respond(ctx context.Context, _ brain.Turn) iter.Seq2[brain.Step, error] {
	return func(yield func(brain.Step, error) bool) {
		if !yield(brain.Step{Delta: "half "}, nil) {
			return
		}
		select {
		case <-h.resume:
			yield(brain.Step{Delta: "a reply"}, nil)
		case <-ctx.Done():
			yield(brain.Step{}, ctx.Err())
		}
	}
}

// collect returns what an iterator yields.
func collect[T any](t *testing.T, all iter.Seq2[T, error]) (found []T) {
	t.Helper()
	for v, err := range all {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, v)
	}
	return found
}

// TestRuns: a turn that nobody waits for is found, waited for later, and cancelled.
func TestRuns(t *testing.T) {
	h := halting{make(chan struct{})}
	c, ctx := thinking(t, h, ""), t.Context()
	m := client.Message{AgentID: "nyx", Text: "Hello!", ConversationID: "c"}
	first := must[client.Answer](t)(c.SendFor(ctx, m, 0))
	if first.Reply != nil || first.RunID == "" {
		t.Errorf("not waited for: %+v", first)
	}
	m.OnBusy = schema.BusyReject
	var e *client.Error
	if _, err := c.Chat(ctx, m); !errors.As(err, &e) || e.Code != schema.CodeConversationBusy || e.RunID != first.RunID {
		t.Errorf("to a busy conversation, over a socket: %v", err)
	}
	if _, err := c.Send(ctx, m); !errors.As(err, &e) || e.Code != schema.CodeConversationBusy || e.RunID != first.RunID {
		t.Errorf("to a busy conversation, over REST: %v", err)
	}
	m.OnBusy = ""
	second := must[client.Answer](t)(c.SendFor(ctx, m, time.Second))
	if second.Reply != nil {
		t.Errorf("waited for a second: %+v", second)
	}
	if run := must[schema.Run](t)(c.Run(ctx, second.RunID)); run.Status != schema.RunQueued {
		t.Errorf("the second is %+v", run)
	}
	if run := must[schema.Run](t)(c.CancelRun(ctx, second.RunID)); run.Status != schema.RunCancelled {
		t.Errorf("cancelled: %+v", run)
	}
	waited := make(chan schema.Run)
	go func() {
		run, err := c.WaitRun(ctx, first.RunID)
		if err != nil {
			t.Error(err)
		}
		waited <- run
	}()
	h.resume <- struct{}{}
	if run := <-waited; run.Status != schema.RunCompleted || run.Reply == nil || run.Reply.Content != "half a reply" {
		t.Errorf("waited for: %+v", run)
	}
	turn := must[*client.Turn](t)(c.Chat(ctx, m))
	must[schema.Run](t)(turn.Cancel(ctx))
	var ended *client.TurnError
	if _, err := turn.Reply(ctx); !errors.As(err, &ended) || ended.Status != schema.RunCancelled {
		t.Errorf("a turn that was cancelled: %v", err)
	}
	var ids []string
	for _, run := range collect(t, c.AllRuns(ctx, schema.RunsQuery{ConversationID: "c", Limit: 1})) {
		ids = append(ids, run.ID)
	}
	if want := []string{turn.RunID, second.RunID, first.RunID}; !slices.Equal(ids, want) {
		t.Errorf("the runs are %v, want %v", ids, want)
	}
	if found := must[schema.RunPage](t)(c.Runs(ctx, schema.RunsQuery{AgentID: "nyx", Status: schema.RunCompleted})); len(found.Runs) != 1 {
		t.Errorf("completed are %+v", found)
	}
}

// TestCancelOnDisconnect: who goes away takes the turn along, if that was asked for.
func TestCancelOnDisconnect(t *testing.T) {
	c := thinking(t, halting{make(chan struct{})}, "")
	started := must[*client.Stream](t)(c.Events(t.Context(), client.Filter{Events: []schema.EventType{schema.EventStarted}}))
	defer started.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error)
	go func() {
		_, err := c.Send(ctx, client.Message{AgentID: "nyx", Text: "Hello!", CancelOnDisconnect: true})
		ended <- err
	}()
	id := next(t, started).RunID
	cancel()
	if err := <-ended; !errors.Is(err, client.ErrUnknownOutcome) || !errors.Is(err, context.Canceled) {
		t.Errorf("Send: %v", err)
	}
	if run := must[schema.Run](t)(c.WaitRun(t.Context(), id)); run.Status != schema.RunCancelled {
		t.Errorf("the run is %+v", run)
	}
}

// TestSameKey: the caller's own key holds from one call to the next.
func TestSameKey(t *testing.T) {
	c, ctx := served(t, ""), t.Context()
	m := client.Message{AgentID: "nyx", Text: "Hello!", ConversationID: "c", IdempotencyKey: "mine"}
	first, second := must[*client.Turn](t)(c.Chat(ctx, m)), must[*client.Turn](t)(c.Chat(ctx, m))
	one, two := must[schema.Message](t)(first.Reply(ctx)), must[schema.Message](t)(second.Reply(ctx))
	if one.ID != two.ID || first.RunID != second.RunID {
		t.Errorf("the replies are %+v and %+v", one, two)
	}
	third := must[*client.Turn](t)(c.Chat(ctx, m)) // on another socket than those that have told of it
	if three := must[schema.Message](t)(third.Reply(ctx)); three.ID != one.ID {
		t.Errorf("the third reply is %+v", three)
	}
	m.Text = "Good-bye!"
	if _, err := c.Chat(ctx, m); schema.CodeOf(err) != schema.CodeKeyReused {
		t.Errorf("another message with the same key: %v", err)
	}
}

// TestTurnOfAnOldLog: of a turn whose events the log has evicted, the end comes all the same, behind a gap.
func TestTurnOfAnOldLog(t *testing.T) {
	c, ctx := newClient(t, "http://"+serveLocal(t, local.Options{RetainEvents: 8}, "")), t.Context()
	m := client.Message{AgentID: "aria", Text: "Hello!", IdempotencyKey: "mine"}
	first := must[schema.Message](t)(must[*client.Turn](t)(c.Chat(ctx, m)).Reply(ctx))
	for n := range 20 {
		must[schema.Agent](t)(c.UpdateAgent(ctx, "nyx", schema.AgentPatch{Description: schema.Set(fmt.Sprint("number ", n))}))
	}
	for giveUp := time.Now().Add(patience); ; { // the log is cut behind the back of those who write to it
		turn := must[*client.Turn](t)(c.Chat(ctx, m))
		got := kinds(t, turn)
		if reply := must[schema.Message](t)(turn.Reply(ctx)); reply.ID != first.ID {
			t.Fatalf("the reply is %+v, and was %+v", reply, first)
		}
		if got == "gap chat:reply" {
			return
		}
		if time.Now().After(giveUp) {
			t.Fatalf("the turn has %s", got)
		}
	}
}

func TestConversations(t *testing.T) {
	c, ctx := served(t, ""), t.Context()
	made := must[schema.ConversationSummary](t)(c.CreateConversation(ctx, schema.NewConversation{ID: "c", Title: "The sea", AgentID: "aria"}))
	if made.Title != "The sea" || made.AgentID != "aria" {
		t.Errorf("created %+v", made)
	}
	if _, err := c.CreateConversation(ctx, schema.NewConversation{ID: "c"}); schema.CodeOf(err) != schema.CodeAlreadyExists {
		t.Errorf("created twice: %v", err)
	}
	var said []string
	for _, text := range []string{"one", "two", "three"} {
		a := must[client.Answer](t)(c.Send(ctx, client.Message{Text: text, ConversationID: "c"}))
		said = append(said, a.Message.ID, a.Reply.ID)
	}
	ids := func(q schema.ConversationQuery) (ids []string) {
		for _, m := range collect(t, c.AllMessages(ctx, q)) {
			ids = append(ids, m.ID)
		}
		return ids
	}
	if got := ids(schema.ConversationQuery{ID: "c", Limit: 2, Since: said[0]}); !slices.Equal(got, said[1:]) {
		t.Errorf("after the first are %v, want %v", got, said[1:])
	}
	newest := slices.Clone(said)
	slices.Reverse(newest)
	if got := ids(schema.ConversationQuery{ID: "c", Limit: 4}); !slices.Equal(got, newest) {
		t.Errorf("the newest first are %v, want %v", got, newest)
	}
	page := must[schema.Conversation](t)(c.Conversation(ctx, schema.ConversationQuery{ID: "c", Limit: 2}))
	older := must[schema.Conversation](t)(c.Conversation(ctx, schema.ConversationQuery{ID: "c", Limit: 2, Cursor: page.NextCursor}))
	back := must[schema.Conversation](t)(c.Conversation(ctx, schema.ConversationQuery{ID: "c", Limit: 2, Cursor: older.PrevCursor}))
	if len(back.Messages) != 2 || back.Messages[1].ID != page.Messages[1].ID {
		t.Errorf("there and back is %+v, want %+v", back.Messages, page.Messages)
	}
	put := schema.ConversationPatch{Archived: schema.Set(true), Title: schema.Set("Whales"), IfRevision: page.Revision}
	changed := must[schema.ConversationSummary](t)(c.UpdateConversation(ctx, "c", put))
	if !changed.Archived || changed.Title != "Whales" {
		t.Errorf("changed to %+v", changed)
	}
	if _, err := c.UpdateConversation(ctx, "c", put); schema.CodeOf(err) != schema.CodeRevisionMismatch {
		t.Errorf("with an old revision: %v", err)
	}
	for archived, want := range map[schema.Archived]int{schema.ArchivedNone: 0, schema.ArchivedOnly: 1, schema.ArchivedAny: 1} {
		if got := collect(t, c.AllConversations(ctx, schema.ConversationsQuery{Text: "whale", Archived: archived})); len(got) != want {
			t.Errorf("archived %q: %+v", archived, got)
		}
	}
	if err := c.DeleteConversation(ctx, "c", page.Revision); schema.CodeOf(err) != schema.CodeRevisionMismatch {
		t.Errorf("deleted with an old revision: %v", err)
	}
	if err := c.DeleteConversation(ctx, "c", changed.Revision); err != nil {
		t.Error(err)
	}
	if _, err := c.Conversation(ctx, schema.ConversationQuery{ID: "c"}); schema.CodeOf(err) != schema.CodeNotFound {
		t.Errorf("deleted: %v", err)
	}
}

func TestCreatedAgents(t *testing.T) {
	c, ctx := served(t, ""), t.Context()
	vera := must[schema.Agent](t)(c.CreateAgent(ctx, schema.NewAgent{ID: "vera", Skills: []string{"law"}, Metadata: schema.Object{"a": "b"}}))
	if vera.Status != schema.AgentStopped || vera.Name != "vera" || vera.Declared {
		t.Errorf("created %+v", vera)
	}
	if got := collect(t, c.AllAgents(ctx, schema.AgentQuery{Limit: 1})); len(got) != 3 || got[2].ID != "vera" {
		t.Errorf("the agents are %+v", got)
	}
	started := must[schema.Agent](t)(c.StartAgent(ctx, "vera"))
	if err := c.DeleteAgent(ctx, "vera", vera.Revision); schema.CodeOf(err) != schema.CodeRevisionMismatch {
		t.Errorf("deleted with an old revision: %v", err)
	}
	if err := c.DeleteAgent(ctx, "vera", started.Revision); err != nil {
		t.Error(err)
	}
	if err := c.DeleteAgent(ctx, "nyx", 0); schema.CodeOf(err) != schema.CodeFailedPrecondition {
		t.Errorf("one that is declared: %v", err)
	}
}

func TestRoute(t *testing.T) {
	c, ctx := served(t, ""), t.Context()
	d := must[schema.RouteDecision](t)(c.Route(ctx, schema.RouteRequest{Message: "Review my code, please.", Context: schema.Object{"skill": "security"}}))
	if d.AgentID != "nyx" || len(d.Candidates) != 2 {
		t.Errorf("routed to %+v", d)
	}
	nobody := client.Message{Text: "qwx zzk", Context: schema.Object{"skill": "juggling"}}
	_, routed := c.Route(ctx, schema.RouteRequest{Message: nobody.Text, Context: nobody.Context})
	_, sent := c.Send(ctx, nobody)
	_, said := c.Chat(ctx, nobody)
	for name, err := range map[string]error{"Route": routed, "Send": sent, "Chat": said} {
		var e *client.Error
		if !errors.As(err, &e) || e.Code != schema.CodeNoAgentFits || len(e.Candidates) != 2 || e.Threshold <= 0 || e.Retryable {
			t.Errorf("%s, where nobody fits: %+v", name, err)
		}
	}
}
