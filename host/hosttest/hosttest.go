// Package hosttest says in a Go test whether a runtime keeps the contract of package schema. The checks are those of
// schema/conform/services, which "stagehouse conform runtime" runs without one.
package hosttest

import (
	"context"
	"testing"

	"github.com/stagehouse/stagehouse/host"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/conform"
	"github.com/stagehouse/stagehouse/schema/conform/conformtest"
	"github.com/stagehouse/stagehouse/schema/conform/services"
)

// TestServices runs every check: the groups agents, chat, runs, once, memory, events, usage and errors. It calls open once for each of
// them; open returns the services of a runtime that nobody has used, as callers get them, which is with host/guard in
// front, and cleans up with t.Cleanup. What is about a service that is not offered is skipped. The names of the subtests are
// stable.
func TestServices(t *testing.T, open func(t *testing.T) schema.Services, opts ...Option) {
	t.Helper()
	TestRuntime(t, open, opts...)
	conformtest.Run(t, services.Errors(adapt(open), opts...))
}

// TestRuntime is TestServices for a runtime with nothing in front of it: all groups but errors, which are about what the
// guard refuses for every runtime.
func TestRuntime(t *testing.T, open func(t *testing.T) schema.Services, opts ...Option) {
	t.Helper()
	conformtest.Run(t, services.Runtime(adapt(open), opts...))
}

// TestLasting runs the checks of what is there after a runtime was closed and opened again, and of its closing: the group
// lasting. open opens the runtime that keeps what it has in dir.
func TestLasting(t *testing.T, open func(ctx context.Context, dir string) (host.Runtime, error), opts ...Option) {
	t.Helper()
	conformtest.Run(t, services.Lasting(func(ctx context.Context, dir string) (services.Opened, error) { return open(ctx, dir) }, opts...))
}

// adapt gives open the test that the checks were given by conformtest.
func adapt(open func(t *testing.T) schema.Services) services.Open {
	return func(t conform.T) schema.Services { return open(t.(*testing.T)) }
}
