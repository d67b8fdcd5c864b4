package wire_test

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/wire"
)

func TestCallerTravels(t *testing.T) {
	seen := make(chan schema.Caller, 32)
	s := dial(t, all(func(ctx context.Context) error {
		seen <- schema.CallerFrom(ctx)
		return nil
	}).services())
	want := schema.Caller{Principal: "alice", Scopes: []schema.Scope{schema.ScopeRead, "custom"}, Extension: "ext"}
	for name, err := range everyCall(as(t, "alice", want.Scopes...), s, "x") {
		if err != nil && name != "events.Subscribe" {
			t.Errorf("%s: %v", name, err)
		}
		if got := <-seen; !reflect.DeepEqual(got, want) {
			t.Errorf("a service saw %+v, want %+v", got, want)
		}
	}
	if _, err := s.Events.Head(t.Context()); err != nil {
		t.Error(err)
	}
	if got := <-seen; !reflect.DeepEqual(got, schema.Caller{Extension: "ext"}) {
		t.Errorf("nobody arrived as %+v", got)
	}
	got, err := s.Identity.Authenticate(as(t, "ignored"), "token")
	if err != nil || !reflect.DeepEqual(got, schema.Caller{Principal: "token", Scopes: schema.Scopes()}) {
		t.Errorf("authenticated as %+v, %v", got, err)
	}
	if got := <-seen; got.Principal != "" {
		t.Errorf("authentication was asked for by %+v", got)
	}
}

func TestErrorsOfEveryCall(t *testing.T) {
	busy := &schema.Error{Code: schema.CodeBusy, Message: "full", RetryAfter: time.Second}
	s := dial(t, all(func(context.Context) error { return busy }).services())
	for name, err := range everyCall(as(t, "p"), s, "x") {
		if e := schema.AsError(err); e == nil || e.Code != schema.CodeBusy || e.Message != "full" || e.RetryAfter != time.Second {
			t.Errorf("%s: %#v", name, err)
		}
	}
	_, err := s.Identity.Authenticate(t.Context(), "x")
	wantCode(t, err, schema.CodeBusy)
}

func TestInvalidTextIsTheCallersMistake(t *testing.T) {
	s := dial(t, all(func(context.Context) error { return errors.New("was called") }).services())
	for name, err := range everyCall(as(t, "p"), s, "a\xffb") {
		e := schema.AsError(err)
		if e == nil || e.Code != schema.CodeInvalidArgument || len(e.Fields) != 1 || e.Fields[0].Location == "" {
			t.Errorf("%s: %#v", name, err)
		}
	}
	for location, p := range map[string]schema.AgentPatch{
		"name":           {Name: schema.Set("\xff")},
		"skills[1]":      {Skills: schema.Set([]string{"a", "\xff"})},
		"brain.provider": {Brain: schema.Set(schema.Brain{Provider: "\xff"})},
	} {
		_, err := s.Agents.Update(as(t, "p"), "nyx", p)
		if e := schema.AsError(err); e.Code != schema.CodeInvalidArgument || e.Fields[0].Location != location {
			t.Errorf("%s: %#v", location, err)
		}
	}
	_, err := s.Memory.Store(as(t, "p"), schema.NewMemory{Metadata: schema.Object{"k": "\xff"}})
	wantCode(t, err, schema.CodeInvalidArgument)
	_, err = s.Agents.Get(as(t, "\xff"), "x")
	wantCode(t, err, schema.CodeInvalidArgument)
	_, err = s.Identity.Authenticate(t.Context(), "\xff")
	wantCode(t, err, schema.CodeUnauthenticated)
}

func TestInvalidAnswerIsInternal(t *testing.T) {
	f := all(func(context.Context) error { return nil })
	f.get = func(context.Context, string) (schema.Agent, error) { return schema.Agent{Name: "\xff"}, nil }
	f.update = func(context.Context, string, schema.AgentPatch) (schema.Agent, error) {
		return schema.Agent{Metadata: schema.Object{"k": func() {}}}, nil
	}
	f.send = func(context.Context, schema.SendRequest) iter.Seq2[schema.ChatEvent, error] {
		return func(yield func(schema.ChatEvent, error) bool) { yield(schema.ChatEvent{}, nil) }
	}
	f.subscribe = func(context.Context, schema.EventQuery) iter.Seq2[schema.Event, error] {
		return func(yield func(schema.Event, error) bool) { yield(schema.Event{Payload: []byte("[]")}, nil) }
	}
	s := dial(t, f.services())
	errs := everyCall(as(t, "p"), s, "x")
	for _, name := range []string{"agents.Get", "agents.Update", "chat.Send", "events.Subscribe"} {
		wantCode(t, errs[name], schema.CodeInternal)
	}
}

func TestPanicsAreContained(t *testing.T) {
	var log bytes.Buffer
	s := dial(t, all(func(context.Context) error { panic("what somebody said") }).services(),
		wire.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	errs := everyCall(as(t, "p"), s, "x")
	_, errs["identity"] = s.Identity.Authenticate(t.Context(), "x")
	for name, err := range errs {
		if schema.CodeOf(err) != schema.CodeInternal || strings.Contains(err.Error(), "somebody") {
			t.Errorf("%s: %v", name, err)
		}
	}
	text := log.String()
	if strings.Count(text, "service panicked") != len(errs) || !strings.Contains(text, "/stagehouse.v1.Chat/Send") ||
		!strings.Contains(text, "extension=ext") || strings.Contains(text, "somebody said") {
		t.Errorf("logged: %s", text)
	}
}

func TestPanicInTheMiddleOfAStream(t *testing.T) {
	f := all(nil)
	f.subscribe = func(context.Context, schema.EventQuery) iter.Seq2[schema.Event, error] {
		return func(yield func(schema.Event, error) bool) {
			yield(event(1), nil)
			var m map[string]int
			m["nil"] = 1
		}
	}
	var got []uint64
	var last error
	for e, err := range dial(t, f.services()).Events.Subscribe(as(t, "p"), schema.EventQuery{}) {
		if last = err; err == nil {
			got = append(got, e.Cursor.Seq)
		}
	}
	if wantCode(t, last, schema.CodeInternal); !slices.Equal(got, []uint64{1}) {
		t.Errorf("before the panic %v arrived", got)
	}
}

// TestUnofferedServices covers both ends: a name that is not asked for is nil, one that is not there says so.
func TestUnofferedServices(t *testing.T) {
	f := all(func(context.Context) error { return nil })
	cc := connect(t, schema.Services{Agents: fakeAgents{f}})
	s := wire.Dial(cc, []string{schema.ServiceAgents, schema.ServiceMemory, schema.ServiceEvents, "of the future"})
	if got := s.Names(); !slices.Equal(got, []string{schema.ServiceAgents, schema.ServiceMemory, schema.ServiceEvents}) {
		t.Errorf("dialled %v", got)
	}
	if _, err := s.Agents.Get(as(t, "p"), "x"); err != nil {
		t.Error(err)
	}
	_, err := s.Memory.Get(as(t, "p"), "nyx", "x")
	wantCode(t, err, schema.CodeUnimplemented)
	wantCode(t, firstError(s.Events.Subscribe(as(t, "p"), schema.EventQuery{})), schema.CodeUnimplemented)
	if got := wire.Dial(cc, nil).Names(); len(got) != 0 {
		t.Errorf("without names %v are there", got)
	}
}

func TestCancellationAndDeadlines(t *testing.T) {
	block := func(ctx context.Context) error { <-ctx.Done(); return errors.New("interrupted: disk I/O") }
	s := dial(t, all(block).services())
	for want, make := range map[schema.ErrorCode]func() (context.Context, context.CancelFunc){
		schema.CodeCancelled: func() (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(as(t, "p"))
			time.AfterFunc(5*time.Millisecond, cancel)
			return ctx, cancel
		},
		schema.CodeDeadlineExceeded: func() (context.Context, context.CancelFunc) {
			return context.WithTimeout(as(t, "p"), 5*time.Millisecond)
		},
	} {
		ctx, cancel := make()
		_, err := s.Agents.Get(ctx, "x")
		wantCode(t, err, want)
		cancel()
		ctx, cancel = make()
		wantCode(t, firstError(s.Chat.Send(ctx, schema.SendRequest{})), want)
		<-ctx.Done() // the server's clock may have been the faster one
		cancel()
		for name, err := range everyCall(ctx, s, "x") {
			if schema.CodeOf(err) != want {
				t.Errorf("%s: %v, want %s", name, err, want)
			}
		}
	}
}

// TestServiceSeesTheDeadline: the server's own clock ends the call, whatever the client does.
func TestServiceSeesTheDeadline(t *testing.T) {
	f := all(nil)
	f.get = func(ctx context.Context, _ string) (schema.Agent, error) {
		_, ok := ctx.Deadline()
		return schema.Agent{Persona: map[bool]string{true: "bounded"}[ok]}, nil
	}
	s := dial(t, f.services())
	ctx, cancel := context.WithTimeout(as(t, "p"), time.Minute)
	defer cancel()
	if a, err := s.Agents.Get(ctx, "x"); err != nil || a.Persona != "bounded" {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestClosedConnectionIsUnavailable(t *testing.T) {
	cc := connect(t, all(func(context.Context) error { return nil }).services())
	broken := wire.Dial(brokenConn{cc}, schema.ServiceNames())
	for name, err := range everyCall(as(t, "p"), broken, "x") {
		if schema.CodeOf(err) != schema.CodeUnavailable {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// brokenConn is a connection that has been closed.
type brokenConn struct{ grpc.ClientConnInterface }

func (brokenConn) Invoke(context.Context, string, any, any, ...grpc.CallOption) error {
	return grpc.ErrClientConnClosing //nolint:staticcheck // it is what a closed connection still returns
}

func (brokenConn) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, grpc.ErrClientConnClosing //nolint:staticcheck // see above
}

func TestLargeMessages(t *testing.T) {
	f := all(nil)
	f.get = func(_ context.Context, id string) (schema.Agent, error) {
		n := map[string]int{"5MiB": 5 << 20, "17MiB": 17 << 20}[id]
		return schema.Agent{Persona: strings.Repeat("x", n)}, nil
	}
	f.update = func(_ context.Context, _ string, p schema.AgentPatch) (schema.Agent, error) {
		return schema.Agent{Revision: int64(len(p.Persona.Value))}, nil
	}
	s := dial(t, f.services())
	if a, err := s.Agents.Get(as(t, "p"), "5MiB"); err != nil || len(a.Persona) != 5<<20 {
		t.Errorf("%d bytes arrived, %v", len(a.Persona), err)
	}
	_, err := s.Agents.Get(as(t, "p"), "17MiB")
	wantCode(t, err, schema.CodeInternal) // it is the answer that is too large, which is not the caller's mistake
	patch := schema.AgentPatch{Persona: schema.Set(strings.Repeat("x", 5<<20))}
	if a, err := s.Agents.Update(as(t, "p"), "nyx", patch); err != nil || a.Revision != 5<<20 {
		t.Errorf("%d bytes arrived, %v", a.Revision, err)
	}
	patch.Persona = schema.Set(strings.Repeat("x", 17<<20))
	_, err = s.Agents.Update(as(t, "p"), "nyx", patch)
	wantCode(t, err, schema.CodeTooLarge)
	if strings.Contains(err.Error(), "grpc") || strings.Contains(err.Error(), "vs.") {
		t.Errorf("gRPC speaks: %v", err)
	}
}
