package local

import (
	"context"
	"errors"
	"time"

	"github.com/stagehouse/stagehouse/host/fault"
	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/host/once"
	"github.com/stagehouse/stagehouse/host/roster"
	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// stopTimeout bounds how long Stop waits for a brain to notice that its turn was cancelled.
const stopTimeout = 5 * time.Second

// errJoin says that the transition that was asked for is under way already.
var errJoin = errors.New("the transition is under way")

// errOtherBrain says that the agent was given another brain while one was made for it.
var errOtherBrain = errors.New("the agent was given another brain")

// Start brings the agent to running.
//
// Two commits make a start: one to starting, then, when the brain is made or could not be, one to running or failed. Whoever
// asks for the same meanwhile waits for that outcome; whoever asks for the opposite gets CodeIllegalTransition.
func (s agents) Start(ctx context.Context, id string) (schema.Agent, error) {
	return s.bring(ctx, id, "start agent", s.start)
}

// bring has an agent started or stopped. To do that twice is to do it once, so that what came of it can be kept afterwards.
func (s agents) bring(ctx context.Context, id, doing string, act func(ctx context.Context, id string) error) (a schema.Agent, err error) {
	if a, ok, err := once.Earlier[schema.Agent](ctx, s.once); ok {
		return a, err
	}
	if err = fault.OrNotFound(s.log, act(ctx, id), doing, "agent", id); err == nil {
		a, err = s.Get(ctx, id)
	}
	return once.Keep(ctx, s.once, a, err)
}

func (s agents) start(ctx context.Context, id string) error {
	over := make(chan struct{})
	defer s.registry.release(id, over)
	for {
		began, err := s.beginStart(ctx, id, over)
		switch {
		case errors.Is(err, errJoin):
			if err := s.join(ctx, id); err != nil {
				return err
			}
		case err != nil || !began:
			return err
		default: // what has begun is brought to its end, whether or not the caller still waits
			return s.finishStart(context.WithoutCancel(ctx), id)
		}
	}
}

// beginStart brings the agent to starting, and reports false if it runs already.
func (s agents) beginStart(ctx context.Context, id string, over chan struct{}) (began bool, err error) {
	err = s.store.Update(ctx, func(tx store.Tx) error {
		began = false
		a, err := tx.Agent(id)
		if err != nil {
			return err
		}
		switch {
		case s.closing.Load():
			return fault.Closing()
		case a.Status == schema.AgentRunning:
			return nil
		case a.Status == schema.AgentStopping:
			return illegal(id, "started", a.Status)
		case !s.registry.claim(id, over):
			return errJoin
		}
		a.Desired = true
		began = true
		return s.setStatus(tx, a, schema.AgentStarting, "")
	})
	return began, err
}

func illegal(id, act string, is schema.AgentStatus) error {
	return schema.Errorf(schema.CodeIllegalTransition, "agent %s is %s and cannot be %s now; try again when that is over", id, is, act)
}

// finishStart makes the brain and brings the agent to running, or to failed with the reason. The brain is made while nothing
// waits for it; if the agent was given another one meanwhile, that one is made.
func (s agents) finishStart(ctx context.Context, id string) error {
	making, cancel := s.starting(ctx)
	defer cancel()
	now, _ := s.registry.get(id, s.now())
	asked := now.Brain
	for {
		made, brainErr := s.makeBrain(making, id, asked)
		kept, err := s.install(ctx, id, asked, made, brainErr)
		if errors.Is(err, errOtherBrain) {
			asked = kept
			continue
		}
		if brainErr != nil {
			s.log.Error("agent cannot start", "agent", id, "error", brainErr)
		}
		return err
	}
}

// install ends a start with what became of making the brain that was asked for: made, or brainErr. If that is not the brain
// that the agent is to have any more, it changes nothing and returns errOtherBrain and the one that is.
func (s agents) install(ctx context.Context, id string, asked schema.Brain, made brain.Brain, brainErr error) (kept schema.Brain, err error) {
	err = s.store.Update(ctx, func(tx store.Tx) error {
		a, err := tx.Agent(id)
		switch kept = a.Brain; {
		case err != nil:
			return err
		case a.Status != schema.AgentStarting: // Close was faster
			return fault.Closing()
		case !sameJSON(a.Brain, asked):
			return errOtherBrain
		case brainErr != nil:
			return s.setStatus(tx, a, schema.AgentFailed, brainErr.Error())
		}
		if err := s.setStatus(tx, a, schema.AgentRunning, ""); err != nil {
			return err
		}
		tx.OnCommit(func() { s.registry.setBrain(id, made) })
		return nil
	})
	return kept, err
}

// Stop brings the agent to stopped. Its unfinished runs are cancelled in the commit that begins the stop, so none of them
// can end otherwise, and no new one can begin.
func (s agents) Stop(ctx context.Context, id string) (schema.Agent, error) {
	return s.bring(ctx, id, "stop agent", s.stop)
}

func (s agents) stop(ctx context.Context, id string) error {
	over := make(chan struct{})
	defer s.registry.release(id, over)
	for {
		began, err := s.beginStop(ctx, id, over)
		switch {
		case errors.Is(err, errJoin):
			if err := s.join(ctx, id); err != nil {
				return err
			}
		case err != nil || !began:
			return err
		default:
			return s.finishStop(context.WithoutCancel(ctx), id)
		}
	}
}

// beginStop brings the agent to stopping, or a failed one to stopped, and reports false if it is stopped then.
func (s agents) beginStop(ctx context.Context, id string, over chan struct{}) (began bool, err error) {
	err = s.store.Update(ctx, func(tx store.Tx) error {
		began = false
		a, err := tx.Agent(id)
		if err != nil {
			return err
		}
		a.Desired = false
		switch a.Status {
		case schema.AgentStopped:
			return s.remember(tx, a)
		case schema.AgentFailed:
			return s.setStatus(tx, a, schema.AgentStopped, "")
		case schema.AgentStarting:
			return illegal(id, "stopped", a.Status)
		}
		if !s.registry.claim(id, over) {
			return errJoin
		}
		began = true
		if err := s.setStatus(tx, a, schema.AgentStopping, ""); err != nil {
			return err
		}
		return s.chat.CancelRuns(tx, id, schema.ReasonAgentStopped)
	})
	return began, err
}

// finishStop waits for the brain to let go of its turns and brings the agent to stopped.
func (s agents) finishStop(ctx context.Context, id string) error {
	wait, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	if !s.chat.Released(wait, id) {
		s.log.Warn("agent is stopped although its brain does not let go of a turn", "agent", id, "waited", stopTimeout)
	}
	return s.store.Update(ctx, func(tx store.Tx) error {
		a, err := tx.Agent(id)
		if err != nil || a.Status != schema.AgentStopping { // Close was faster, or it was deleted, and made anew
			return err
		}
		return s.setStatus(tx, a, schema.AgentStopped, "")
	})
}

// join waits until the transition under way is over.
func (s agents) join(ctx context.Context, id string) error {
	moving := s.registry.moving(id)
	if moving == nil {
		return nil
	}
	select {
	case <-moving:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// setStatus keeps a with a new status and tells of it.
func (r *Runtime) setStatus(tx store.Tx, a store.Agent, to schema.AgentStatus, reason string) error {
	_, err := r.move(tx, a, to, reason)
	return err
}

// move is setStatus for who goes on with the agent as it is then.
func (r *Runtime) move(tx store.Tx, a store.Agent, to schema.AgentStatus, reason string) (store.Agent, error) {
	a, err := roster.Become(tx, a, to, reason, r.now())
	if err == nil {
		tx.OnCommit(func() { r.registry.put(a) })
	}
	return a, err
}

// remember keeps a, and shows it when that is durable.
func (r *Runtime) remember(tx store.Tx, a store.Agent) error {
	if err := tx.PutAgent(a); err != nil {
		return err
	}
	tx.OnCommit(func() { r.registry.put(a) })
	return nil
}
