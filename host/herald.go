package host

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/schema"
)

// Publisher is a Runtime whose event log takes what the host has to tell: schema.EventReloaded and its like. With a runtime
// that is none, such things are only in the host's own log and in Host.Extensions.
type Publisher interface {
	// Publish appends e to the log, durably, and gives it its place and its time. It is safe for concurrent use.
	Publish(ctx context.Context, e schema.Event) error
}

const (
	heraldQueue    = 256             // events that wait for a runtime that is slow
	publishTimeout = 5 * time.Second // for one of them
)

// herald tells the runtime what happens to the extensions.
type herald struct {
	to    Publisher
	scrub func(string) string
	log   *slog.Logger
	queue chan schema.Event
	done  chan struct{}

	ctx  context.Context // of what is told
	hush context.CancelFunc
}

// newHerald returns a herald to close, or nil, which is one too, if the runtime does not listen.
func newHerald(rt Runtime, scrub func(string) string, log *slog.Logger) *herald {
	to, ok := rt.(Publisher)
	if !ok {
		return nil
	}
	h := &herald{to: to, scrub: scrub, log: log, queue: make(chan schema.Event, heraldQueue), done: make(chan struct{})}
	h.ctx, h.hush = context.WithCancel(context.Background())
	go h.run()
	return h
}

func (h *herald) run() {
	defer close(h.done)
	for e := range h.queue {
		ctx, cancel := context.WithTimeout(h.ctx, publishTimeout)
		if err := h.to.Publish(ctx, e); err != nil {
			h.log.Warn("tell the runtime of an extension", "event", string(e.Type), "error", err.Error())
		}
		cancel()
	}
}

// tell does not wait: who watches over extensions has better things to do than to wait for a runtime that hangs.
func (h *herald) tell(c plugin.Change) {
	if h == nil {
		return
	}
	e, err := h.event(c)
	if err != nil {
		h.log.Error("tell the runtime of an extension", "error", err.Error())
		return
	}
	select {
	case h.queue <- e:
	default:
		h.log.Warn("the runtime is too slow to be told of an extension", "event", string(e.Type), "extension", c.Extension)
	}
}

func (h *herald) event(c plugin.Change) (schema.Event, error) {
	e := schema.Event{Principal: schema.PrincipalHost}
	var payload any
	switch c.Kind {
	case plugin.ChangeReloaded:
		e.Type, payload = schema.EventReloaded, schema.Reloaded{Extension: c.Extension, Generation: c.Generation, Previous: c.Previous}
	case plugin.ChangeCrashed:
		e.Type, payload = schema.EventCrashed, schema.Crashed{Extension: c.Extension, Generation: c.Generation, Error: h.scrub(c.Cause)}
	case plugin.ChangeBreakerOpened:
		e.Type, payload = schema.EventBreaker, schema.Breaker{Extension: c.Extension, State: schema.BreakerOpen, Error: h.scrub(c.Cause)}
	case plugin.ChangeBreakerClosed:
		e.Type, payload = schema.EventBreaker, schema.Breaker{Extension: c.Extension, State: schema.BreakerClosed}
	default:
		return e, fmt.Errorf("extension %s: no event says that it is %s", c.Extension, c.Kind)
	}
	e.Payload = schema.NewPayload(payload)
	return e, nil
}

// close returns when the runtime has been told everything, or when ctx is done. Nobody calls tell any more.
func (h *herald) close(ctx context.Context) {
	if h == nil {
		return
	}
	close(h.queue)
	defer h.hush()
	defer context.AfterFunc(ctx, h.hush)()
	<-h.done
}
