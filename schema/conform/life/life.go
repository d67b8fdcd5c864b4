// Package life has the checks of an extension's life and of its configuration, as a host calls them over the wire. The
// sdk holds extensions to them in a test, in memory and as a process, and plugin/trial any program in any language.
package life

import (
	"context"
	"encoding/json"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/conform"
)

// Extension is an extension as its host sees it, before anybody has introduced himself. Errors are those of schema.
type Extension interface {
	Init(ctx context.Context) (Introduction, error)
	Configure(ctx context.Context, block []byte) ([]schema.Problem, error)
	Start(ctx context.Context) (listeners []string, err error)
	Health(ctx context.Context) error
	Drain(ctx context.Context, deadline time.Duration) (unfinished int, err error)
}

// Introduction is what an extension says of itself to a host.
type Introduction struct {
	Name, Version string
	Requires      []string
}

// Subject is the extension that is checked. Open and Bare make a new instance each time, and end it with t.Cleanup.
type Subject struct {
	Open  func(t conform.T) Extension // offers it all services that it may need
	Bare  func(t conform.T) Extension // offers it none
	Block json.RawMessage             // a configuration that it accepts, and with which it can be started again and again; nil = {}
	// Schema returns the JSON Schema of its configuration.
	Schema func(t conform.T) json.RawMessage
	// Requires returns the services that it requires with Block.
	Requires func(t conform.T) []string
}

// Where the contract is written.
const (
	itsLife = "docs/protocol.md#6-the-life-stagehousev1extension"
	itsDocs = "docs/protocol.md#the-block"
)

// Bounds of what an extension may take.
const (
	callTimeout = 10 * time.Second // of one call
	drainExcess = 2 * time.Second  // beyond the deadline of a drain
)

// Groups returns the checks: extension/life and extension/config.
func (s Subject) Groups() []conform.Group {
	return []conform.Group{
		{Name: "extension/life", Checks: []conform.Check{
			{Name: "introduces-itself", Expect: "Init answers with a name, a version, and the known services that it requires", Contract: itsLife, Run: s.introduces},
			{Name: "calls-out-of-order", Expect: "a call that comes too early is failed_precondition, and hurts nothing", Contract: itsLife, Run: s.order},
			{Name: "lives-once", Expect: "a second Init or Start is failed_precondition, and hurts nothing", Contract: itsLife, Run: s.once},
			{Name: "health-at-once", Expect: "a hundred questions for its health at once are answered well", Contract: itsLife, Run: s.health},
			{Name: "without-services", Expect: "an extension that requires no service starts without any", Contract: itsLife, Run: s.bare},
			{Name: "drain-repeated", Expect: "a second drain is as good as the first one", Contract: itsLife, Run: s.drain},
			{Name: "drained-is-over", Expect: "a drained extension accepts no connection, and no call but Drain", Contract: itsLife, Run: s.drained},
			{Name: "drain-before-start", Expect: "an extension that was never started can be drained, and is over then", Contract: itsLife, Run: s.drainEarly},
			{Name: "drain-deadline", Expect: "a drain answers by its deadline, also while a client stays connected", Contract: itsLife, Run: s.drainDeadline},
		}},
		{Name: "extension/config", Checks: []conform.Check{
			{Name: "unknown-key", Expect: "an unknown key is a problem with its place, and keeps the extension from starting", Contract: itsDocs, Run: s.unknownKey},
			{Name: "unknown-key-unicode", Expect: "an unknown key of any script is a problem with its place", Contract: itsDocs, Run: s.unknownUnicode},
			{Name: "wrong-types", Expect: "every value of a wrong type is a problem with its place, all in one pass", Contract: itsDocs, Run: s.wrongTypes},
			{Name: "no-object", Expect: "a block that is no JSON object is refused, and hurts nothing", Contract: itsDocs, Run: s.noObject},
			{Name: "big-block", Expect: "a block of a megabyte is read like any other", Contract: itsDocs, Run: s.bigBlock},
		}},
	}
}

// bound returns a context for what a check does.
func bound(t conform.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), callTimeout)
	t.Cleanup(cancel)
	return ctx
}

func (s Subject) block() json.RawMessage {
	if len(s.Block) == 0 {
		return json.RawMessage("{}")
	}
	return s.Block
}

// begin takes x through its life until it is healthy.
func (s Subject) begin(t conform.T, x Extension) (listeners []string) {
	t.Helper()
	if _, err := x.Init(bound(t)); err != nil {
		t.Fatalf("Init: %v", err)
	}
	problems, err := x.Configure(bound(t), s.block())
	if err != nil {
		t.Fatalf("Configure: %v", err)
	}
	for _, p := range problems {
		if p.Severity != schema.SeverityWarning {
			t.Fatalf("its block is not accepted: %s: %s %s", p.Pointer, p.Message, p.Suggestion)
		}
	}
	listeners, err = x.Start(bound(t))
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	if err := x.Health(bound(t)); err != nil {
		t.Fatalf("Health: %v", err)
	}
	return listeners
}

// refused fails the check unless err says that a call came at the wrong time.
func refused(t conform.T, call string, err error) {
	t.Helper()
	if code := schema.CodeOf(err); code != schema.CodeFailedPrecondition {
		t.Errorf("%s = %v (%s), want %s", call, err, code, schema.CodeFailedPrecondition)
	}
}

func (s Subject) introduces(t conform.T) {
	in, err := s.Open(t).Init(bound(t))
	if err != nil {
		t.Fatalf("Init: %v", err)
	}
	if in.Name == "" || in.Version == "" {
		t.Errorf("its name is %q and its version %q", in.Name, in.Version)
	}
	for _, name := range in.Requires {
		if !slices.Contains(schema.ServiceNames(), name) {
			t.Errorf("it requires %q; the services are %v", name, schema.ServiceNames())
		}
	}
}

func (s Subject) order(t conform.T) {
	x := s.Open(t)
	_, err := x.Configure(bound(t), s.block())
	refused(t, "Configure before Init", err)
	_, err = x.Start(bound(t))
	refused(t, "Start before Init", err)
	refused(t, "Health before Init", x.Health(bound(t)))
	s.begin(t, x)
}

func (s Subject) once(t conform.T) {
	x := s.Open(t)
	s.begin(t, x)
	_, err := x.Init(bound(t))
	refused(t, "a second Init", err)
	_, err = x.Start(bound(t))
	refused(t, "a second Start", err)
	if err := x.Health(bound(t)); err != nil {
		t.Errorf("then Health = %v", err)
	}
}

func (s Subject) health(t conform.T) {
	const questions = 100
	x := s.Open(t)
	s.begin(t, x)
	ctx := bound(t)
	var asking sync.WaitGroup
	for range questions {
		asking.Go(func() {
			if err := x.Health(ctx); err != nil {
				t.Errorf("Health = %v", err)
			}
		})
	}
	asking.Wait()
}

func (s Subject) bare(t conform.T) {
	if names := s.Requires(t); len(names) > 0 {
		t.Skipf("it requires %v", names)
	}
	s.begin(t, s.Bare(t))
}

func (s Subject) drain(t conform.T) {
	x := s.Open(t)
	s.begin(t, x)
	for _, which := range []string{"the first drain", "the second drain"} {
		if n, err := x.Drain(bound(t), callTimeout/2); err != nil || n != 0 {
			t.Errorf("%s cut %d off: %v", which, n, err)
		}
	}
}

func (s Subject) drained(t conform.T) {
	x := s.Open(t)
	listeners := s.begin(t, x)
	if _, err := x.Drain(bound(t), callTimeout/2); err != nil {
		t.Fatalf("Drain: %v", err)
	}
	refused(t, "Health after Drain", x.Health(bound(t)))
	for _, address := range listeners {
		if answers(address) {
			t.Errorf("it still accepts on %s", address)
		}
	}
}

// answers reports whether somebody accepts at an address. Where the host holds the listener as well a connect waits in the
// kernel's queue; nobody takes it from there, so that it is what is done with it that counts.
func answers(address string) bool {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }() // nothing was written
	_, _ = conn.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
	_ = conn.SetReadDeadline(time.Now().Add(time.Second))
	n, _ := conn.Read(make([]byte, 1))
	return n > 0
}

func (s Subject) drainEarly(t conform.T) {
	x := s.Open(t)
	if _, err := x.Drain(bound(t), callTimeout/2); err != nil {
		t.Errorf("Drain = %v", err)
	}
	_, err := x.Init(bound(t))
	refused(t, "Init after Drain", err)
}

func (s Subject) drainDeadline(t conform.T) {
	x := s.Open(t)
	for _, address := range s.begin(t, x) { // which has a client that stays
		if conn, err := net.DialTimeout("tcp", address, callTimeout); err == nil {
			t.Cleanup(func() { _ = conn.Close() })
		}
	}
	begun := time.Now()
	if _, err := x.Drain(bound(t), time.Millisecond); err != nil {
		t.Errorf("Drain = %v", err)
	}
	if took := time.Since(begun); took > drainExcess {
		t.Errorf("a drain with a deadline of 1 ms took %v", took.Round(time.Millisecond))
	}
}
