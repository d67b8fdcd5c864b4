package ws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/stagehouse/stagehouse/schema"
)

// Waits of the hub, between two attempts to follow the event log.
const (
	firstRetry = 50 * time.Millisecond
	lastRetry  = 2 * time.Second
)

// event is one event, rendered once for all sockets.
type event struct {
	schema.Event
	bit   events // 0 for a gap, and for types that this version does not know
	json  []byte
	frame []byte // for a socket that was sent the event numbered prev before it
	prev  uint64
}

// hub follows the event log for the whole process and fans it out to the sessions.
type hub struct {
	log       schema.Events
	limit     int
	catalogue *catalogue
	logger    *slog.Logger

	cursor    atomic.Pointer[schema.Cursor] // of the last event that was fanned out
	following atomic.Bool                   // the stream of events stands

	mu       sync.RWMutex // held for reading while one event is fanned out
	sessions []*session
	recent   recent        // of the goroutine that publishes, and of those that hold mu for writing
	leaving  bool          // sessions move to the next generation
	draining int           // the close code of the drain; 0 = not draining
	empty    chan struct{} // closed when draining and no session is left
	emptied  sync.Once     // closes it

	guests    map[Guest]struct{}
	dismissed bool // guests have been told to go
}

func newHub(log schema.Events, limit int, c *catalogue, logger *slog.Logger) *hub {
	h := &hub{log: log, limit: limit, catalogue: c, logger: logger, guests: map[Guest]struct{}{}, empty: make(chan struct{})}
	h.cursor.Store(&schema.Cursor{})
	return h
}

// self is on whose behalf the hub reads the log: it must see everything, to give everyone what is theirs.
func self(ctx context.Context) context.Context {
	return schema.WithCaller(ctx, schema.Caller{Principal: "extension:api", Scopes: []schema.Scope{schema.ScopeAdmin}})
}

func (h *hub) connect(ctx context.Context) error {
	head, err := h.log.Head(self(ctx))
	if err != nil {
		return fmt.Errorf("read the head of the event log: %w", err)
	}
	h.cursor.Store(&head)
	h.following.Store(true) // from there, as soon as run does: nothing is missed in between
	return nil
}

func (h *hub) run(ctx context.Context) error {
	retry := backoff.NewExponentialBackOff()
	retry.InitialInterval, retry.MaxInterval = firstRetry, lastRetry
	for {
		err := h.follow(ctx, retry.Reset)
		h.following.Store(false)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // that it is told to end is no failure
		}
		wait := retry.NextBackOff()
		h.logger.Warn("the event log cannot be followed; trying again", "error", err, "after", wait)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
	}
}

// follow fans out events from the cursor on until the stream breaks.
func (h *hub) follow(ctx context.Context, works func()) error {
	if h.cursor.Load().IsZero() {
		if err := h.connect(ctx); err != nil {
			return err
		}
	}
	h.following.Store(true)
	for e, err := range h.log.Subscribe(self(ctx), schema.EventQuery{Since: *h.cursor.Load()}) {
		if err != nil {
			return err
		}
		works()
		h.publish(e)
	}
	return errors.New("the stream of events ended")
}

// publish renders e once and gives it to every session that wants it. It never waits for a socket.
func (h *hub) publish(e schema.Event) {
	rendered := h.render(e, h.head().Seq)
	if rendered == nil {
		return
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	if e.Type != schema.EventGap {
		h.cursor.Store(&e.Cursor)
		h.recent.add(rendered)
	}
	for _, s := range h.sessions {
		s.deliver(rendered)
	}
}

// render returns the event as sockets send it, most of them behind the one numbered prev; or nil if it cannot be sent, which
// has been logged then.
func (h *hub) render(e schema.Event, prev uint64) *event {
	b, err := json.Marshal(e)
	if err != nil {
		h.logger.Error("an event cannot be encoded and is left out", "cursor", e.Cursor.String(), "type", e.Type, "error", err)
		return nil
	}
	out := &event{Event: e, bit: h.catalogue.bits[e.Type], json: b, prev: prev}
	if e.Type == schema.EventGap { // which says itself what is lost
		out.frame = textFrame(b)
	} else {
		out.frame = eventItem(b, prev).appendTo(make([]byte, 0, len(b)+frameCost))
	}
	return out
}

// head returns the cursor of the last event that was fanned out.
func (h *hub) head() schema.Cursor { return *h.cursor.Load() }

// between calls f while no event is being fanned out, with the head at that moment.
func (h *hub) between(f func(head schema.Cursor)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f(h.head())
}

func (h *hub) ready() error {
	h.mu.RLock()
	defer h.mu.RUnlock()
	switch {
	case h.draining != 0:
		return schema.Errorf(schema.CodeUnavailable, "the server is draining")
	case !h.following.Load():
		return schema.Errorf(schema.CodeUnavailable, "the event log is not being followed")
	}
	return nil
}

// room reports whether there is room for one more socket.
func (h *hub) room() error {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.roomLocked()
}

func (h *hub) roomLocked() error {
	if h.draining != 0 {
		return &schema.Error{Code: schema.CodeUnavailable, Message: "the server is draining", RetryAfter: drainRetry, Cause: errDraining}
	}
	return h.fullLocked()
}

func (h *hub) fullLocked() error {
	if len(h.sessions)+len(h.guests) >= h.limit {
		return &schema.Error{Code: schema.CodeUnavailable, Message: "all sockets are taken", RetryAfter: fullRetry}
	}
	return nil
}

// add adds a session, which has had its events up to the place at if that is not nil.
func (h *hub) add(s *session, at *schema.Cursor) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.roomLocked(); err != nil {
		return err
	}
	if at != nil {
		h.since(s, *at)
	}
	h.addLocked(s)
	if h.leaving {
		s.interrupt()
	}
	return nil
}

func (h *hub) addLocked(s *session) {
	s.index = len(h.sessions)
	h.sessions = append(h.sessions, s)
}

func (h *hub) remove(s *session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.removeLocked(s)
}

// removeLocked takes a session out, unless it is out already.
func (h *hub) removeLocked(s *session) {
	if s.index < 0 {
		return
	}
	last := len(h.sessions) - 1
	h.sessions[s.index] = h.sessions[last]
	h.sessions[s.index].index = s.index
	h.sessions[last] = nil
	h.sessions = h.sessions[:last]
	s.index = -1
	if last == 0 && h.draining != 0 {
		h.emptied.Do(func() { close(h.empty) })
	}
}
