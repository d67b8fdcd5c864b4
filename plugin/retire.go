package plugin

import (
	"context"
	"time"
)

// retirement is the end of a generation whose place another one has taken.
type retirement struct {
	over  chan struct{} // closed when the generation is gone
	hurry func()        // has it end without finishing what is in flight
}

func noRetirement() retirement {
	over := make(chan struct{})
	close(over)
	return retirement{over: over, hurry: func() {}}
}

func (r retirement) wait(ctx context.Context) error {
	select {
	case <-r.over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// retire drains g and ends it, in the background, while its successor is watched already.
func (e *extension) retire(g *generation, successor uint64) {
	begun := time.Now()
	ctx, hurry := context.WithCancel(context.Background())
	r := retirement{over: make(chan struct{}), hurry: hurry}
	e.retiring = r
	go func() {
		defer close(r.over)
		defer hurry()
		g.drain(ctx, false)
		if err := g.proc.Kill(e.manager.supervision.KillTimeout); err != nil {
			g.log.Error("end a generation whose place another one has taken", "error", err.Error())
		}
		g.log.Info("generation is gone", "successor", successor, "took", time.Since(begun).Round(time.Millisecond).String())
	}()
}

// tidy lets go of the listeners that only generations had that are gone. It is called when there is none but the one that
// serves.
func (s *supervisor) tidy() {
	s.untidy = nil
	if err := s.serving.proc.KeepListeners(); err != nil {
		s.e.log.Warn("let go of listeners", "error", err.Error())
	}
}
