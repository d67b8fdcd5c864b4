package local

import (
	"context"

	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// Run returns a run of the caller's, or of anybody's for ScopeAdmin.
func (s chat) Run(ctx context.Context, id string) (run schema.Run, err error) {
	err = s.store.View(ctx, func(r store.Reader) error {
		run, err = visibleRun(ctx, r, id)
		return err
	})
	if err != nil {
		return schema.Run{}, s.orNotFound(err, "read run", "run", id)
	}
	return run, nil
}

func visibleRun(ctx context.Context, r store.Reader, id string) (schema.Run, error) {
	run, err := r.Run(id)
	if v := viewer(ctx); err == nil && run.Principal != v.Principal && !v.Everything {
		return schema.Run{}, store.ErrNotFound
	}
	return run, err
}

// Cancel ends an unfinished run. When it returns, nothing more of the run is kept; its brain may take a moment to notice.
func (s chat) Cancel(ctx context.Context, id string) (run schema.Run, err error) {
	err = s.store.Update(ctx, func(tx store.Tx) error {
		if run, err = visibleRun(ctx, tx, id); err != nil || run.Status.Terminal() {
			return err
		}
		run, err = s.endRun(tx, run, schema.RunCancelled, schema.ReasonCancelled, "")
		return err
	})
	if err != nil {
		return schema.Run{}, s.orNotFound(err, "cancel run", "run", id)
	}
	return run, nil
}

// endRun ends an unfinished run without a reply.
func (r *Runtime) endRun(tx store.Tx, run schema.Run, status schema.RunStatus, reason, text string) (schema.Run, error) {
	now := r.now()
	run.Status, run.Reason, run.Error, run.FinishedAt = status, reason, text, &now
	if err := tx.UpdateRun(run); err != nil {
		return run, err
	}
	e := runEvent(run, schema.EventCancelled)
	var payload any = schema.Cancelled{Reason: reason}
	if status == schema.RunFailed {
		e.Type, payload = schema.EventFailed, schema.Failed{Reason: reason, Error: text}
	}
	tx.OnCommit(func() { r.turns.over(run.ID) })
	return run, r.appendEvent(tx, e, payload)
}

// endRunsOf cancels every unfinished run of an agent.
func (r *Runtime) endRunsOf(tx store.Tx, agentID, reason string) error {
	runs, err := tx.UnfinishedRunsOf(agentID)
	if err != nil {
		return err
	}
	for _, run := range runs {
		if _, err := r.endRun(tx, run, schema.RunCancelled, reason, ""); err != nil {
			return err
		}
	}
	return nil
}

// runEvent returns an event of a run, for its principal only.
func runEvent(run schema.Run, t schema.EventType) schema.Event {
	return schema.Event{Type: t, AgentID: run.AgentID, ConversationID: run.ConversationID, RunID: run.ID, Principal: run.Principal}
}

// appendEvent adds an event with that payload to the log, now.
func (r *Runtime) appendEvent(tx store.Tx, e schema.Event, payload any) error {
	return r.appendTo(tx, &e, payload)
}

func (r *Runtime) appendTo(tx store.Tx, e *schema.Event, payload any) error {
	e.Time = r.now()
	e.Payload = schema.NewPayload(payload)
	return tx.AppendEvent(e)
}
