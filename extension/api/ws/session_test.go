package ws

import (
	"context"
	"iter"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	contrib "github.com/gofiber/contrib/websocket"
	"github.com/gofiber/fiber/v2"
	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/schema"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	)
}

const patience = 10 * time.Second

// stillLog is an event log in which nothing happens.
type stillLog struct{}

func (stillLog) Head(context.Context) (schema.Cursor, error) { return schema.Cursor{Epoch: "e"}, nil }
func (stillLog) Subscribe(ctx context.Context, _ schema.EventQuery) iter.Seq2[schema.Event, error] {
	return func(yield func(schema.Event, error) bool) { <-ctx.Done(); yield(schema.Event{}, ctx.Err()) }
}

func newTestServer(authenticate func(context.Context, string) (schema.Caller, error)) *Server {
	return New(context.Background(), Options{
		Events: stillLog{}, Logger: slog.New(slog.DiscardHandler), Authenticate: authenticate,
		Admit:  func(schema.Caller, string) (bool, time.Duration) { return true, 0 },
		Limits: Limits{FrameBytes: 4096, QueueFrames: 256, Sockets: 1 << 16, AuthTimeout: time.Minute, Heartbeat: time.Minute},
	})
}

// gate is a connection whose writes wait until it is opened.
type gate struct {
	net.Conn
	entered chan struct{}
	open    chan struct{}
	once    sync.Once
}

func (g *gate) Write(b []byte) (int, error) {
	g.once.Do(func() { close(g.entered) })
	<-g.open
	return g.Conn.Write(b)
}

// TestSessionJoinsItsGoroutines is what the safety of the library's pool rests on: run does not return, and the
// connection does not go back to the pool, while the writer still writes or the worker still works.
func TestSessionJoinsItsGoroutines(t *testing.T) {
	t.Run("the worker", func(t *testing.T) {
		joins(t, func(writer, worker chan struct{}) []chan struct{} { return []chan struct{}{writer, worker} })
	})
	t.Run("the writer", func(t *testing.T) {
		joins(t, func(writer, worker chan struct{}) []chan struct{} { return []chan struct{}{worker, writer} })
	})
}

// joins holds the writer and the worker of a session whose client has gone, and lets go of them one after the other.
func joins(t *testing.T, inOrder func(writer, worker chan struct{}) []chan struct{}) {
	working, work := make(chan struct{}), make(chan struct{})
	srv := newTestServer(func(context.Context, string) (schema.Caller, error) { // a call that does not heed its context
		close(working)
		<-work
		return schema.Caller{}, schema.Errorf(schema.CodeUnauthenticated, "no")
	})
	g := &gate{entered: make(chan struct{}), open: make(chan struct{})}
	returned := make(chan struct{})
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	app.Get("/", contrib.New(func(c *contrib.Conn) {
		s := newSession(srv, c.Conn, Grant{})
		g.Conn = s.net
		s.net = g
		s.welcome()
		s.run()
		close(returned)
	}))
	address := listen(t, app)

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, _, err := websocket.Dial(ctx, "ws://"+address+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	<-g.entered // the writer is in the middle of the welcome
	if err := c.Write(ctx, websocket.MessageText, []byte(`{"type":"auth","token":"x"}`)); err != nil {
		t.Fatal(err)
	}
	<-working // and the worker in the middle of a command
	_ = c.CloseNow()
	for _, release := range inOrder(g.open, work) {
		select {
		case <-returned:
			t.Fatal("the session returned while one of its goroutines was running")
		case <-time.After(50 * time.Millisecond):
		}
		close(release)
	}
	select {
	case <-returned:
	case <-time.After(patience):
		t.Fatal("the session does not return")
	}
}

func listen(t testing.TB, app *fiber.App) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() { _ = app.Listener(ln) })
	t.Cleanup(func() { _ = app.Shutdown(); _ = ln.Close(); serving.Wait() })
	return ln.Addr().String()
}

// discard is a connection that takes everything.
type discard struct{ net.Conn }

func (discard) SetWriteDeadline(time.Time) error { return nil }

// BenchmarkFanOut renders one event, gives it to 1,000 sessions and merges what each of them writes; the network is not part
// of it.
func BenchmarkFanOut(b *testing.B) {
	srv := newTestServer(nil)
	caller := schema.Caller{Principal: "p", Scopes: []schema.Scope{schema.ScopeRead}}
	const sessions = 1000
	for range sessions {
		s := &session{srv: srv, net: discard{}, out: newOutbox(1 << 20), authed: true, caller: caller, log: srv.opts.Logger}
		s.subs.addAll(srv.catalogue.all)
		if err := srv.hub.add(s, nil); err != nil {
			b.Fatal(err)
		}
	}
	e := schema.Event{
		Cursor: schema.Cursor{Epoch: "e", Seq: 1}, Type: schema.EventThought, AgentID: "nyx",
		Payload: schema.NewPayload(schema.Thought{Thought: "something to think about, of about two hundred bytes all in all, as thoughts are"}),
	}
	var frames []item
	var buf []byte
	srv.hub.cursor.Store(&schema.Cursor{Epoch: "e"})
	for ; b.Loop(); e.Cursor.Seq++ {
		srv.hub.publish(e)
		for _, s := range srv.hub.sessions {
			frames, _ = s.out.take(frames[:0], mergeBytes)
			buf = buf[:0]
			for _, f := range frames {
				buf = f.appendTo(buf)
			}
		}
	}
	if len(buf) == 0 {
		b.Fatal("nothing was sent")
	}
	b.ReportMetric(float64(b.N)*sessions/b.Elapsed().Seconds(), "frames/s")
}
