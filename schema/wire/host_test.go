package wire_test

import (
	"context"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/wire"
)

// offered are commands of which a test says what becomes of them.
type offered struct {
	list []schema.Command
	run  func(context.Context, schema.CommandCall) (schema.Object, error)
}

func (o offered) List(context.Context) ([]schema.Command, error) { return o.list, nil }

func (o offered) Run(ctx context.Context, c schema.CommandCall) (schema.Object, error) {
	return o.run(ctx, c)
}

// dialHost offers svc to a runtime and returns the runtime's view of it.
func dialHost(t testing.TB, svc schema.HostServices, opts ...wire.Option) schema.HostServices {
	t.Helper()
	return wire.DialHost(serving(t, func(r grpc.ServiceRegistrar) { wire.RegisterHost(r, svc, opts...) }), svc.Names())
}

func TestARuntimeHasTheCommandsOfItsHost(t *testing.T) {
	roll := schema.Command{
		Name: "roll", Description: "Rolls.", InputSchema: []byte(`{"type":"object"}`), OutputSchema: []byte(`{}`), Scope: schema.ScopeChat, TimeoutMs: 7,
	}
	want := schema.CommandCall{ID: "1", Name: "roll", Input: schema.Object{"n": "ü"}, AgentID: "nyx", ConversationID: "conv_1", RunID: "run_1"}
	var caller schema.Caller
	h := dialHost(t, schema.HostServices{Commands: offered{
		list: []schema.Command{roll},
		run: func(ctx context.Context, c schema.CommandCall) (schema.Object, error) {
			caller = schema.CallerFrom(ctx)
			if !reflect.DeepEqual(c, want) {
				t.Errorf("the host is asked for %+v, want %+v", c, want)
			}
			return schema.Object{"text": "6"}, nil
		},
	}})
	if list, err := h.Commands.List(t.Context()); err != nil || !reflect.DeepEqual(list, []schema.Command{roll}) {
		t.Errorf("listed %+v, %v", list, err)
	}
	got, err := h.Commands.Run(as(t, "ann", schema.ScopeChat), want)
	if err != nil || !reflect.DeepEqual(got, schema.Object{"text": "6"}) {
		t.Errorf("it returned %v, %v", got, err)
	}
	if w := schema.CallerFrom(as(t, "ann", schema.ScopeChat)); !reflect.DeepEqual(caller, w) {
		t.Errorf("the caller is %+v, want %+v", caller, w)
	}
}

func TestErrorsOfTheCommandsOfAHost(t *testing.T) {
	var log strings.Builder
	h := dialHost(t, schema.HostServices{Commands: offered{run: func(ctx context.Context, c schema.CommandCall) (schema.Object, error) {
		switch c.Name {
		case "busy":
			return nil, &schema.Error{Code: schema.CodeBusy, Message: "full", RetryAfter: time.Second}
		case "broken":
			return schema.Object{"n": func() {}}, nil
		case "late":
			<-ctx.Done()
			return nil, ctx.Err()
		}
		panic("what somebody said")
	}}}, wire.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	_, err := h.Commands.Run(t.Context(), schema.CommandCall{Name: "busy"})
	if e := schema.AsError(err); e == nil || e.Code != schema.CodeBusy || e.Message != "full" || e.RetryAfter != time.Second {
		t.Errorf("busy: %#v", err)
	}
	_, err = h.Commands.Run(t.Context(), schema.CommandCall{Name: "broken"})
	wantCode(t, err, schema.CodeInternal)
	_, err = h.Commands.Run(t.Context(), schema.CommandCall{Name: "a\xffb"})
	wantCode(t, err, schema.CodeInvalidArgument)
	_, err = h.Commands.Run(t.Context(), schema.CommandCall{Name: "panics"})
	wantCode(t, err, schema.CodeInternal)
	if !strings.Contains(log.String(), "Commands/Run") || strings.Contains(log.String(), "somebody") {
		t.Errorf("the log says %s", log.String())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = h.Commands.Run(ctx, schema.CommandCall{Name: "late"})
	wantCode(t, err, schema.CodeCancelled)
}

func TestWhatAHostDoesNotOffer(t *testing.T) {
	cc := serving(t, func(r grpc.ServiceRegistrar) { wire.RegisterHost(r, schema.HostServices{}) })
	if h := wire.DialHost(cc, []string{"of a newer host"}); h.Commands != nil {
		t.Error("there are commands")
	}
	_, err := wire.DialHost(cc, []string{schema.ServiceCommands}).Commands.List(t.Context())
	wantCode(t, err, schema.CodeUnimplemented)
}
