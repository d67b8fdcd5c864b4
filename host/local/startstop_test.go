package local_test

import (
	"sync"
	"testing"

	"github.com/stagehouse/stagehouse/host/local"
	"github.com/stagehouse/stagehouse/schema"
)

// TestStartsAndStopsAtOnce: of transitions of one agent that begin in the same commit, one is made and the others join it.
func TestStartsAndStopsAtOnce(t *testing.T) {
	r := open(t, local.Options{Agents: []local.AgentSpec{{ID: "a"}}})
	ctx, s := admin(t), r.Services()
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for range 20 {
				act := s.Agents.Start
				if i%2 == 0 {
					act = s.Agents.Stop
				}
				if _, err := act(ctx, "a"); err != nil && schema.CodeOf(err) != schema.CodeIllegalTransition {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
