//go:build linux

package e2e

import (
	"context"
	"log/slog"
	"net"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/stagehouse/stagehouse/host/local"
	"github.com/stagehouse/stagehouse/plugin/process"
	"github.com/stagehouse/stagehouse/plugin/tether"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
	"github.com/stagehouse/stagehouse/schema/wire"
)

// launched is a process of a foreign extension that nobody has introduced yet.
type launched struct {
	*testing.T
	pb.ExtensionClient
	process *process.Process
	init    *pb.InitRequest
}

// launch starts a process of the extension as a host does, and offers it the services of a runtime.
func (f foreign) launch(t *testing.T) *launched {
	t.Helper()
	runtime, err := local.Open(t.Context(), local.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	starter, listeners := process.NewLauncher(), tether.NewListeners(f.name, nil)
	t.Cleanup(func() {
		starter.Close()
		if err := listeners.Close(); err != nil {
			t.Error(err)
		}
		if err := runtime.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	p, err := process.Start(ctx, starter, process.Config{
		Name: f.name, Path: f.program, RunDir: t.TempDir(), Listeners: listeners, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Kill(patience); err != nil {
			t.Error(err)
		}
	})
	services := runtime.Services()
	id, err := p.Offer(func(r grpc.ServiceRegistrar) { wire.Register(r, services, f.name) })
	if err != nil {
		t.Fatal(err)
	}
	return &launched{T: t, ExtensionClient: pb.NewExtensionClient(p.Conn()), process: p, init: &pb.InitRequest{
		Extension: f.name, Generation: 1, BrokerId: id, Services: services.Names(), LogLevel: "debug",
	}}
}

// want fails the test unless a call ended with a code.
func (l *launched) want(call string, code codes.Code, err error) {
	l.Helper()
	if status.Code(err) != code {
		l.Errorf("%s = %v, want %s", call, err, code)
	}
}

// serve takes the extension through its start, and returns where it listens.
func (l *launched) serve() string {
	l.Helper()
	_, err := l.Init(l.Context(), l.init)
	l.want("Init", codes.OK, err)
	out, err := l.Configure(l.Context(), &pb.ConfigureRequest{Config: []byte(`{"address": "127.0.0.1:0"}`)})
	l.want("Configure", codes.OK, err)
	if len(out.GetProblems()) > 0 {
		l.Errorf("problems of a good block: %v", out.GetProblems())
	}
	started, err := l.Start(l.Context(), &pb.StartRequest{})
	l.want("Start", codes.OK, err)
	_, err = l.Health(l.Context(), &pb.HealthRequest{})
	l.want("Health", codes.OK, err)
	if err := l.process.Begin(nil); err != nil {
		l.Error(err)
	}
	if len(started.GetListeners()) != 1 {
		l.Fatalf("it listens at %v", started.GetListeners())
	}
	return started.GetListeners()[0]
}

// TestForeignLives: each call has its time, and comes once.
func TestForeignLives(t *testing.T) {
	foreigners(t, func(t *testing.T, f foreign) {
		l := f.launch(t)
		_, err := l.Configure(t.Context(), &pb.ConfigureRequest{})
		l.want("Configure before Init", codes.FailedPrecondition, err)
		_, err = l.Start(t.Context(), &pb.StartRequest{})
		l.want("Start before Configure", codes.FailedPrecondition, err)
		_, err = l.Health(t.Context(), &pb.HealthRequest{})
		l.want("Health before Start", codes.FailedPrecondition, err)
		address := l.serve()
		if err := visit(address); err != nil {
			t.Error(err)
		}
		_, err = l.Init(t.Context(), l.init)
		l.want("a second Init", codes.FailedPrecondition, err)
		_, err = l.Start(t.Context(), &pb.StartRequest{})
		l.want("a second Start", codes.FailedPrecondition, err)
		for range 2 {
			_, err = l.Drain(t.Context(), &pb.DrainRequest{DeadlineMs: 5000, Final: true})
			l.want("Drain", codes.OK, err)
		}
		_, err = l.Health(t.Context(), &pb.HealthRequest{})
		l.want("Health after Drain", codes.FailedPrecondition, err)
		_, err = l.Init(t.Context(), l.init)
		l.want("Init after Drain", codes.FailedPrecondition, err)
	})
}

// TestForeignRefusesABadBlock where the host asks the process itself, too.
func TestForeignRefusesABadBlock(t *testing.T) {
	foreigners(t, func(t *testing.T, f foreign) {
		l := f.launch(t)
		_, err := l.Init(t.Context(), l.init)
		l.want("Init", codes.OK, err)
		out, err := l.Configure(t.Context(), &pb.ConfigureRequest{Config: []byte(`{"address": "127.0.0.1:0", "noSuchKey/~": 1}`)})
		l.want("Configure", codes.OK, err)
		if !slices.ContainsFunc(out.GetProblems(), func(p *pb.Problem) bool {
			return p.GetPointer() == "/noSuchKey~1~0" && p.GetSeverity() == "error" && p.GetMessage() != ""
		}) {
			t.Errorf("an unknown key gives the problems %v", out.GetProblems())
		}
		_, err = l.Start(t.Context(), &pb.StartRequest{})
		l.want("Start after a bad block", codes.FailedPrecondition, err)
	})
}

// TestForeignKeepsTheDeadlineOfADrain, with a connection that stays open.
func TestForeignKeepsTheDeadlineOfADrain(t *testing.T) {
	foreigners(t, func(t *testing.T, f foreign) {
		l := f.launch(t)
		conn, err := net.Dial("tcp", l.serve())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		begun := time.Now()
		_, err = l.Drain(t.Context(), &pb.DrainRequest{DeadlineMs: 1})
		l.want("Drain", codes.OK, err)
		if took := time.Since(begun); took > 2*time.Second {
			t.Errorf("a drain with a deadline of 1 ms took %v", took)
		}
	})
}

// TestForeignDrainsAtOnce: before it was introduced there is nothing to drain.
func TestForeignDrainsAtOnce(t *testing.T) {
	foreigners(t, func(t *testing.T, f foreign) {
		l := f.launch(t)
		_, err := l.Drain(t.Context(), &pb.DrainRequest{DeadlineMs: 5000})
		l.want("Drain", codes.OK, err)
	})
}
