package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/stagehouse/stagehouse/schema"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
	"github.com/stagehouse/stagehouse/schema/wire"
)

// actor is a runtime of which a test knows everything.
type actor struct {
	Name  string `json:"name"`
	Fails string `json:"fails"` // how Open fails
	Ails  string `json:"ails"`

	opened, closed int
}

// cast remembers the actors that were opened.
type cast struct{ actors []*actor }

func (c *cast) definition(offers ...string) RuntimeDefinition {
	return RuntimeDefinition{Name: "play", Version: "1", Offers: offers, New: func() Runtime {
		return &opening{actor: actor{Name: "default"}, cast: c}
	}}
}

// opening is an actor that tells the cast when it is opened.
type opening struct {
	actor
	cast *cast
}

func (o *opening) Open(_ context.Context, h *RuntimeHost) (schema.Services, error) {
	o.cast.actors = append(o.cast.actors, &o.actor)
	o.opened++
	switch {
	case o.Fails == "panic":
		panic("stage fright")
	case o.Fails != "":
		return schema.Services{}, errors.New(o.Fails)
	}
	return schema.Services{Agents: only{name: o.Name + " in " + h.Dir}, Events: endless{}}, nil
}

func (o *opening) Close(context.Context) error { o.closed++; return nil }

func (o *opening) Health(context.Context) error {
	if o.Ails != "" {
		return errors.New(o.Ails)
	}
	return nil
}

func (o *opening) Validate() []schema.Problem {
	if o.Name == "" {
		return []schema.Problem{wrong("/name", "it has none")}
	}
	return nil
}

// only has one agent.
type only struct {
	schema.Agents
	name string
}

func (a only) Get(ctx context.Context, id string) (schema.Agent, error) {
	return schema.Agent{ID: id, Name: a.name, Description: schema.CallerFrom(ctx).Extension}, nil
}

// endless is a log that ends for nothing but its context.
type endless struct{ schema.Events }

func (endless) Subscribe(ctx context.Context, _ schema.EventQuery) iter.Seq2[schema.Event, error] {
	return func(yield func(schema.Event, error) bool) {
		if yield(schema.Event{Cursor: schema.Cursor{Epoch: "e", Seq: 1}, Type: schema.EventThought}, nil) {
			<-ctx.Done()
			yield(schema.Event{}, ctx.Err())
		}
	}
}

// onStage connects to a runtime, and configures and starts it.
func onStage(t *testing.T, d RuntimeDefinition, block string) (*grpc.ClientConn, *Server) {
	t.Helper()
	s, err := NewServer(d.extension(), Environment{
		Services: func(uint32, []string) (schema.Services, error) { return schema.Services{}, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	ln := bufconn.Listen(1 << 16)
	server := grpc.NewServer()
	s.Register(server)
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	conn, err := grpc.NewClient("passthrough:///stage", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return ln.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		_ = conn.Close()
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	life := pb.NewExtensionClient(conn)
	in, err := life.Init(t.Context(), &pb.InitRequest{Extension: "runtime", Generation: 3})
	if err != nil || strings.Join(in.GetOffers(), " ") != strings.Join(d.Offers, " ") {
		t.Fatalf("init: %v, %v", in, err)
	}
	if out, err := life.Configure(t.Context(), &pb.ConfigureRequest{Config: []byte(block)}); err != nil || len(out.GetProblems()) > 0 {
		t.Fatalf("configure: %v, %v", out, err)
	}
	if _, err := pb.NewRuntimeClient(conn).Activate(t.Context(), &pb.ActivateRequest{}); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("activated before it has started: %v", err)
	}
	if _, err := life.Start(t.Context(), &pb.StartRequest{}); err != nil {
		t.Fatal(err)
	}
	return conn, s
}

func TestRuntimeActsBetweenActivateAndRelease(t *testing.T) {
	var c cast
	conn, s := onStage(t, c.definition(schema.ServiceAgents, schema.ServiceEvents), `{"name": "Iago"}`)
	rt, services := pb.NewRuntimeClient(conn), wire.Dial(conn, schema.ServiceNames())
	ctx := schema.WithCaller(t.Context(), schema.Caller{Principal: "p", Extension: "api"})
	for n := range 2 {
		if _, err := services.Agents.Get(ctx, "a"); schema.CodeOf(err) != schema.CodeUnavailable {
			t.Errorf("before it is active: %v", err)
		}
		if _, err := rt.Activate(ctx, &pb.ActivateRequest{Directory: "here"}); err != nil {
			t.Fatal(err)
		}
		if _, err := rt.Activate(ctx, &pb.ActivateRequest{}); status.Code(err) != codes.FailedPrecondition {
			t.Errorf("twice: %v", err)
		}
		a, err := services.Agents.Get(ctx, "a")
		if err != nil || a.Name != "Iago in here" || a.Description != "api" {
			t.Errorf("%+v, %v", a, err)
		}
		if _, err := services.Memory.Get(ctx, "a", "m"); schema.CodeOf(err) != schema.CodeUnimplemented {
			t.Errorf("what it does not offer: %v", err)
		}
		ended := make(chan error, 1)
		heard := make(chan struct{})
		go func() {
			for _, err := range services.Events.Subscribe(ctx, schema.EventQuery{}) {
				if err != nil {
					ended <- err
					return
				}
				close(heard)
			}
		}()
		<-heard
		if _, err := rt.Release(ctx, &pb.ReleaseRequest{DeadlineMs: time.Minute.Milliseconds()}); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; err == nil {
			t.Error("a subscription outlives its runtime")
		}
		if len(c.actors) != n+1 || c.actors[n].opened != 1 || c.actors[n].closed != 1 {
			t.Errorf("after turn %d: %+v", n, c.actors)
		}
	}
	if _, err := rt.Activate(ctx, &pb.ActivateRequest{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Drain(ctx); err != nil || c.actors[2].closed != 1 {
		t.Errorf("drained: %+v, %v", c.actors[2], err)
	}
	if _, err := rt.Activate(ctx, &pb.ActivateRequest{}); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("after the drain: %v", err)
	}
}

func TestRuntimeThatDoesNotOpen(t *testing.T) {
	for name, c := range map[string]struct {
		block  string
		offers []string
		want   string
		closed int
	}{
		"error":  {`{"fails": "no money"}`, []string{schema.ServiceAgents, schema.ServiceEvents}, "no money", 0},
		"panic":  {`{"fails": "panic"}`, []string{schema.ServiceAgents, schema.ServiceEvents}, "panic in Open: stage fright", 0},
		"offers": {`{}`, []string{schema.ServiceAgents}, "Offers are [agents]", 1},
	} {
		t.Run(name, func(t *testing.T) {
			var cast cast
			conn, _ := onStage(t, cast.definition(c.offers...), c.block)
			_, err := pb.NewRuntimeClient(conn).Activate(t.Context(), &pb.ActivateRequest{})
			if err == nil || !strings.Contains(err.Error(), c.want) || cast.actors[0].closed != c.closed {
				t.Errorf("%v, closed %d times", err, cast.actors[0].closed)
			}
			if _, err := wire.Dial(conn, c.offers).Agents.Get(t.Context(), "a"); schema.CodeOf(err) != schema.CodeUnavailable {
				t.Errorf("it is called all the same: %v", err)
			}
		})
	}
}

// generous has every service that a runtime can have.
type generous struct{ opening }

func (g *generous) Open(ctx context.Context, h *RuntimeHost) (schema.Services, error) {
	s, err := g.opening.Open(ctx, h)
	s.Chat, s.Memory, s.Usage = struct{ schema.Chat }{}, struct{ schema.Memory }{}, frugal{}
	return s, err
}

// frugal has used one step.
type frugal struct{}

func (frugal) Report(context.Context, schema.UsageQuery) (schema.UsageReport, error) {
	return schema.UsageReport{Total: schema.UsageSum{Steps: 1}}, nil
}

// TestRuntimeOffersUsage, if it says so. With one that says nothing of what it offers, what not every host knows is withheld, and not an
// error.
func TestRuntimeOffersUsage(t *testing.T) {
	var c cast
	for want, offers := range map[schema.ErrorCode][]string{"": runtimeServices(), schema.CodeUnimplemented: nil} {
		d := RuntimeDefinition{Name: "play", Offers: offers, New: func() Runtime { return &generous{opening{actor: actor{Name: "Timon"}, cast: &c}} }}.withDefaults()
		conn, _ := onStage(t, d, `{}`)
		if _, err := pb.NewRuntimeClient(conn).Activate(t.Context(), &pb.ActivateRequest{}); err != nil {
			t.Fatal(err)
		}
		ctx := schema.WithCaller(t.Context(), schema.Caller{Principal: "alice"})
		r, err := wire.Dial(conn, schema.ServiceNames()).Usage.Report(ctx, schema.UsageQuery{})
		if err == nil && (want != "" || r.Total.Steps != 1) || err != nil && schema.CodeOf(err) != want {
			t.Errorf("of a runtime that offers %v it is said %+v, %v", offers, r, err)
		}
	}
}

func TestHealthAndEventsOfARuntime(t *testing.T) {
	var c cast
	conn, _ := onStage(t, c.definition(schema.ServiceAgents, schema.ServiceEvents), `{"ails": "a cold"}`)
	life, rt := pb.NewExtensionClient(conn), pb.NewRuntimeClient(conn)
	if _, err := life.Health(t.Context(), &pb.HealthRequest{}); err != nil {
		t.Errorf("before it is active: %v", err)
	}
	if _, err := rt.Activate(t.Context(), &pb.ActivateRequest{}); err != nil {
		t.Fatal(err)
	}
	if _, err := life.Health(t.Context(), &pb.HealthRequest{}); err == nil || !strings.Contains(err.Error(), "a cold") {
		t.Errorf("its own health: %v", err)
	}
	if _, err := rt.Publish(t.Context(), &pb.PublishRequest{Event: &pb.Event{Type: "x"}}); status.Code(err) != codes.Unimplemented {
		t.Errorf("an event for a runtime that takes none: %v", err)
	}
}

func TestRuntimeDefinitionIsChecked(t *testing.T) {
	t.Parallel()
	fresh := func() Runtime { return &opening{} }
	for want, d := range map[string]RuntimeDefinition{
		"has no Name":                           {New: fresh, Offers: runtimeServices()},
		"has no New":                            {Name: "x", Offers: runtimeServices()},
		"offers nothing":                        {Name: "x", New: fresh},
		`"identity", which no runtime has`:      {Name: "x", New: fresh, Offers: []string{schema.ServiceIdentity}},
		`"dreams", which no runtime has; the n`: {Name: "x", New: fresh, Offers: []string{"dreams"}},
	} {
		if err := d.validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", d, err, want)
		}
	}
}

func TestBlockOfARuntime(t *testing.T) {
	t.Parallel()
	var c cast
	d := c.definition(schema.ServiceAgents).extension()
	description, err := d.description()
	if err != nil || len(description.Offers) != 1 {
		t.Fatalf("%+v, %v", description, err)
	}
	var s struct {
		Properties map[string]struct{ Default any }
	}
	if err := json.Unmarshal(description.ConfigSchema, &s); err != nil || s.Properties["name"].Default != "default" {
		t.Errorf("schema %s, %v", description.ConfigSchema, err)
	}
	for block, want := range map[string]string{`{"nam": "x"}`: "/nam", `{"name": ""}`: "/name", `{"name": 7}`: "/name"} {
		if _, problems := d.configure(nil, []byte(block)); len(problems) != 1 || problems[0].Pointer != want {
			t.Errorf("%s: %+v, want one at %s", block, problems, want)
		}
	}
}
