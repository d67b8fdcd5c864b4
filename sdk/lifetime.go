package sdk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stagehouse/stagehouse/plugin/inflight"
	"github.com/stagehouse/stagehouse/plugin/tether"
	"github.com/stagehouse/stagehouse/sdk/handover"
)

// Limits of the servers of Host.Serve. The body of a request is the handler's concern (http.ResponseController).
const (
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 64 << 10
)

type listenFunc func(ctx context.Context, network, address string) (net.Listener, error)

// lifetime owns everything that an extension starts: it ends it, waits for it, and remembers what failed.
type lifetime struct {
	log    *slog.Logger
	listen listenFunc
	others Generations
	conns  *handover.Set

	ctx  context.Context // Host.Context: ends after the drain
	end  context.CancelFunc
	work context.Context // Host.Go: ends when the drain begins
	stop context.CancelFunc

	final    atomic.Bool // of the drain: nothing follows
	replaced atomic.Bool // the drain is there because another generation has taken the place of this one
	leaving  atomic.Bool // the drain has begun

	calls inflight.Calls // of commands and of the brain

	mu        sync.Mutex
	failure   error // the first one
	listeners []net.Listener
	servers   []*server
	following sync.WaitGroup // of the goroutine that waits for its turn
	running   int            // goroutines of Host.Go and Host.Serve
	idle      chan struct{}  // closed when a drain waits and running is 0
}

// server is one of Host.Serve.
type server struct {
	http   *http.Server
	active atomic.Int64 // connections with a request in flight
}

// newLifetime returns a lifetime that ends with end, which ctx does not outlive.
func newLifetime(ctx context.Context, log *slog.Logger, listen listenFunc, others Generations) *lifetime {
	if others == nil {
		others = alone{}
	}
	l := &lifetime{log: log, listen: listen, others: others, conns: handover.New(others.Serving(), log)}
	l.ctx, l.end = context.WithCancel(ctx)
	l.work, l.stop = context.WithCancel(l.ctx)
	l.following.Go(l.follow)
	return l
}

// alone is a process without other generations.
type alone struct{}

func (alone) Serving() <-chan struct{} {
	always := make(chan struct{})
	close(always)
	return always
}
func (alone) Left()                                   {}
func (alone) Predecessor() *net.UnixConn              { return nil }
func (alone) Successor(context.Context) *net.UnixConn { return nil }

// follow takes over, when it is time, what the generation before has.
func (l *lifetime) follow() {
	select {
	case <-l.others.Serving():
		if from := l.others.Predecessor(); from != nil {
			l.conns.Receive(from)
		} else {
			l.conns.Alone()
		}
	case <-l.work.Done():
	}
}

// listening takes ln over, or closes it where the extension is on its way out.
func (l *lifetime) listening(ln net.Listener, p handover.Place) (net.Listener, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.leaving.Load() {
		return nil, errors.Join(errors.New("the extension is draining; it listens nowhere any more"), ln.Close())
	}
	moving := l.conns.Listen(ln, p)
	l.listeners = append(l.listeners, moving)
	return moving, nil
}

// addresses returns where the extension listens.
func (l *lifetime) addresses() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	addrs := make([]string, len(l.listeners))
	for i, ln := range l.listeners {
		addrs[i] = ln.Addr().String()
	}
	return addrs
}

func (l *lifetime) serve(ln net.Listener, handler http.Handler) {
	s := &server{http: &http.Server{
		Handler:           l.expecting(handler),
		ConnContext:       withConn,
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(l.log.Handler(), slog.LevelWarn),
		BaseContext:       func(net.Listener) context.Context { return l.ctx },
	}}
	s.http.ConnState = s.connState()
	l.mu.Lock()
	l.servers = append(l.servers, s)
	l.mu.Unlock()
	l.run("http server", func(context.Context) error {
		if err := s.http.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve http on %s: %w", ln.Addr(), err)
		}
		return nil
	})
}

// connState counts the connections that are working on a request.
func (s *server) connState() func(net.Conn, http.ConnState) {
	var mu sync.Mutex
	active := map[net.Conn]bool{}
	return func(c net.Conn, state http.ConnState) {
		tell(handover.Of(c), state)
		mu.Lock()
		defer mu.Unlock()
		if state == http.StateActive {
			active[c] = true
		} else {
			delete(active, c)
		}
		s.active.Store(int64(len(active)))
	}
}

// tell tells a connection, if it is one that can move, what the server does with it.
func tell(c *handover.Conn, state http.ConnState) {
	switch {
	case c == nil:
	case state == http.StateActive:
		c.Active()
	case state == http.StateIdle:
		c.IdleAfterRequest()
	}
}

// connKey is under which the handler finds the connection of its request.
type connKey struct{}

func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, handover.Of(c))
}

// expecting tells the connection of every request how long its body is: net/http reads ahead, and may have read more than
// the request when it has answered it. And it tells the client, while the process leaves, which answer is the last one.
func (l *lifetime) expecting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, _ := r.Context().Value(connKey{}).(*handover.Conn)
		last := l.leaving.Load() // of a connection below a wrapper that hides it
		if c != nil {
			c.Expect(r.ContentLength)
			last = c.Last()
		}
		if last && r.Header.Get("Upgrade") == "" { // whose answer has a Connection of its own
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// run starts f in a goroutine that the drain waits for.
func (l *lifetime) run(what string, f func(ctx context.Context) error) {
	l.mu.Lock()
	l.running++
	l.mu.Unlock()
	go func() {
		err := contain(l.log, what, func() error { return f(l.work) })
		if err != nil && !l.leaving.Load() {
			l.fail(fmt.Errorf("%s: %w", what, err))
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.running--
		if l.running == 0 && l.idle != nil {
			close(l.idle)
			l.idle = nil
		}
	}()
}

func (l *lifetime) fail(err error) {
	l.log.Error("extension failed", "error", err.Error())
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failure == nil {
		l.failure = err
	}
}

// health returns the first failure of what the extension started.
func (l *lifetime) health() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failure
}

// finish hands over what can move, if another generation takes the place of this one; then it carries the extension's own
// drain out, if there is any, stops accepting, lets what is in flight finish until ctx is done, cuts off the rest and returns
// how many requests and goroutines that were, and why the own drain has failed, if it had the time. It is called once.
func (l *lifetime) finish(ctx context.Context, ext ownDrain) (int, error) {
	l.leaving.Store(true)
	l.calls.Close()
	l.handOver(ctx, ext)
	own := make(chan error, 1)
	if ext.drain == nil {
		own <- nil
	} else {
		go func() { own <- contain(l.log, "Drain", func() error { return ext.drain(ctx) }) }()
		lead(ctx, own)
	}
	l.stop()
	cut := l.shutdown(ctx) + l.calls.Wait(ctx)
	err := waitFor(ctx, own)
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		l.log.Warn("the extension's own drain did not finish in time", "error", err.Error())
		cut, err = cut+1, nil
	}
	l.end()
	l.closeListeners() // a server that has only begun to serve may have missed that it is to shut down
	cut += l.wait(ctx)
	l.following.Wait()
	l.conns.Close()
	return cut, err
}

// Bounds of a hand-over.
const (
	successorWait = time.Second // for the word of the host on who follows
	afterHandOver = time.Second // what is left of the drain for connections that did not move
)

// handOver gives the connections to the generation after. What is in flight finishes here, and moves then. What cannot move,
// or has no way to go, is told to come again.
func (l *lifetime) handOver(ctx context.Context, ext ownDrain) {
	if _, none := l.others.(alone); none || !l.replaced.Load() {
		return
	}
	waiting, cancel := context.WithTimeout(ctx, successorWait)
	to := l.others.Successor(waiting)
	cancel()
	if to == nil && tether.Shared {
		l.log.Warn("there is no way to hand connections over; clients are told to come again. This process may have too many files open")
	}
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-min(afterHandOver, time.Until(deadline)/2)))
		defer cancel()
	}
	// A panic is in the log.
	move := func(ctx context.Context) {
		if ext.move != nil {
			_ = contain(l.log, "Move", func() error { ext.move(ctx); return nil })
		}
	}
	tell := func() (b []byte) {
		if ext.tell != nil {
			_ = contain(l.log, "Tell", func() error { b = ext.tell(); return nil })
		}
		return b
	}
	begun := time.Now()
	left := l.conns.Leave(ctx, to, tell, l.others.Left, move)
	l.log.Info("connections have moved", "connections", l.conns.Moved(), "took", time.Since(begun).Round(time.Millisecond).String())
	if left > 0 {
		l.log.Warn("connections were still in use when it was time to go", "connections", left)
	}
}

// lead waits for the extension's own drain, but only for half of the time that ctx leaves: a drain that needs more goes
// on beside what is drained for it. The result stays in own.
func lead(ctx context.Context, own chan error) {
	first := ctx
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		first, cancel = context.WithTimeout(ctx, time.Until(deadline)/2)
		defer cancel()
	}
	select {
	case err := <-own:
		own <- err
	case <-first.Done():
	}
}

// shutdown stops the servers of Host.Serve and returns how many requests were cut off.
func (l *lifetime) shutdown(ctx context.Context) int {
	l.mu.Lock()
	servers := l.servers
	l.mu.Unlock()
	var cut atomic.Int64
	var wg sync.WaitGroup
	for _, s := range servers {
		wg.Go(func() {
			if s.http.Shutdown(ctx) == nil {
				return
			}
			cut.Add(s.active.Load())
			_ = s.http.Close() // what it returns is only about listeners that are closed already
		})
	}
	wg.Wait()
	return int(cut.Load())
}

// wait waits for the goroutines until ctx is done and returns how many are left.
func (l *lifetime) wait(ctx context.Context) int {
	l.mu.Lock()
	if l.running == 0 {
		l.mu.Unlock()
		return 0
	}
	idle := make(chan struct{})
	l.idle = idle
	l.mu.Unlock()
	select {
	case <-idle:
		return 0
	case <-ctx.Done():
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.running
	}
}

// waitFor returns what comes from done, or the error of ctx if nothing has come by its end.
func waitFor(ctx context.Context, done <-chan error) error {
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-done:
		return err
	default:
		return ctx.Err()
	}
}

func (l *lifetime) closeListeners() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, ln := range l.listeners {
		_ = ln.Close() // most are closed already by whoever served on them
	}
	l.listeners = nil
}

// contain runs f and turns a panic in it into an error.
func contain(log *slog.Logger, what string, f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			log.Error("panic in the extension", "in", what, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			err = fmt.Errorf("panic in %s: %v", what, r)
		}
	}()
	return f()
}
