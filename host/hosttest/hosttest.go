// Package hosttest says whether a runtime keeps the contract of package schema.
//
// The suite knows the interfaces of schema and nothing else, so that the same checks run against a runtime directly,
// behind the guard, over an in-memory connection, through a plugin process, and against a runtime in another language.
// It expects what host/local has by default: agents "nyx" (programming, security) and "aria" (writing, empathy), both
// running, with a brain that answers every message, thinks and feels while it does, and needs no network.
package hosttest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/stagehouse/stagehouse/schema"
)

// Names of the agents that the suite talks to.
const (
	nyx  = "nyx"
	aria = "aria"
)

// patience bounds everything that one subtest waits for.
const patience = 60 * time.Second

// group is one part of the suite, which has a runtime of its own.
type group struct {
	name  string
	needs []string // services
	run   func(*suite)
}

// TestServices runs the whole suite: the groups agents, chat, runs, once, memory, events and errors. It calls open once for each of
// them; open returns the services of a runtime that nobody has used, as callers get them, which is with host/guard in
// front, and cleans up with t.Cleanup. A group whose services are not offered is skipped. The names of the subtests are
// stable.
func TestServices(t *testing.T, open func(t *testing.T) schema.Services) {
	t.Helper()
	TestRuntime(t, open)
	services := []string{schema.ServiceAgents, schema.ServiceChat, schema.ServiceMemory, schema.ServiceEvents}
	runGroup(t, open, group{"errors", services, testErrors})
}

// TestRuntime is TestServices for a runtime with nothing in front of it: all groups but errors, which are about what the
// guard refuses for every runtime.
func TestRuntime(t *testing.T, open func(t *testing.T) schema.Services) {
	t.Helper()
	for _, g := range []group{
		{"agents", []string{schema.ServiceAgents}, testAgents},
		{"chat", []string{schema.ServiceChat, schema.ServiceAgents}, testChat},
		{"runs", []string{schema.ServiceChat}, testRuns},
		{"once", []string{schema.ServiceChat, schema.ServiceAgents, schema.ServiceMemory}, testOnce},
		{"memory", []string{schema.ServiceMemory}, testMemory},
		{"events", []string{schema.ServiceEvents, schema.ServiceChat, schema.ServiceAgents}, testEvents},
	} {
		runGroup(t, open, g)
	}
}

func runGroup(t *testing.T, open func(t *testing.T) schema.Services, g group) {
	t.Helper()
	t.Run(g.name, func(t *testing.T) {
		s := open(t)
		for _, name := range g.needs {
			if !slices.Contains(s.Names(), name) {
				t.Skipf("service %s is not offered", name)
			}
		}
		g.run(&suite{T: t, Services: s})
	})
}

// suite is one group at work: the test it belongs to and the services it is about.
type suite struct {
	*testing.T
	schema.Services
}

// test runs one subtest.
func (s *suite) test(name string, f func(*suite)) {
	s.Helper()
	s.Run(name, func(t *testing.T) { f(&suite{T: t, Services: s.Services}) })
}

// as returns a context whose calls are made by principal with one scope, bounded by the suite's patience.
func (s *suite) as(principal string, scope schema.Scope) context.Context {
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	s.Cleanup(cancel)
	return schema.WithCaller(ctx, schema.Caller{Principal: principal, Scopes: []schema.Scope{scope}})
}

// user returns the context of a chatting caller whom no other subtest knows.
func (s *suite) user() context.Context { return s.as(unique("user"), schema.ScopeChat) }

// admin returns the context of an administrator.
func (s *suite) admin() context.Context { return s.as("root", schema.ScopeAdmin) }

// must fails the test if err is one.
func (s *suite) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatalf("unexpected error: %v", err)
	}
}

// wantCode fails the test unless err is a *schema.Error of one of the codes, with a text for a person.
func (s *suite) wantCode(err error, codes ...schema.ErrorCode) {
	s.Helper()
	var e *schema.Error
	switch {
	case err == nil:
		s.Errorf("no error, want %v", codes)
	case !slices.Contains(codes, schema.CodeOf(err)):
		s.Errorf("error %q has code %s, want %v", err, schema.CodeOf(err), codes)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded): // schema.CodeOf knows them
	case !errors.As(err, &e):
		s.Errorf("error %q is not a *schema.Error", err)
	case strings.TrimSpace(e.Message) == "":
		s.Errorf("error of code %s has no message", e.Code)
	}
}

// eventually polls ok until it is true.
func (s *suite) eventually(what string, ok func() bool) {
	s.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			s.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// unique returns a name that nobody else has.
func unique(prefix string) string { return prefix + "-" + strings.ToLower(ulid.Make().String()) }

// newRunID returns a run id as a caller may choose it.
func newRunID() string { return "run_" + strings.ToLower(ulid.Make().String()) }

// must1 returns v, or fails the test.
func must1[T any](s *suite) func(v T, err error) T {
	return func(v T, err error) T {
		s.Helper()
		s.must(err)
		return v
	}
}
