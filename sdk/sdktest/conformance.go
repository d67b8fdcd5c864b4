package sdktest

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/conform"
	"github.com/stagehouse/stagehouse/schema/conform/conformtest"
	"github.com/stagehouse/stagehouse/schema/conform/life"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
	"github.com/stagehouse/stagehouse/schema/wire"
	"github.com/stagehouse/stagehouse/sdk"
)

// TestExtension holds d against everything that a host expects of an extension: its description, a strict configuration,
// the order of its life, its health, and a drain that can be repeated and keeps its deadline. The checks are those of
// schema/conform/life. Each is run in memory, and against a real process, which is this test binary started again, up to
// this call and no further. "stagehouse conform extension" holds a program against more: how its process ends, and how a
// host replaces it.
//
// config is a block that d accepts, with which it can be started several times at once (use port 0), and services is
// what it gets.
func TestExtension(t *testing.T, d sdk.Definition, config string, services schema.Services) {
	becomeExtension(d)
	t.Run("check", func(t *testing.T) { check(t, d, services) })
	t.Run("memory", func(t *testing.T) {
		conformtest.Run(t, groups(d, config, services, func(t *testing.T, s schema.Services) *Running {
			r, err := open(t, d, s)
			if err != nil {
				t.Fatal(err)
			}
			return r
		}))
	})
	name := t.Name()
	t.Run("process", func(t *testing.T) {
		conformtest.Run(t, groups(d, config, services, func(t *testing.T, s schema.Services) *Running {
			return launch(t, name, d, s)
		}))
	})
}

// groups returns the checks of d, which open runs.
func groups(d sdk.Definition, config string, services schema.Services, open func(*testing.T, schema.Services) *Running) []conform.Group {
	instance := func(t conform.T, s schema.Services) life.Extension {
		return &instance{r: open(t.(*testing.T), s), d: d, services: s} // conformtest gives them a *testing.T
	}
	return life.Subject{
		Open:  func(t conform.T) life.Extension { return instance(t, services) },
		Bare:  func(t conform.T) life.Extension { return instance(t, schema.Services{}) },
		Block: json.RawMessage(config),
		Schema: func(t conform.T) json.RawMessage {
			raw, err := sdk.ConfigSchema(d.New())
			if err != nil {
				t.Fatalf("JSON Schema of the configuration: %v", err)
			}
			return raw
		},
		Requires: func(t conform.T) []string { return requires(t, d, config) },
	}.Groups()
}

// requires returns the services that d requires with a block.
func requires(t conform.T, d sdk.Definition, config string) []string {
	ext := d.New()
	r, ok := ext.(sdk.Requirer)
	if !ok {
		return d.Requires
	}
	if config != "" {
		if err := json.Unmarshal([]byte(config), ext); err != nil {
			t.Fatalf("read the block to check with: %v", err)
		}
	}
	return slices.Concat(d.Requires, r.Requires())
}

// check holds a definition against what can be seen without running it.
func check(t *testing.T, d sdk.Definition, services schema.Services) {
	raw, err := sdk.ConfigSchema(d.New())
	if err != nil || !json.Valid(raw) {
		t.Errorf("JSON Schema of the configuration = %s, %v", raw, err)
	}
	if a, b := d.New(), d.New(); a == b {
		t.Error("New returns the same extension twice; make a new one each time")
	}
	for _, name := range d.Requires {
		if !slices.Contains(services.Names(), name) {
			t.Errorf("it requires the service %q, and the test offers %v", name, services.Names())
		}
	}
}

// instance is an extension as the checks of its life see it.
type instance struct {
	r        *Running
	d        sdk.Definition
	services schema.Services
}

var _ life.Extension = (*instance)(nil)

func (x *instance) Init(ctx context.Context) (life.Introduction, error) {
	out, err := x.r.client.Init(ctx, x.r.initRequest(x.d, x.services))
	return life.Introduction{Name: out.GetName(), Version: out.GetVersion(), Requires: out.GetRequires()}, wire.FromStatus(err)
}

func (x *instance) Configure(ctx context.Context, block []byte) ([]schema.Problem, error) {
	out, err := x.r.client.Configure(ctx, &pb.ConfigureRequest{Config: block})
	return problemsOf(out.GetProblems()), wire.FromStatus(err)
}

func (x *instance) Start(ctx context.Context) ([]string, error) {
	out, err := x.r.client.Start(ctx, &pb.StartRequest{})
	return out.GetListeners(), wire.FromStatus(err)
}

func (x *instance) Health(ctx context.Context) error { return x.r.Health(ctx) }

func (x *instance) Drain(ctx context.Context, deadline time.Duration) (int, error) {
	out, err := x.r.client.Drain(ctx, &pb.DrainRequest{DeadlineMs: deadline.Milliseconds()})
	return int(out.GetUnfinished()), wire.FromStatus(err)
}
