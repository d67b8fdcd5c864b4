package sdktest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/plugin/protocol"
	"github.com/stagehouse/stagehouse/schema"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
	"github.com/stagehouse/stagehouse/schema/wire"
	"github.com/stagehouse/stagehouse/sdk"
)

// TestExtension holds d against everything that a host expects of an extension: its description, a strict configuration,
// the order of its life, its health, and a drain that can be repeated and keeps its deadline. Each test is run in memory,
// and against a real process, which is this test binary started again, up to this call and no further.
//
// config is a block that d accepts, with which it can be started several times at once (use port 0), and services is
// what it gets.
func TestExtension(t *testing.T, d sdk.Definition, config string, services schema.Services) {
	if os.Getenv(protocol.CookieKey) == protocol.CookieValue || os.Getenv(protocol.EnvCheck) == "1" {
		sdk.Main(d) // does not return: this is the process
	}
	suite := suite{def: d, config: config, services: services}
	t.Run("check", suite.check)
	t.Run("memory", func(t *testing.T) {
		suite.run(t, func(t *testing.T) *Running {
			r, err := open(t, d, services)
			if err != nil {
				t.Fatal(err)
			}
			return r
		})
	})
	name := t.Name()
	t.Run("process", func(t *testing.T) {
		suite.run(t, func(t *testing.T) *Running { return launch(t, name, d, services) })
	})
}

type suite struct {
	def      sdk.Definition
	config   string
	services schema.Services
}

// run runs every test against an extension of its own, which nobody has introduced yet.
func (s suite) run(t *testing.T, open func(*testing.T) *Running) {
	for name, test := range map[string]func(*testing.T, *Running){
		"calls out of order are refused":       s.order,
		"it lives once":                        s.life,
		"a bad block is refused with a place":  s.badConfig,
		"a drain can be repeated":              s.drain,
		"a drain before the start is possible": s.drainEarly,
		"a drain keeps its deadline":           s.drainDeadline,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func bound(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), DefaultStartTimeout)
	t.Cleanup(cancel)
	return ctx
}

// refused fails the test unless err says that a call came at the wrong time.
func refused(t *testing.T, call string, err error) {
	t.Helper()
	if code := schema.CodeOf(wire.FromStatus(err)); code != schema.CodeFailedPrecondition {
		t.Errorf("%s out of order = %v, want %s", call, err, schema.CodeFailedPrecondition)
	}
}

func (s suite) check(t *testing.T) {
	raw, err := sdk.ConfigSchema(s.def.New())
	if err != nil || !json.Valid(raw) {
		t.Errorf("JSON Schema of the configuration = %s, %v", raw, err)
	}
	if a, b := s.def.New(), s.def.New(); a == b {
		t.Error("New returns the same extension twice; make a new one each time")
	}
	for _, name := range s.def.Requires {
		if !slices.Contains(s.services.Names(), name) {
			t.Errorf("it requires the service %q, and the test offers %v", name, s.services.Names())
		}
	}
}

func (s suite) order(t *testing.T, r *Running) {
	ctx := bound(t)
	_, err := r.client.Configure(ctx, &pb.ConfigureRequest{})
	refused(t, "Configure", err)
	_, err = r.client.Start(ctx, &pb.StartRequest{})
	refused(t, "Start", err)
	_, err = r.client.Health(ctx, &pb.HealthRequest{})
	refused(t, "Health", err)
	if err := r.begin(ctx, s.def, s.config, s.services); err != nil {
		t.Errorf("after refused calls: %v", err)
	}
}

func (s suite) life(t *testing.T, r *Running) {
	ctx := bound(t)
	if err := r.begin(ctx, s.def, s.config, s.services); err != nil {
		t.Fatal(err)
	}
	_, err := r.client.Init(ctx, r.initRequest(s.def, s.services))
	refused(t, "a second Init", err)
	_, err = r.client.Start(ctx, &pb.StartRequest{})
	refused(t, "a second Start", err)
	for range 3 {
		if err := r.Health(ctx); err != nil {
			t.Errorf("health = %v", err)
		}
	}
}

func (s suite) badConfig(t *testing.T, r *Running) {
	ctx := bound(t)
	var block map[string]json.RawMessage
	if err := json.Unmarshal(cmpOr(s.config, "{}"), &block); err != nil {
		t.Fatalf("the test's block is no JSON object: %v", err)
	}
	block["noSuchKey/~"] = json.RawMessage("1")
	bad, err := json.Marshal(block)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.client.Init(ctx, r.initRequest(s.def, s.services)); err != nil {
		t.Fatal(err)
	}
	out, err := r.client.Configure(ctx, &pb.ConfigureRequest{Config: bad})
	if err != nil {
		t.Fatal(err)
	}
	named := slices.ContainsFunc(out.GetProblems(), func(p *pb.Problem) bool {
		return p.GetPointer() == "/noSuchKey~1~0" && p.GetSeverity() == string(schema.SeverityError) && p.GetMessage() != ""
	})
	if !named {
		t.Errorf("an unknown key gives the problems %v", out.GetProblems())
	}
	_, err = r.client.Start(ctx, &pb.StartRequest{})
	refused(t, "Start after a bad block", err)
}

func cmpOr(text, otherwise string) []byte {
	if b := bytes.TrimSpace([]byte(text)); len(b) > 0 {
		return b
	}
	return []byte(otherwise)
}

func (s suite) drain(t *testing.T, r *Running) {
	ctx := bound(t)
	if err := r.begin(ctx, s.def, s.config, s.services); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := r.Drain(ctx); err != nil {
			t.Errorf("drain = %v", err)
		}
	}
	refused(t, "Health after Drain", errors.Unwrap(r.Health(ctx)))
	for _, address := range r.Listeners() {
		if conn, err := net.DialTimeout("tcp", address, time.Second); err == nil {
			_ = conn.Close()
			t.Errorf("a drained extension still accepts on %s", address)
		}
	}
}

func (s suite) drainEarly(t *testing.T, r *Running) {
	if err := r.Drain(bound(t)); err != nil {
		t.Errorf("drain = %v", err)
	}
	_, err := r.client.Init(bound(t), r.initRequest(s.def, s.services))
	refused(t, "Init after Drain", err)
}

func (s suite) drainDeadline(t *testing.T, r *Running) {
	ctx := bound(t)
	if err := r.begin(ctx, s.def, s.config, s.services); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if _, err := r.client.Drain(ctx, &pb.DrainRequest{DeadlineMs: 1}); err != nil {
		t.Errorf("drain = %v", err)
	}
	if took := time.Since(begun); took > 2*time.Second {
		t.Errorf("a drain with a deadline of 1 ms took %v", took)
	}
}
