package sdktest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

// Host is a host in memory for the tests of an extension. It has the agents that it is given, answers every message that is
// sent to one of them, finds what it is told to remember, and keeps every event. It records what is asked of it.
//
// It holds callers to the scopes of the contract and keeps turns in order, and that is all: conversations cannot be read,
// agents are neither made nor changed, and a call that it does not know is CodeUnimplemented. A test that needs more gives
// Start services of its own. The methods are safe for concurrent use.
type Host struct {
	// Reply answers a message. Nil = "You said: " and the message. It is not changed once the extension has started.
	Reply func(r schema.SendRequest) (string, error)

	sending sync.Mutex // one turn at a time, whatever its conversation

	mu       sync.Mutex
	agents   map[string]schema.Agent
	memories []schema.MemoryItem
	events   []schema.Event
	grown    chan struct{} // closed and replaced when there is another event
	calls    []Call
	sent     int             // messages
	runs     map[string]bool // ids
}

// Call is something that was asked of a Host.
type Call struct {
	Method string        // such as "Chat.Send"
	Caller schema.Caller // on whose behalf
	Input  any           // the argument: a request, a query or an id
}

// NewHost returns a host with those agents. One that has no status runs.
func NewHost(agents ...schema.Agent) *Host {
	h := &Host{agents: map[string]schema.Agent{}, grown: make(chan struct{}), runs: map[string]bool{}}
	for _, a := range agents {
		if a.Status == "" {
			a.Status = schema.AgentRunning
		}
		a.Revision = max(a.Revision, 1)
		h.agents[a.ID] = a
	}
	return h
}

// Services returns what the host offers, for Start and TestExtension.
func (h *Host) Services() schema.Services {
	return schema.Services{
		Agents: fakeAgents{Host: h}, Chat: fakeChat{Host: h}, Memory: fakeMemory{Host: h}, Events: fakeEvents{h},
	}
}

// Calls returns what was asked of the host, in order: everything, or only those methods.
func (h *Host) Calls(methods ...string) []Call {
	h.mu.Lock()
	defer h.mu.Unlock()
	other := func(c Call) bool { return len(methods) > 0 && !slices.Contains(methods, c.Method) }
	return slices.DeleteFunc(slices.Clone(h.calls), other)
}

// Publish appends an event to the log, and returns it with its place and its time.
func (h *Host) Publish(e schema.Event) schema.Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.publishLocked(e)
}

// epoch is that of the log of every Host.
const epoch = "sdktest"

func (h *Host) publishLocked(e schema.Event) schema.Event {
	e.Cursor, e.Time = schema.Cursor{Epoch: epoch, Seq: uint64(len(h.events) + 1)}, time.Now().UTC()
	h.events = append(h.events, e)
	close(h.grown)
	h.grown = make(chan struct{})
	return e
}

// record takes note of a call, and refuses it where the caller's scopes do not cover it.
func (h *Host) record(ctx context.Context, method string, input any, need schema.Scope) error {
	c := schema.CallerFrom(ctx)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, Call{Method: method, Caller: c, Input: input})
	switch {
	case c.Principal == "":
		return schema.Errorf(schema.CodeUnauthenticated, "%s was called on behalf of nobody; make its context with Host.Self or schema.WithCaller", method)
	case !c.Can(need):
		return schema.Errorf(schema.CodePermissionDenied, "%s needs the scope %s, and its caller %s has %v", method, need, c.Principal, c.Scopes)
	}
	return nil
}

func notFound(what, id string) error {
	return schema.Errorf(schema.CodeNotFound, "there is no %s %q", what, id)
}
