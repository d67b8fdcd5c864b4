package main

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"testing"

	"github.com/stagehouse/stagehouse/host/guard"
	"github.com/stagehouse/stagehouse/host/hosttest"
	"github.com/stagehouse/stagehouse/host/memories"
	"github.com/stagehouse/stagehouse/schema"
)

// opened returns a runtime with the agents that the suite talks to.
func opened(t *testing.T) *Runtime {
	t.Helper()
	r, err := Open(t.Context(), slog.New(slog.DiscardHandler),
		schema.NewAgent{ID: "nyx", Name: "Nyx", Skills: []string{"programming", "security"}},
		schema.NewAgent{ID: "aria", Name: "Aria", Skills: []string{"writing", "empathy"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := r.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return r
}

func services(t *testing.T) schema.Services { return opened(t).Services() }

// TestRuntime holds the runtime to the contract. What is about memories is skipped, as is declared here.
func TestRuntime(t *testing.T) {
	hosttest.TestRuntime(t, hosttest.Offers(services, schema.ServiceAgents, schema.ServiceChat, schema.ServiceEvents))
}

// TestRuntimeWithMemory runs every check, as callers get the services. One line is what it takes to offer memories.
func TestRuntimeWithMemory(t *testing.T) {
	hosttest.TestServices(t, func(t *testing.T) schema.Services {
		r := opened(t)
		s := r.Services()
		s.Memory = memories.New(r.store, nil, r.log)
		return guard.New(s)
	})
}

// TestRuntimeGuarded is TestRuntime as callers get the services, which is what the checks of errors are about.
func TestRuntimeGuarded(t *testing.T) {
	hosttest.TestServices(t, func(t *testing.T) schema.Services { return guard.New(services(t)) })
}

// TestRuntimeIsShort keeps the promise of the chapter for owners of runtimes.
func TestRuntimeIsShort(t *testing.T) {
	source, err := os.ReadFile("runtime.go")
	if lines := bytes.Count(source, []byte("\n")); err != nil || lines > 150 {
		t.Errorf("runtime.go has %d lines, and 150 are promised (%v)", lines, err)
	}
}
