package turns

import (
	"context"
	"errors"

	"github.com/stagehouse/stagehouse/host/fault"
	"github.com/stagehouse/stagehouse/host/internal/ids"
	"github.com/stagehouse/stagehouse/host/once"
	"github.com/stagehouse/stagehouse/host/paging"
	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// Runs lists runs that the caller may see, the newest first.
func (s *Chat) Runs(ctx context.Context, q schema.RunsQuery) (schema.RunPage, error) {
	before, err := runList.Number(q.Cursor)
	if err != nil {
		return schema.RunPage{}, err
	}
	limit := schema.PageSize(q.Limit)
	var page schema.RunPage
	err = s.store.View(ctx, func(r store.Reader) error {
		all, numbers, err := r.Runs(store.RunsQuery{
			Viewer: fault.Viewer(ctx), ConversationID: q.ConversationID, AgentID: q.AgentID, Status: q.Status, Before: before, Limit: limit + 1,
		})
		page.Runs, page.NextCursor = paging.Cut(runList, all, numbers, limit)
		return err
	})
	if err != nil {
		return schema.RunPage{}, fault.Of(s.log, "list runs", err)
	}
	return page, nil
}

// Run returns a run of the caller's, or of anybody's for ScopeAdmin, with its reply and what models have used for it.
func (s *Chat) Run(ctx context.Context, id string) (run schema.Run, err error) {
	err = s.store.View(ctx, func(r store.Reader) error {
		run, err = visibleRun(ctx, r, id)
		return err
	})
	if err != nil {
		return schema.Run{}, fault.OrNotFound(s.log, err, "read run", "run", id)
	}
	return run, nil
}

func visibleRun(ctx context.Context, r store.Reader, id string) (schema.Run, error) {
	run, err := r.Run(id)
	if err != nil {
		return run, err
	}
	if v := fault.Viewer(ctx); run.Principal != v.Principal && !v.Everything {
		return schema.Run{}, store.ErrNotFound
	}
	used, err := r.SumUsage(store.UsageQuery{Viewer: store.Viewer{Everything: true}, RunID: id})
	if len(used) > 0 {
		run.Usage = &used[0].UsageSum
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
func (s *Chat) Cancel(ctx context.Context, id string) (schema.Run, error) {
	explain := func(err error) error { return fault.OrNotFound(s.log, err, "cancel run", "run", id) }
	return once.Do(ctx, s.once, explain, func(tx store.Tx) (schema.Run, error) {
		run, err := visibleRun(ctx, tx, id)
		if err != nil || run.Status.Terminal() {
			return run, err
		}
		return s.endRun(tx, run, schema.RunCancelled, schema.ReasonCancelled, "")
	})
}

// endRun ends an unfinished run without a reply. What one that is cancelled has said until then is kept.
func (s *Chat) endRun(tx store.Tx, run schema.Run, status schema.RunStatus, reason, text string) (schema.Run, error) {
	now := s.now()
	if status == schema.RunCancelled && run.Status == schema.RunRunning {
		if err := s.keepPartial(tx, &run); err != nil {
			return run, err
		}
	}
	run.Status, run.Reason, run.Error, run.FinishedAt = status, reason, text, &now
	if err := tx.UpdateRun(run); err != nil {
		return run, err
	}
	tx.OnCommit(func() { s.turns.over(run.ID) })
	e, payload := ending(run)
	_, err := store.Append(tx, e, now, payload)
	return run, err
}

// keepPartial makes a message of what a run has said.
func (s *Chat) keepPartial(tx store.Tx, run *schema.Run) error {
	said, err := tx.Said(*run)
	if err != nil || said == "" {
		return err
	}
	key, err := tx.ConversationKey(run.Principal, run.ConversationID)
	if err != nil {
		return err
	}
	run.Reply = &schema.Message{
		ID: s.ids.Next(ids.Message), ConversationID: run.ConversationID, Role: schema.RoleAgent, Content: said,
		AgentID: run.AgentID, RunID: run.ID, Partial: true, CreatedAt: s.now(),
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

// CancelRuns cancels the unfinished runs of an agent, "" = of every one, as part of what is done in tx: nothing of them is kept
// after it, and their ends are told in its commit. It is called by a runtime that stops or deletes an agent.
func (s *Chat) CancelRuns(tx store.Tx, agentID, reason string) error {
	runs, err := tx.UnfinishedRunsOf(agentID)
	if err != nil {
		return err
	}
	for _, run := range runs {
		if _, err := s.endRun(tx, run, schema.RunCancelled, reason, ""); err != nil {
			return err
		}
	}
	return nil
}

// FailUnfinished fails the runs that are not over, as part of what is done in tx, and tells so in their conversations: nobody
// was connected to see their last events, and a client that looks at a conversation must not wait for a reply for ever. It is
// called by a runtime that opens a store which outlived it, before it takes anything. It returns how many there were.
func (s *Chat) FailUnfinished(tx store.Tx) (int, error) {
	const text = "the host ended before the turn did; send the message again"
	runs, err := tx.UnfinishedRunsOf("")
	if err != nil {
		return 0, err
	}
	for _, run := range runs {
		if _, err := s.endRun(tx, run, schema.RunFailed, schema.ReasonHostRestarted, text); err != nil {
			return 0, err
		}
		key, err := tx.ConversationKey(run.Principal, run.ConversationID)
		if err != nil {
			return 0, err
		}
		err = tx.InsertMessage(key, schema.Message{
			ID: s.ids.Next(ids.Message), ConversationID: run.ConversationID, Role: schema.RoleSystem,
			Content: "This turn failed: " + text + ".", AgentID: run.AgentID, RunID: run.ID, CreatedAt: s.now(),
		})
		if err != nil {
			return 0, err
		}
	}
	return len(runs), nil
}

// runEvent returns an event of a run, for its principal only.
func runEvent(run schema.Run, t schema.EventType) schema.Event {
	return schema.Event{Type: t, AgentID: run.AgentID, ConversationID: run.ConversationID, RunID: run.ID, Principal: run.Principal}
}
