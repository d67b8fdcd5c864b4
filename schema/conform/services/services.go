// Package services has the checks of a runtime: whether its services keep the contract of package schema.
//
// They know the interfaces of schema and nothing else, so that the same checks run against a runtime directly, behind the
// guard, over an in-memory connection, through a plugin process, and against a runtime in another language. They expect
// what host/local has by default: agents "nyx" (programming, security) and "aria" (writing, empathy), both running, with a
// brain that answers every message, thinks and feels while it does, and needs no network.
//
// They do not see what becomes of a cursor whose events have been evicted: nothing that a caller can do makes a log forget, and
// no two runtimes are told in the same way to keep little. A gap they do see, after a cursor of another epoch. A log that is
// host/eventlog is held to the rest by its own tests.
package services

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/conform"
)

// Names of the agents that the checks talk to.
const (
	nyx  = "nyx"
	aria = "aria"
)

// Open returns the services of a runtime that nobody has used, and cleans up with t.Cleanup.
type Open func(t conform.T) schema.Services

// check is one check of a group.
type check struct {
	name, expect, contract string
	run                    func(*suite)
}

// Runtime returns the checks of a runtime with nothing in front of it: the groups agents, chat, runs, once, memory,
// events and usage. Each group has a runtime of its own. A group, or a check, is skipped where a service that it needs is not offered.
func Runtime(open Open, opts ...Option) []conform.Group {
	d := declaredBy(opts)
	return []conform.Group{
		d.group(open, "agents", agentChecks(), schema.ServiceAgents),
		d.group(open, "chat", chatChecks(), schema.ServiceChat, schema.ServiceAgents),
		d.group(open, "runs", runChecks(), schema.ServiceChat),
		d.group(open, "once", onceChecks()),
		d.group(open, "memory", memoryChecks(), schema.ServiceMemory),
		d.group(open, "events", eventChecks(), schema.ServiceEvents, schema.ServiceChat, schema.ServiceAgents),
		d.group(open, "usage", usageChecks(), schema.ServiceUsage, schema.ServiceChat),
	}
}

// Errors returns the checks of what a caller is refused, which is the guard's work: open returns services with host/guard in
// front. They are the group errors.
func Errors(open Open, opts ...Option) []conform.Group {
	guarded := func(t conform.T) schema.Services {
		s := open(t)
		if s.Agents == nil {
			return s
		}
		if _, err := s.Agents.List(t.Context(), schema.AgentQuery{}); schema.CodeOf(err) != schema.CodeUnauthenticated {
			t.Fatalf("nobody was let in (%v): these services are not behind host/guard; wrap them with guard.New, or hold the bare runtime to Runtime", err)
		}
		return s
	}
	d := declaredBy(opts)
	d.guarded = true
	return []conform.Group{d.group(guarded, "errors", errorChecks())}
}

func (d declared) group(open Open, name string, checks []check, needs ...string) conform.Group {
	var offered schema.Services
	g := conform.Group{Name: "runtime/" + name, Setup: func(t conform.T) {
		offered = open(t)
		(&suite{T: t, Services: offered}).needs(needs...)
		d.verify(t, offered)
	}}
	for _, c := range checks {
		g.Checks = append(g.Checks, conform.Check{
			Name: c.name, Expect: c.expect, Contract: c.contract,
			Run: func(t conform.T) { c.run(d.suite(t, offered)) },
		})
	}
	return g
}

// suite is one check at work: what it reports to and the services that it is about.
type suite struct {
	conform.T
	schema.Services
	declared
}

// as returns a context whose calls are made by principal with one scope, bounded by the patience of the check.
func (s *suite) as(principal string, scope schema.Scope) context.Context {
	ctx, cancel := context.WithTimeout(s.Context(), conform.Patience(s.T))
	s.Cleanup(cancel)
	return schema.WithCaller(ctx, schema.Caller{Principal: principal, Scopes: []schema.Scope{scope}})
}

// user returns the context of a chatting caller whom no other check knows.
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
	deadline := time.NewTimer(conform.Patience(s.T))
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			s.Fatalf("%s: not within %v", what, conform.Patience(s.T))
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
