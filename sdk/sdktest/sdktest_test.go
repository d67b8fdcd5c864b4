package sdktest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk"
	"github.com/stagehouse/stagehouse/sdk/sdktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// greeter is a small extension with everything that the sdk knows.
type greeter struct {
	Port     int    `json:"port" doc:"Where to listen" minimum:"0" maximum:"65535"`
	Greeting string `json:"greeting" enum:"hello,good day"`

	release chan struct{}
}

func (g *greeter) Validate() []schema.Problem {
	if g.Port == 1 {
		return []schema.Problem{{Severity: schema.SeverityError, Pointer: "/port", Message: "is for root", Suggestion: "take another"}}
	}
	return nil
}

func (g *greeter) Start(ctx context.Context, h *sdk.Host) error {
	ln, err := h.Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", g.Port))
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, g.Greeting) })
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		select {
		case <-g.release:
			_, _ = io.WriteString(w, "done")
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("/fail", func(http.ResponseWriter, *http.Request) {
		h.Go(func(context.Context) error { panic("on purpose") })
	})
	h.Serve(ln, mux)
	h.Go(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	return nil
}

func definition(release chan struct{}) sdk.Definition {
	return sdk.Definition{
		Name: "greeter", Version: "1.2.3",
		New: func() sdk.Extension { return &greeter{Greeting: "hello", release: release} },
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestStartServesAndDrains(t *testing.T) {
	r := sdktest.Start(t, definition(nil), `{"greeting":"good day"}`, schema.Services{})
	if got := get(t, "http://"+r.Listeners()[0]); got != "good day" {
		t.Errorf("greeting = %q", got)
	}
	if err := r.Health(context.Background()); err != nil {
		t.Errorf("health = %v", err)
	}
	for range 2 {
		if err := r.Drain(context.Background()); err != nil {
			t.Errorf("drain = %v", err)
		}
	}
	if _, err := http.Get("http://" + r.Listeners()[0]); err == nil {
		t.Error("a drained extension still answers")
	}
}

func TestDrainWaitsForARequestInFlight(t *testing.T) {
	release := make(chan struct{})
	r := sdktest.Start(t, definition(release), ``, schema.Services{})
	resp, err := http.Get("http://" + r.Listeners()[0] + "/slow")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	drained := make(chan error, 1)
	go func() { drained <- r.Drain(context.Background()) }()
	select {
	case err := <-drained:
		t.Fatalf("drain returned %v before the request was done", err)
	case <-time.After(20 * time.Millisecond):
	}
	close(release)
	if b, err := io.ReadAll(resp.Body); err != nil || string(b) != "done" {
		t.Errorf("body = %q, %v", b, err)
	}
	if err := <-drained; err != nil {
		t.Errorf("drain = %v", err)
	}
}

func TestDrainCutsOffAtTheDeadline(t *testing.T) {
	r := sdktest.Start(t, definition(make(chan struct{})), ``, schema.Services{})
	resp, err := http.Get("http://" + r.Listeners()[0] + "/slow")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := r.Drain(ctx); err == nil {
		t.Error("a drain that cut a request off says nothing")
	}
	if _, err := io.ReadAll(resp.Body); err == nil {
		t.Error("the request was not cut off")
	}
}

func TestAPanicInAGoroutineFailsHealth(t *testing.T) {
	r := sdktest.Start(t, definition(nil), ``, schema.Services{})
	get(t, "http://"+r.Listeners()[0]+"/fail")
	deadline := time.Now().Add(5 * time.Second)
	for r.Health(context.Background()) == nil {
		if time.Now().After(deadline) {
			t.Fatal("health stays good")
		}
	}
	if errors.Is(r.Health(context.Background()), context.DeadlineExceeded) {
		t.Error("health did not answer")
	}
}

// deregistering is an extension that tells others in Drain that it goes, while it still answers.
type deregistering struct {
	answered chan string   // what it answered while it was in Drain
	worked   chan error    // the end of the context of Host.Go, as seen in Drain
	stopped  chan struct{} // closed at the end of the goroutine
	hold     bool          // Drain uses all the time that it has
	work     context.Context
	address  string
}

func (x *deregistering) Start(ctx context.Context, h *sdk.Host) error {
	ln, err := h.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	x.address = ln.Addr().String()
	h.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "still here") }))
	begun := make(chan struct{})
	h.Go(func(ctx context.Context) error {
		x.work = ctx
		close(begun)
		<-ctx.Done()
		close(x.stopped)
		return nil
	})
	<-begun
	return nil
}

func (x *deregistering) Drain(ctx context.Context) error {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + x.address)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	x.answered <- string(b)
	x.worked <- x.work.Err()
	if x.hold {
		<-ctx.Done()
		return ctx.Err()
	}
	return err
}

// The extension's own Drain is first; its servers and goroutines do not wait for one that takes all the time.
func TestDrainIsCalledBeforeServersStop(t *testing.T) {
	for _, hold := range []bool{false, true} {
		t.Run(fmt.Sprintf("hold=%v", hold), func(t *testing.T) {
			x := &deregistering{answered: make(chan string, 1), worked: make(chan error, 1), stopped: make(chan struct{}), hold: hold}
			d := sdk.Definition{Name: "deregistering", Version: "1", New: func() sdk.Extension { return x }}
			r := sdktest.Start(t, d, ``, schema.Services{})
			bound := time.Minute
			if hold {
				bound = 2 * time.Second
			}
			ctx, cancel := context.WithTimeout(context.Background(), bound)
			defer cancel()
			drained := make(chan error, 1)
			go func() { drained <- r.Drain(ctx) }()
			if got := <-x.answered; got != "still here" {
				t.Errorf("while it drained it answered %q", got)
			}
			if err := <-x.worked; err != nil {
				t.Errorf("while it drained its goroutine was ended: %v", err)
			}
			<-x.stopped
			if hold {
				select {
				case <-drained:
					t.Error("what was left got no time")
				default:
				}
			}
			if err := <-drained; (err != nil) != hold {
				t.Errorf("drain = %v", err)
			}
		})
	}
}
