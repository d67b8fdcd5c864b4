package local

import (
	"context"
	"errors"
	"fmt"

	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// restore brings what is kept to a state that is true now, in one commit: runs that were unfinished are failed, no agent
// runs yet, and the declarations are merged. It returns the agents to start, ordered by id.
func (r *Runtime) restore(ctx context.Context) (start []string, err error) {
	err = r.store.Update(ctx, func(tx store.Tx) error {
		start = nil
		failed, err := r.chat.FailUnfinished(tx)
		if err != nil {
			return err
		}
		if failed > 0 {
			r.log.Warn("failed the turns that were unfinished when the host ended", "turns", failed)
		}
		if err := r.declareAll(tx); err != nil {
			return err
		}
		all, err := tx.Agents()
		if err != nil {
			return err
		}
		for _, a := range all {
			if err := r.settle(tx, a); err != nil {
				return err
			}
			if a.Desired {
				start = append(start, a.ID)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("restore state: %w", err)
	}
	return start, nil
}

// settle makes the status of an agent true again. Whoever follows the log learns that an agent which ran does not any more.
func (r *Runtime) settle(tx store.Tx, a store.Agent) error {
	tx.OnCommit(func() {
		r.registry.put(a)
		r.registry.feel(a.ID, a.Emotion, a.EmotionAt)
	})
	_, known := r.makers[a.Brain.Provider]
	switch {
	case !known && !a.Desired:
		err := r.unknownBrain(a.Brain.Provider)
		r.log.Error("agent cannot start", "agent", a.ID, "error", err)
		if a.Status == schema.AgentFailed && a.StatusReason == err.Error() {
			return nil
		}
		return r.setStatus(tx, a, schema.AgentFailed, err.Error())
	case a.Status == schema.AgentRunning, a.Status == schema.AgentStarting, a.Status == schema.AgentStopping:
		return r.setStatus(tx, a, schema.AgentStopped, schema.ReasonHostRestarted)
	case a.Status == schema.AgentFailed && !a.Desired:
		return r.setStatus(tx, a, schema.AgentStopped, "")
	}
	return nil
}

// declareAll merges the declared agents, and lets go of those that are not declared any more.
func (r *Runtime) declareAll(tx store.Tx) error {
	declared := map[string]bool{}
	for _, spec := range r.options.Agents {
		declared[spec.ID] = true
		if err := r.declareOne(tx, spec); err != nil {
			return err
		}
	}
	all, err := tx.Agents()
	if err != nil {
		return err
	}
	for _, a := range all {
		if a.Declaration == nil || declared[a.ID] {
			continue
		}
		r.log.Warn("agent is not declared any more; it is kept and not started", "agent", a.ID)
		a.Declaration, a.Desired = nil, false
		if err := tx.PutAgent(a); err != nil {
			return err
		}
	}
	return nil
}

func (r *Runtime) declareOne(tx store.Tx, spec AgentSpec) error {
	kept, err := tx.Agent(spec.ID)
	fresh := errors.Is(err, store.ErrNotFound)
	if err != nil && !fresh {
		return err
	}
	a, changed, err := spec.merge(kept)
	if err != nil {
		return err
	}
	now := r.now()
	switch {
	case fresh:
		a.Status, a.Revision, a.CreatedAt, a.UpdatedAt = schema.AgentStopped, 1, now, now
	case changed:
		a.Revision++
		a.UpdatedAt = now
	}
	if err := tx.PutAgent(a); err != nil || fresh || !changed {
		return err
	}
	return r.appendEvent(tx, schema.Event{Type: schema.EventUpdated, AgentID: a.ID}, schema.Updated{Revision: a.Revision})
}
