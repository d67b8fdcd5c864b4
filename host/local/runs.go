package local

import (
	"context"
	"errors"

	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// Runs lists runs that the caller may see, the newest first.
func (s chat) Runs(ctx context.Context, q schema.RunsQuery) (schema.RunPage, error) {
	before, err := runList.number(q.Cursor)
	if err != nil {
		return schema.RunPage{}, err
	}
	limit := schema.PageSize(q.Limit)
	var page schema.RunPage
	err = s.store.View(ctx, func(r store.Reader) error {
		all, numbers, err := r.Runs(store.RunsQuery{
			Viewer: viewer(ctx), ConversationID: q.ConversationID, AgentID: q.AgentID, Status: q.Status, Before: before, Limit: limit + 1,
		})
		page.Runs, page.NextCursor = cut(runList, all, numbers, limit)
		return err
	})
	if err != nil {
		return schema.RunPage{}, s.fault("list runs", err)
	}
	return page, nil
}

// Run returns a run of the caller's, or of anybody's for ScopeAdmin, with its reply.
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
	if err != nil || run.ReplyID == "" {
		return run, err
	}
	reply, err := r.Message(run.ReplyID)
	if errors.Is(err, store.ErrNotFound) {
		return run, nil // its conversation has been deleted
	}
	run.Reply = &reply
	return run, err
}

// Cancel ends an unfinished run. When it returns, nothing more of the run is kept; its brain may take a moment to notice.
func (s chat) Cancel(ctx context.Context, id string) (schema.Run, error) {
	explain := func(err error) error { return s.orNotFound(err, "cancel run", "run", id) }
	return once(ctx, s.Runtime, explain, func(tx store.Tx) (schema.Run, error) {
		run, err := visibleRun(ctx, tx, id)
		if err != nil || run.Status.Terminal() {
			return run, err
		}
		return s.endRun(tx, run, schema.RunCancelled, schema.ReasonCancelled, "")
	})
}

// endRun ends an unfinished run without a reply. What one that is cancelled has said until then is kept.
func (r *Runtime) endRun(tx store.Tx, run schema.Run, status schema.RunStatus, reason, text string) (schema.Run, error) {
	now := r.now()
	if status == schema.RunCancelled && run.Status == schema.RunRunning {
		if err := r.keepPartial(tx, &run); err != nil {
			return run, err
		}
	}
	run.Status, run.Reason, run.Error, run.FinishedAt = status, reason, text, &now
	if err := tx.UpdateRun(run); err != nil {
		return run, err
	}
	tx.OnCommit(func() { r.turns.over(run.ID) })
	e, payload := ending(run)
	return run, r.appendEvent(tx, e, payload)
}

// keepPartial makes a message of what a run has said.
func (r *Runtime) keepPartial(tx store.Tx, run *schema.Run) error {
	said, err := tx.Said(*run)
	if err != nil || said == "" {
		return err
	}
	key, err := tx.ConversationKey(run.Principal, run.ConversationID)
	if err != nil {
		return err
	}
	run.Reply = &schema.Message{
		ID: r.ids.next(messagePrefix), ConversationID: run.ConversationID, Role: schema.RoleAgent, Content: said,
		AgentID: run.AgentID, RunID: run.ID, Partial: true, CreatedAt: r.now(),
	}
	run.ReplyID = run.Reply.ID
	return tx.InsertMessage(key, *run.Reply)
}

// ending returns the terminal event of a run that is over, and its payload.
func ending(run schema.Run) (e schema.Event, payload any) {
	switch run.Status {
	case schema.RunCompleted:
		var reply schema.Message // zero where its conversation has been deleted
		if run.Reply != nil {
			reply = *run.Reply
		}
		return runEvent(run, schema.EventReply), schema.Reply{Reply: reply}
	case schema.RunFailed:
		return runEvent(run, schema.EventFailed), schema.Failed{Reason: run.Reason, Error: run.Error}
	default:
		return runEvent(run, schema.EventCancelled), schema.Cancelled{Reason: run.Reason, Reply: run.Reply}
	}
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
