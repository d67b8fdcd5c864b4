package sdktest

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

var (
	_ schema.Agents = fakeAgents{}
	_ schema.Chat   = fakeChat{}
	_ schema.Memory = fakeMemory{}
	_ schema.Events = fakeEvents{}
)

type fakeAgents struct {
	noAgents
	*Host
}

func (f fakeAgents) List(ctx context.Context, q schema.AgentQuery) (schema.AgentPage, error) {
	if err := f.record(ctx, "Agents.List", q, schema.ScopeRead); err != nil {
		return schema.AgentPage{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	page := schema.AgentPage{Agents: []schema.Agent{}}
	for _, a := range f.agents {
		skilled := slices.ContainsFunc(a.Skills, func(s string) bool { return strings.EqualFold(s, q.Skill) })
		if (q.Status == "" || a.Status == q.Status) && (q.Skill == "" || skilled) {
			page.Agents = append(page.Agents, a)
		}
	}
	slices.SortFunc(page.Agents, func(a, b schema.Agent) int { return strings.Compare(a.ID, b.ID) })
	return page, nil
}

func (f fakeAgents) Get(ctx context.Context, id string) (schema.Agent, error) {
	if err := f.record(ctx, "Agents.Get", id, schema.ScopeRead); err != nil {
		return schema.Agent{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	a, ok := f.agents[id]
	if !ok {
		return schema.Agent{}, notFound("agent", id)
	}
	return a, nil
}

func (f fakeAgents) Start(ctx context.Context, id string) (schema.Agent, error) {
	return f.become(ctx, "Agents.Start", id, schema.AgentRunning)
}

func (f fakeAgents) Stop(ctx context.Context, id string) (schema.Agent, error) {
	return f.become(ctx, "Agents.Stop", id, schema.AgentStopped)
}

func (f fakeAgents) become(ctx context.Context, method, id string, to schema.AgentStatus) (schema.Agent, error) {
	if err := f.record(ctx, method, id, schema.ScopeAdmin); err != nil {
		return schema.Agent{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	a, ok := f.agents[id]
	switch {
	case !ok:
		return schema.Agent{}, notFound("agent", id)
	case a.Status == to:
		return a, nil
	}
	change := schema.StatusChange{Status: to, Previous: a.Status, Revision: a.Revision + 1}
	a.Status, a.Revision = to, a.Revision+1
	f.agents[id] = a
	f.publishLocked(schema.Event{Type: schema.EventStatus, AgentID: id, Payload: schema.NewPayload(change)})
	return a, nil
}

type fakeChat struct {
	noChat
	*Host
}

func (f fakeChat) Send(ctx context.Context, r schema.SendRequest) iter.Seq2[schema.ChatEvent, error] {
	return func(yield func(schema.ChatEvent, error) bool) {
		turn, err := f.turn(ctx, r)
		if err != nil {
			yield(schema.ChatEvent{}, err)
			return
		}
		if !yield(schema.ChatEvent{Accepted: &turn.accepted}, nil) {
			return
		}
		for i := range turn.events {
			if !yield(schema.ChatEvent{Event: &turn.events[i]}, nil) {
				return
			}
		}
	}
}

// turn is a message that was accepted, and everything that came of it.
type turn struct {
	accepted  schema.Accepted
	principal string // whose it is
	events    []schema.Event
}

// turn carries a turn out before anybody is told that it was accepted: nobody can stop it.
func (f fakeChat) turn(ctx context.Context, r schema.SendRequest) (*turn, error) {
	if err := f.record(ctx, "Chat.Send", r, schema.ScopeChat); err != nil {
		return nil, err
	}
	f.sending.Lock()
	defer f.sending.Unlock()
	t, err := f.accept(ctx, r)
	if err != nil {
		return nil, err
	}
	reply := f.Reply
	if reply == nil {
		reply = func(r schema.SendRequest) (string, error) { return "You said: " + r.Message, nil }
	}
	text, err := reply(r) // which may ask the host for something
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		t.tell(f.Host, schema.EventFailed, schema.Failed{Reason: schema.ReasonBrainError, Error: err.Error()})
		return t, nil
	}
	m := t.accepted.Message
	m.ID, m.Role, m.Content, m.CreatedAt = m.ID+"-reply", schema.RoleAgent, text, time.Now().UTC()
	t.tell(f.Host, schema.EventReply, schema.Reply{Reply: m})
	return t, nil
}

// accept begins a turn with an agent that runs; where none is named, with the first one that does.
func (f fakeChat) accept(ctx context.Context, r schema.SendRequest) (*turn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.AgentID == "" {
		for id, a := range f.agents {
			if a.Status == schema.AgentRunning && (r.AgentID == "" || id < r.AgentID) {
				r.AgentID = id
			}
		}
	}
	switch a, ok := f.agents[r.AgentID]; {
	case r.AgentID == "":
		return nil, schema.Errorf(schema.CodeNoAgentFits, "no agent is running")
	case !ok:
		return nil, notFound("agent", r.AgentID)
	case a.Status != schema.AgentRunning:
		return nil, schema.Errorf(schema.CodeAgentNotRunning, "agent %s is %s", r.AgentID, a.Status)
	}
	if f.runs[r.RunID] {
		return nil, schema.Errorf(schema.CodeAlreadyExists, "there is a run %s already", r.RunID)
	}
	f.sent++
	a := schema.Accepted{RunID: r.RunID, ConversationID: r.ConversationID, AgentID: r.AgentID, Since: schema.Cursor{Epoch: epoch, Seq: uint64(len(f.events))}}
	if a.RunID == "" {
		a.RunID = fmt.Sprintf("run_%026d", f.sent)
	}
	f.runs[a.RunID] = true
	if a.ConversationID == "" {
		a.ConversationID = fmt.Sprintf("conv_%d", f.sent)
	}
	a.Message = schema.Message{
		ID: fmt.Sprintf("msg_%d", f.sent), ConversationID: a.ConversationID, Role: schema.RoleUser, Content: r.Message,
		AgentID: a.AgentID, RunID: a.RunID, CreatedAt: time.Now().UTC(),
	}
	t := &turn{accepted: a, principal: schema.CallerFrom(ctx).Principal}
	t.tell(f.Host, schema.EventQueued, schema.Queued{Message: a.Message})
	t.tell(f.Host, schema.EventStarted, schema.Started{MessageID: a.Message.ID})
	return t, nil
}

// tell publishes an event of the turn. The lock of the host is held.
func (t *turn) tell(h *Host, kind schema.EventType, payload any) {
	t.events = append(t.events, h.publishLocked(schema.Event{
		Type: kind, AgentID: t.accepted.AgentID, ConversationID: t.accepted.ConversationID, RunID: t.accepted.RunID,
		Principal: t.principal, Payload: schema.NewPayload(payload),
	}))
}

type fakeMemory struct {
	noMemory
	*Host
}

func (f fakeMemory) Store(ctx context.Context, m schema.NewMemory) (schema.MemoryItem, error) {
	if err := f.record(ctx, "Memory.Store", m, schema.ScopeChat); err != nil {
		return schema.MemoryItem{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.agents[m.AgentID]; !ok {
		return schema.MemoryItem{}, notFound("agent", m.AgentID)
	}
	item := schema.MemoryItem{
		ID: fmt.Sprintf("mem_%d", len(f.memories)+1), AgentID: m.AgentID, Principal: schema.CallerFrom(ctx).Principal, Shared: m.Shared,
		Content: m.Content, Metadata: m.Metadata, Tags: m.Tags, Importance: schema.DefaultImportance, ExpiresAt: m.ExpiresAt, CreatedAt: time.Now().UTC(),
	}
	if m.Importance != nil {
		item.Importance = *m.Importance
	}
	f.memories = append(f.memories, item)
	return item, nil
}

// Search finds the memories that have one of the words, the newest first.
func (f fakeMemory) Search(ctx context.Context, q schema.MemoryQuery) ([]schema.MemoryHit, error) {
	if err := f.record(ctx, "Memory.Search", q, schema.ScopeRead); err != nil {
		return nil, err
	}
	words := strings.Fields(strings.ToLower(q.Text))
	limit := q.Limit
	if limit == 0 {
		limit = schema.DefaultSearchLimit
	}
	caller := schema.CallerFrom(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	hits := []schema.MemoryHit{}
	for _, m := range slices.Backward(f.memories) {
		content := strings.ToLower(m.Content)
		fits := len(words) == 0 || slices.ContainsFunc(words, func(w string) bool { return strings.Contains(content, w) })
		seen := m.Shared || caller.MaySee(m.Principal)
		if fits && seen && (q.AgentID == "" || m.AgentID == q.AgentID) && len(hits) < limit {
			hits = append(hits, schema.MemoryHit{Memory: m, Score: 1})
		}
	}
	return hits, nil
}

type fakeEvents struct{ *Host }

func (f fakeEvents) Head(ctx context.Context) (schema.Cursor, error) {
	if err := f.record(ctx, "Events.Head", nil, schema.ScopeRead); err != nil {
		return schema.Cursor{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return schema.Cursor{Epoch: epoch, Seq: uint64(len(f.events))}, nil
}

func (f fakeEvents) Subscribe(ctx context.Context, q schema.EventQuery) iter.Seq2[schema.Event, error] {
	return func(yield func(schema.Event, error) bool) {
		if err := f.record(ctx, "Events.Subscribe", q, schema.ScopeRead); err != nil {
			yield(schema.Event{}, err)
			return
		}
		f.mu.Lock()
		next := uint64(len(f.events))
		f.mu.Unlock()
		if q.Since.Epoch == epoch {
			next = min(next, q.Since.Seq)
		}
		caller := schema.CallerFrom(ctx)
		for {
			f.mu.Lock()
			fresh, grown := f.events[next:], f.grown
			f.mu.Unlock()
			for _, e := range fresh {
				if q.Until.Epoch == epoch && e.Cursor.Seq > q.Until.Seq {
					return
				}
				next = e.Cursor.Seq
				if caller.MaySee(e.Principal) && chosen(q, e) && !yield(e, nil) {
					return
				}
			}
			if q.Until.Epoch == epoch && next >= q.Until.Seq {
				return
			}
			select {
			case <-grown:
			case <-ctx.Done():
				yield(schema.Event{}, ctx.Err())
				return
			}
		}
	}
}

// chosen reports whether a query selects an event.
func chosen(q schema.EventQuery, e schema.Event) bool {
	return (len(q.Agents) == 0 || slices.Contains(q.Agents, e.AgentID)) &&
		(len(q.Types) == 0 || slices.Contains(q.Types, e.Type)) && (q.RunID == "" || q.RunID == e.RunID)
}
