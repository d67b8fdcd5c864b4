package api_test

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

// fakeHost is a runtime whose failures a test decides about. Where no hook is set it does the least that works: the
// agents nyx and aria run, every message is answered by an echo, every event is kept.
type fakeHost struct {
	authenticate func(token string) (schema.Caller, error)
	list         func(ctx context.Context) (schema.AgentPage, error)
	get          func(ctx context.Context, id string) (schema.Agent, error)
	send         func(ctx context.Context, r schema.SendRequest, yield func(schema.ChatEvent, error) bool)
	search       func(q schema.MemoryQuery) ([]schema.MemoryHit, error)
	used         func(ctx context.Context, q schema.UsageQuery) (schema.UsageReport, error)

	emitted func(schema.Event) // is told of every event of the log, in order

	mu      sync.Mutex
	log     []schema.Event
	grown   chan struct{} // closed when the log grows, or when streams break
	broken  int           // how often streams were broken
	updates []schema.AgentPatch
	created []schema.NewAgent
}

const fakeEpoch = "fake"

func newFakeHost() *fakeHost { return &fakeHost{grown: make(chan struct{})} }

func (f *fakeHost) services() schema.Services {
	return schema.Services{Agents: fakeAgents{f}, Chat: fakeChat{f}, Memory: fakeMemory{f}, Events: fakeEvents{f}, Usage: fakeUsage{f}, Identity: fakeIdentity{f}}
}

// emit appends an event to the log. What a test leaves out of it, and every event of its type has, is made up.
func (f *fakeHost) emit(e schema.Event) schema.Event {
	e = whole(e)
	f.mu.Lock()
	defer f.mu.Unlock()
	e.Cursor = schema.Cursor{Epoch: fakeEpoch, Seq: uint64(len(f.log) + 1)}
	f.log = append(f.log, e)
	if f.emitted != nil {
		f.emitted(e)
	}
	f.wakeLocked()
	return e
}

// whole returns an event with everything that one of its type has.
func whole(e schema.Event) schema.Event {
	for _, k := range schema.EventKinds() {
		if k.Type == e.Type && e.Payload == nil {
			e.Payload = schema.NewPayload(k.Example)
		}
	}
	family, _, _ := strings.Cut(string(e.Type), ":")
	if family == "agent" || family == "chat" {
		e.AgentID = cmp.Or(e.AgentID, "nyx")
	}
	if family == "chat" {
		e.ConversationID, e.RunID = cmp.Or(e.ConversationID, "conv_other"), cmp.Or(e.RunID, "run_other")
	}
	if e.Time.IsZero() {
		e.Time = time.Unix(1_700_000_000, 0).UTC()
	}
	return e
}

func (f *fakeHost) wakeLocked() {
	close(f.grown)
	f.grown = make(chan struct{})
}

// breakStreams ends every subscription with an error, as a restart of the host does.
func (f *fakeHost) breakStreams() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broken++
	f.wakeLocked()
}

type fakeIdentity struct{ *fakeHost }

func (f fakeIdentity) Authenticate(_ context.Context, token string) (schema.Caller, error) {
	if f.authenticate != nil {
		return f.authenticate(token)
	}
	switch token {
	case "admin":
		return schema.Caller{Principal: "root", Scopes: []schema.Scope{schema.ScopeAdmin}}, nil
	case "alice", "bob":
		return schema.Caller{Principal: token, Scopes: []schema.Scope{schema.ScopeChat}}, nil
	}
	return schema.Caller{}, schema.Errorf(schema.CodeUnauthenticated, "no such token")
}

type fakeAgents struct{ *fakeHost }

func fakeAgent(id string) schema.Agent {
	t := time.Unix(1_700_000_000, 0).UTC()
	return schema.Agent{ID: id, Name: id, Status: schema.AgentRunning, Brain: schema.Brain{Provider: "fake"}, Revision: 7, CreatedAt: t, UpdatedAt: t}
}

func (f fakeAgents) List(ctx context.Context, _ schema.AgentQuery) (schema.AgentPage, error) {
	if f.list != nil {
		return f.list(ctx)
	}
	return schema.AgentPage{Agents: []schema.Agent{fakeAgent("aria"), fakeAgent("nyx")}}, nil
}

func (f fakeAgents) Get(ctx context.Context, id string) (schema.Agent, error) {
	switch {
	case f.get != nil:
		return f.get(ctx, id)
	case id != "nyx" && id != "aria":
		return schema.Agent{}, schema.Errorf(schema.CodeNotFound, "there is no agent %q", id)
	}
	return fakeAgent(id), nil
}

func (f fakeAgents) Create(ctx context.Context, n schema.NewAgent) (schema.Agent, error) {
	if !schema.CallerFrom(ctx).Can(schema.ScopeAdmin) {
		return schema.Agent{}, schema.Errorf(schema.CodePermissionDenied, "this token may not create agents")
	}
	if _, err := f.Get(ctx, n.ID); err == nil {
		return schema.Agent{}, schema.Errorf(schema.CodeAlreadyExists, "there is an agent %s already", n.ID)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.created = append(f.created, n)
	return fakeAgent(n.ID), n.Validate()
}

func (f fakeAgents) Delete(ctx context.Context, id string, ifRevision int64) error {
	a, err := f.Update(ctx, id, schema.AgentPatch{IfRevision: ifRevision})
	if err == nil && a.ID == "aria" {
		return schema.Errorf(schema.CodeFailedPrecondition, "aria is declared")
	}
	return err
}

func (f fakeAgents) Update(ctx context.Context, id string, p schema.AgentPatch) (schema.Agent, error) {
	a, err := f.Get(ctx, id)
	if err == nil && !schema.CallerFrom(ctx).Can(schema.ScopeAdmin) {
		err = schema.Errorf(schema.CodePermissionDenied, "this token may not change agents")
	}
	if err == nil && p.IfRevision != 0 && p.IfRevision != a.Revision {
		err = schema.Errorf(schema.CodeRevisionMismatch, "the agent has revision %d and not %d", a.Revision, p.IfRevision)
	}
	if err != nil {
		return schema.Agent{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.updates = append(f.updates, p)
	return a, nil
}

func (f fakeAgents) Start(ctx context.Context, id string) (schema.Agent, error) {
	return f.Get(ctx, id)
}
func (f fakeAgents) Stop(ctx context.Context, id string) (schema.Agent, error) { return f.Get(ctx, id) }

type fakeChat struct{ *fakeHost }

func (f fakeChat) Send(ctx context.Context, r schema.SendRequest) iter.Seq2[schema.ChatEvent, error] {
	return func(yield func(schema.ChatEvent, error) bool) {
		if f.send != nil {
			f.send(ctx, r, yield)
			return
		}
		f.echo(ctx, r, yield)
	}
}

// echo accepts a message, and answers it with itself. The turn goes on whether it is watched or not.
func (f *fakeHost) echo(ctx context.Context, r schema.SendRequest, yield func(schema.ChatEvent, error) bool) {
	caller := schema.CallerFrom(ctx)
	conversation := r.ConversationID
	if conversation == "" {
		conversation = "conv_" + r.RunID
	}
	base := schema.Event{AgentID: r.AgentID, ConversationID: conversation, RunID: r.RunID, Principal: caller.Principal}
	events := []schema.Event{base, base, base}
	message := schema.Message{ID: "msg_" + r.RunID, ConversationID: conversation, Role: schema.RoleUser, Content: r.Message}
	reply := message
	reply.ID, reply.Role = "msg_r"+r.RunID, schema.RoleAgent
	events[0].Type, events[0].Payload = schema.EventQueued, schema.NewPayload(schema.Queued{Message: message})
	events[1].Type, events[1].Payload = schema.EventThought, schema.NewPayload(schema.Thought{Thought: "hm"})
	events[2].Type, events[2].Payload = schema.EventReply, schema.NewPayload(schema.Reply{Reply: reply})
	for i, e := range events {
		events[i] = f.emit(e)
	}
	took := &schema.Accepted{RunID: r.RunID, ConversationID: conversation, AgentID: r.AgentID, Message: message}
	if r.AgentID == "" {
		took.Route = &schema.RouteDecision{AgentID: "nyx", Reason: "fake", Candidates: []schema.RouteCandidate{}}
	}
	if !yield(schema.ChatEvent{Accepted: took}, nil) {
		return
	}
	for _, e := range events {
		if !yield(schema.ChatEvent{Event: &e}, nil) {
			return
		}
	}
}

func (f fakeChat) Route(context.Context, schema.RouteRequest) (schema.RouteDecision, error) {
	return schema.RouteDecision{AgentID: "nyx", Reason: "fake"}, nil
}

func (f fakeChat) Conversation(_ context.Context, q schema.ConversationQuery) (schema.Conversation, error) {
	return schema.Conversation{}, schema.Errorf(schema.CodeNotFound, "there is no conversation %q", q.ID)
}

func (f fakeChat) Conversations(context.Context, schema.ConversationsQuery) (schema.ConversationPage, error) {
	return schema.ConversationPage{}, nil
}

func (f fakeChat) CreateConversation(_ context.Context, n schema.NewConversation) (schema.ConversationSummary, error) {
	return schema.ConversationSummary{ID: n.ID, Title: n.Title, AgentID: n.AgentID, Revision: 1}, n.Validate()
}

func (f fakeChat) UpdateConversation(_ context.Context, id string, _ schema.ConversationPatch) (schema.ConversationSummary, error) {
	return schema.ConversationSummary{}, schema.Errorf(schema.CodeNotFound, "there is no conversation %q", id)
}

func (f fakeChat) DeleteConversation(_ context.Context, id string, _ int64) error {
	return schema.Errorf(schema.CodeNotFound, "there is no conversation %q", id)
}

func (f fakeChat) Runs(context.Context, schema.RunsQuery) (schema.RunPage, error) {
	return schema.RunPage{}, schema.Errorf(schema.CodeUnimplemented, "the fake has no list of runs")
}

func (f fakeChat) Run(context.Context, string) (schema.Run, error) {
	return schema.Run{}, schema.Errorf(schema.CodeNotFound, "there is no such run")
}

func (f fakeChat) Cancel(context.Context, string) (schema.Run, error) {
	return schema.Run{}, schema.Errorf(schema.CodeNotFound, "there is no such run")
}

type fakeMemory struct{ *fakeHost }

func (f fakeMemory) Store(ctx context.Context, m schema.NewMemory) (schema.MemoryItem, error) {
	return schema.MemoryItem{ID: "mem_1", AgentID: m.AgentID, Principal: schema.CallerFrom(ctx).Principal, Content: m.Content, Metadata: m.Metadata}, m.Validate()
}

func (f fakeMemory) Search(_ context.Context, q schema.MemoryQuery) ([]schema.MemoryHit, error) {
	if f.search != nil {
		return f.search(q)
	}
	return nil, q.Validate()
}

func (f fakeMemory) Get(_ context.Context, agentID, id string) (schema.MemoryItem, error) {
	if id == "mem_2" && (agentID == "" || agentID == "nyx") {
		return schema.MemoryItem{ID: id, AgentID: "nyx"}, nil
	}
	return schema.MemoryItem{}, schema.Errorf(schema.CodeNotFound, "there is no such memory")
}

func (f fakeMemory) Delete(ctx context.Context, agentID, id string) error {
	_, err := f.Get(ctx, agentID, id)
	return err
}

type fakeUsage struct{ *fakeHost }

func (f fakeUsage) Report(ctx context.Context, q schema.UsageQuery) (schema.UsageReport, error) {
	if f.used != nil {
		return f.used(ctx, q)
	}
	return schema.UsageReport{}, q.Validate()
}

type fakeEvents struct{ *fakeHost }

func (f fakeEvents) Head(context.Context) (schema.Cursor, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return schema.Cursor{Epoch: fakeEpoch, Seq: uint64(len(f.log))}, nil
}

// Subscribe knows no filter and no gap; logHost has a log that does.
func (f fakeEvents) Subscribe(ctx context.Context, q schema.EventQuery) iter.Seq2[schema.Event, error] {
	return func(yield func(schema.Event, error) bool) {
		f.mu.Lock()
		next, broken := int(q.Since.Seq), f.broken
		f.mu.Unlock()
		for {
			f.mu.Lock()
			grown, fresh, cut := f.grown, slices.Clone(f.log[next:]), f.broken != broken
			f.mu.Unlock()
			for _, e := range fresh {
				if !yield(e, nil) {
					return
				}
				next++
			}
			if cut {
				yield(schema.Event{}, schema.Errorf(schema.CodeUnavailable, "the host restarts"))
				return
			}
			select {
			case <-grown:
			case <-ctx.Done():
				yield(schema.Event{}, fmt.Errorf("subscribe: %w", ctx.Err()))
				return
			}
		}
	}
}
