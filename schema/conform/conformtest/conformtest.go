// Package conformtest runs conformance checks as Go tests.
package conformtest

import (
	"path"
	"testing"

	"github.com/stagehouse/stagehouse/schema/conform"
)

// Run runs every check as a subtest of its group's, which is a subtest of t. A check that fails says what was expected, and
// where that is written.
func Run(t *testing.T, groups []conform.Group) {
	t.Helper()
	for _, g := range groups {
		t.Run(path.Base(g.Name), func(t *testing.T) {
			if g.Setup != nil {
				g.Setup(t)
			}
			for _, c := range g.Checks {
				t.Run(c.Name, func(t *testing.T) { run(t, g.ID(c), c) })
			}
		})
	}
}

func run(t *testing.T, id string, c conform.Check) {
	t.Cleanup(func() { // the first one, so that it is called after what the check cleans up
		if t.Failed() {
			t.Logf("%s\nexpected: %s\ncontract: %s", id, c.Expect, conform.Doc(c.Contract))
		}
	})
	c.Run(t)
}
