package sdk

import (
	"context"
	"log/slog"
	"net"
	"net/http"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk/handover"
)

// Host is what an extension sees of the host that runs it. All methods are safe for concurrent use.
type Host struct {
	// Services are those that the host offers and has granted; the others are nil. Calls are made on behalf of the
	// schema.Caller in their context.
	schema.Services

	Name       string       // under which the host knows the extension: its key in the configuration
	Generation uint64       // grows with every launch of this extension
	Log        *slog.Logger // goes to the host's log
	State      State        // what the extension keeps beyond its process

	life *lifetime
}

// Context returns a context that ends when the extension must be gone: after the drain, or when the host is gone. It is
// for calls that outlive the request that they were made for.
func (h *Host) Context() context.Context { return h.life.ctx }

// Final reports, while the extension drains, whether it is stopped for good. Otherwise another generation follows, or may:
// clients do well to come again.
func (h *Host) Final() bool { return h.life.final.Load() }

// Listen announces on the address. Under a host that can hand over descriptors it is the host that binds, and keeps the
// listener beyond this process, so that no connection is refused while the extension is restarted or replaced; elsewhere
// it is bound here. The error of a taken address names it and says what to do.
//
// The listener accepts nothing until the extension is well and takes the place of the generation before. Its connections
// can move to the generation after: those of Host.Serve do; for those of another server see package handover.
func (h *Host) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	ln, err := h.life.listen(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return h.life.listening(ln, handover.Place{Network: network, Address: address})
}

// OnMoved says who takes the connections that the generation before has moved with a state of its own. f owns the connection
// and does not take long, because it is called for a few at a time: what goes on with it is for Host.Go, or for a server. It
// is called in Start.
func (h *Host) OnMoved(f func(c *handover.Conn, state []byte)) { h.life.conns.OnSession(f) }

// Told waits for what the generation before has told (see Teller) and returns it; nil = nothing, because there is none, or it
// has nothing to tell, or ctx is done.
func (h *Host) Told(ctx context.Context) []byte { return h.life.conns.Told(ctx) }

// Ask asks the generation after, which has been told before what there was to tell. An error means that it cannot be asked:
// there is none yet, it does not run here, or nothing goes there any more.
func (h *Host) Ask(question []byte) (bool, error) { return h.life.conns.Ask(question) }

// OnAsked says who answers what the generation before asks. f is called for one question at a time and answers quickly:
// connections that move wait for it. Without it every answer is no. It is called in Start.
func (h *Host) OnAsked(f func(question []byte) bool) { h.life.conns.OnAsked(f) }

// Serve serves HTTP on ln in the background until the extension drains: then no new connection is accepted, requests in
// flight get until the deadline of the drain, and the rest is cut off. A panic in the handler is contained and logged.
// The sdk owns ln from now on. Limits that protect against slow clients are set; there is none on the length of a response.
func (h *Host) Serve(ln net.Listener, handler http.Handler) { h.life.serve(ln, handler) }

// ListenAndServe is Listen on a TCP address and Serve on what it returns.
func (h *Host) ListenAndServe(ctx context.Context, address string, handler http.Handler) error {
	ln, err := h.Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	h.Serve(ln, handler)
	return nil
}

// Self returns a context whose calls the extension makes in its own name, "extension:" and its key in the configuration,
// and not on behalf of a client. It sees what everybody may see, and with schema.ScopeAdmin everything.
func (h *Host) Self(ctx context.Context, scopes ...schema.Scope) context.Context {
	return schema.WithCaller(ctx, schema.Caller{Principal: "extension:" + h.Name, Scopes: scopes})
}

// Go runs f in a goroutine that the sdk owns. Its ctx ends when the extension drains, after its own Drain if it has one;
// the drain waits for f to return. An error before that, or a panic, is logged and makes Health fail for good: the host
// restarts the extension the next time it asks, with a growing pause if that does not help.
func (h *Host) Go(f func(ctx context.Context) error) { h.life.run("goroutine", f) }
