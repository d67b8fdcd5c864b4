// Package conform is what conformance checks are made of: a check, groups of them, somebody who runs them, and reports.
//
// A check is a function of a [T], which *testing.T is: conformtest runs the same checks inside go test. What is checked
// stands in schema/conform/services (a runtime), schema/conform/life and plugin/trial (an extension).
package conform

import (
	"context"
	"time"
)

// T is what a check reports to and is bounded by. *testing.T is one. Fatalf and Skipf end the goroutine that calls them, so
// the check itself calls them; the other methods are safe for concurrent use.
type T interface {
	// Context ends when the check is over, just before its cleanups.
	Context() context.Context
	Helper()
	Failed() bool
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Skipf(format string, args ...any)
	// Cleanup has f called when the check is over; what was added last is called first.
	Cleanup(f func())
	// TempDir returns a new directory that is removed when the check is over.
	TempDir() string
}

// Check is one thing that is expected.
type Check struct {
	Name     string // within its group; stable
	Expect   string // what is expected, for a person
	Contract string // where that is written: "schema.Chat.Send" (see Doc), or a place in docs such as "docs/authoring.md#its-life"
	Run      func(T)
}

// Group is checks that are about the same thing, run in order.
type Group struct {
	Name   string  // stable, such as "runtime/once"
	Setup  func(T) // makes what the checks share; what it cleans up is cleaned up after them. Nil = nothing
	Checks []Check
}

// ID returns the stable name of a check of the group, such as "runtime/once/send".
func (g Group) ID(c Check) string { return g.Name + "/" + c.Name }

// DefaultPatience bounds what a check waits for.
const DefaultPatience = 60 * time.Second

// Patient is a T that says how long its check may wait for one thing.
type Patient interface{ Patience() time.Duration }

// Patience returns how long a check may wait for one thing: DefaultPatience unless t is Patient.
func Patience(t T) time.Duration {
	if p, ok := t.(Patient); ok {
		return p.Patience()
	}
	return DefaultPatience
}
