package turns_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/stagehouse/stagehouse/host/eventlog"
	"github.com/stagehouse/stagehouse/host/roster"
	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/host/store/memory"
	"github.com/stagehouse/stagehouse/host/turns"
	"github.com/stagehouse/stagehouse/schema"
)

const (
	patience   = 20 * time.Second
	maxWaiting = 2
)

// end is how a run ended.
type end struct {
	status schema.RunStatus
	reason string
}

// model is what should be: the unfinished runs of each conversation in the order of their acceptance, and how the others ended.
type model struct {
	t      *rapid.T
	chat   *turns.Chat
	store  store.Store
	log    *eventlog.Log
	queues map[string][]string
	ended  map[string]end
	runs   []string

	mu    sync.Mutex
	gates map[string]chan struct{} // of the work of each run: it goes on when its gate is closed
}

func (m *model) gate(run string) chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.gates[run] == nil {
		m.gates[run] = make(chan struct{})
	}
	return m.gates[run]
}

// work says something, waits for its gate, and says it again.
func (m *model) work(ctx context.Context, t *turns.Turn) (turns.Reply, error) {
	if err := t.Delta("half "); err != nil {
		return turns.Reply{}, err
	}
	select {
	case <-m.gate(t.Run.ID):
		return turns.Reply{}, t.Delta("whole")
	case <-ctx.Done():
		return turns.Reply{}, ctx.Err()
	}
}

func (m *model) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	m.t.Cleanup(cancel)
	return schema.WithCaller(ctx, schema.Caller{Principal: "alice", Scopes: []schema.Scope{schema.ScopeChat}})
}

// send begins a turn, or is refused as the model says.
func (m *model) send(conversation string, onBusy schema.OnBusy) {
	queue := m.queues[conversation]
	accepted, err := m.accepted(schema.SendRequest{AgentID: "bot", ConversationID: conversation, Message: "go", OnBusy: onBusy})
	switch {
	case onBusy == schema.BusyReject && len(queue) > 0:
		e := schema.AsError(err)
		if schema.CodeOf(err) != schema.CodeConversationBusy || e.Details[schema.DetailRunID] != queue[0] {
			m.t.Fatalf("a conversation with %v is not busy with the first of them: %v", queue, err)
		}
		return
	case onBusy == schema.BusyInterrupt && len(queue) > 0:
		m.over(conversation, queue[0], end{schema.RunCancelled, schema.ReasonInterrupted})
		queue = m.queues[conversation]
	case len(queue) > maxWaiting:
		if schema.CodeOf(err) != schema.CodeBusy {
			m.t.Fatalf("there is room behind %v: %v", queue, err)
		}
		return
	}
	if err != nil || accepted.Position != len(queue) {
		m.t.Fatalf("behind %v it was accepted at %d (%v)", queue, accepted.Position, err)
	}
	m.queues[conversation] = append(queue, accepted.RunID)
	m.runs = append(m.runs, accepted.RunID)
}

func (m *model) accepted(r schema.SendRequest) (schema.Accepted, error) {
	for e, err := range m.chat.Send(m.ctx(), r) {
		if err != nil {
			return schema.Accepted{}, err
		}
		return *e.Accepted, nil
	}
	return schema.Accepted{}, errors.New("nothing was said")
}

// over notes that a run has ended.
func (m *model) over(conversation, run string, how end) {
	m.queues[conversation] = slices.DeleteFunc(slices.Clone(m.queues[conversation]), func(r string) bool { return r == run })
	m.ended[run] = how
}

// cancel cancels any run there has been.
func (m *model) cancel(run string) {
	got, err := m.chat.Cancel(m.ctx(), run)
	for conversation, queue := range m.queues {
		if slices.Contains(queue, run) {
			m.over(conversation, run, end{schema.RunCancelled, schema.ReasonCancelled})
		}
	}
	if want := m.ended[run]; err != nil || got.Status != want.status || got.Reason != want.reason {
		m.t.Fatalf("cancelled, run %s is %s because of %q (%v); want %+v", run, got.Status, got.Reason, err, want)
	}
}

// finish lets the work of the first turn of a conversation go on to its end.
func (m *model) finish(conversation string) {
	queue := m.queues[conversation]
	if len(queue) == 0 {
		return
	}
	close(m.gate(queue[0]))
	for deadline := time.Now().Add(patience); ; {
		run, err := m.chat.Run(m.ctx(), queue[0])
		if err != nil || time.Now().After(deadline) {
			m.t.Fatalf("run %s does not end: %+v, %v", queue[0], run, err)
		}
		if run.Status.Terminal() {
			if run.Reply == nil || run.Reply.Content != "half whole" {
				m.t.Fatalf("the reply is %+v", run.Reply)
			}
			break
		}
	}
	m.over(conversation, queue[0], end{schema.RunCompleted, ""})
}

// stop cancels every run of the agent, as a runtime does that stops it.
func (m *model) stop() {
	err := m.store.Update(m.ctx(), func(tx store.Tx) error { return m.chat.CancelRuns(tx, "bot", schema.ReasonAgentStopped) })
	if err != nil {
		m.t.Fatal(err)
	}
	for conversation, queue := range m.queues {
		for _, run := range queue {
			m.over(conversation, run, end{schema.RunCancelled, schema.ReasonAgentStopped})
		}
	}
}

// check compares the runs with the model.
func (m *model) check() {
	for _, id := range m.runs {
		run, err := m.chat.Run(m.ctx(), id)
		want, over := m.ended[id]
		if err != nil || over != run.Status.Terminal() || over && (run.Status != want.status || run.Reason != want.reason) {
			m.t.Fatalf("run %s is %s because of %q (%v); it is over: %v, %+v", id, run.Status, run.Reason, err, over, want)
		}
		if run.Status == schema.RunRunning && !slices.ContainsFunc([]string{"a", "b"}, func(c string) bool {
			return len(m.queues[c]) > 0 && m.queues[c][0] == id
		}) {
			m.t.Fatalf("run %s is at work before its turn", id)
		}
	}
}

// checkLog reads the whole log: each run is queued, then perhaps started, and ends once, as the model says; those of a
// conversation start in the order in which they were queued, when the one before is over.
func (m *model) checkLog() {
	head, err := m.log.Head(m.ctx())
	if err != nil {
		m.t.Fatal(err)
	}
	seen, queued, at := map[string][]schema.EventType{}, map[string][]string{}, map[string]string{}
	for e, err := range m.log.Subscribe(m.ctx(), schema.EventQuery{Since: schema.Cursor{Epoch: head.Epoch}, Until: head}) {
		if err != nil {
			m.t.Fatal(err)
		}
		c, id := e.ConversationID, e.RunID
		seen[id] = append(seen[id], e.Type)
		switch {
		case e.Type == schema.EventQueued:
			queued[c] = append(queued[c], id)
		case e.Type == schema.EventStarted:
			if at[c] != "" || queued[c][0] != id {
				m.t.Fatalf("%s starts while %q is at work and %v wait", id, at[c], queued[c])
			}
			at[c] = id
		case e.Type.Terminal():
			queued[c] = slices.DeleteFunc(queued[c], func(r string) bool { return r == id })
			if at[c] == id {
				at[c] = ""
			}
		}
	}
	for id, how := range m.ended {
		last := map[schema.RunStatus]schema.EventType{schema.RunCompleted: schema.EventReply, schema.RunCancelled: schema.EventCancelled}[how.status]
		types := seen[id]
		if types[0] != schema.EventQueued || slices.IndexFunc(types, schema.EventType.Terminal) != len(types)-1 || types[len(types)-1] != last {
			m.t.Fatalf("the events of run %s, which is %s, are %v", id, how.status, types)
		}
	}
}

// TestTurnsAreAsTheModelSays sends, cancels, interrupts, finishes and stops in two conversations, in any order.
func TestTurnsAreAsTheModelSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{t: t, store: memory.New(), queues: map[string][]string{}, ended: map[string]end{}, gates: map[string]chan struct{}{}}
		var err error
		if m.log, err = eventlog.Open(context.Background(), m.store); err != nil {
			t.Fatal(err)
		}
		m.chat, err = turns.New(turns.Options{Store: m.store, Events: m.log, Work: m.work, MaxWaiting: maxWaiting})
		if err != nil {
			t.Fatal(err)
		}
		defer m.close()
		err = m.store.Update(context.Background(), func(tx store.Tx) error {
			_, err := roster.Insert(tx, store.Agent{Agent: schema.Agent{ID: "bot", Status: schema.AgentStopped}, Desired: true}, time.Now())
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		conversation := rapid.SampledFrom([]string{"a", "b"})
		t.Repeat(map[string]func(*rapid.T){
			"": func(*rapid.T) { m.check() },
			"send": func(t *rapid.T) {
				m.send(conversation.Draw(t, "conversation"), rapid.SampledFrom([]schema.OnBusy{"", schema.BusyReject, schema.BusyInterrupt}).Draw(t, "onBusy"))
			},
			"cancel": func(t *rapid.T) {
				if len(m.runs) == 0 {
					t.Skip("there are no runs")
				}
				m.cancel(rapid.SampledFrom(m.runs).Draw(t, "run"))
			},
			"finish": func(t *rapid.T) { m.finish(conversation.Draw(t, "conversation")) },
			"stop":   func(*rapid.T) { m.stop() },
		})
		m.checkLog()
	})
}

// close ends what is unfinished, and what the work of it is.
func (m *model) close() {
	m.stop()
	if err := m.chat.Close(m.ctx()); err != nil {
		m.t.Error(err)
	}
	m.log.Close()
	if err := m.store.Close(); err != nil {
		m.t.Error(err)
	}
}
