package local

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

const (
	historyMessages = 50      // that a brain is given
	maxThoughtBytes = 8 << 10 // of one thought
	maxErrorBytes   = 1 << 10 // of the text of a failed run
)

// performance is a turn at work.
type performance struct {
	*Runtime
	*turn
	rec    *recorder
	deltas int
	reply  strings.Builder
	feels  schema.Emotion
}

// perform does the work of one turn, from started to its terminal event.
func (r *Runtime) perform(t *turn) {
	p := &performance{Runtime: r, turn: t, rec: &recorder{store: r.store, runID: t.run.ID}}
	log := r.log.With("agent", t.run.AgentID, "conversation", t.run.ConversationID, "run", t.run.ID)
	err := p.start()
	if err == nil {
		err = p.answer()
		if flushed := unkept(p.rec.flush()); err == nil || errors.Is(flushed, errRunOver) {
			err = flushed
		}
	}
	if err == nil {
		err = p.finish()
	}
	switch {
	case err == nil, errors.Is(err, errRunOver):
		return
	case errors.Is(err, store.ErrClosed):
		log.Warn("turn was cut off: the store is closed")
		return
	}
	log.Error("turn failed", "error", underneath(err))
	if err := r.failRun(t.run.ID, err); err != nil {
		log.Error("cannot keep that a turn failed; it will be failed when the host starts again", "error", err)
	}
}

// failRun ends a run as failed, unless it is over.
func (r *Runtime) failRun(id string, why error) error {
	text := clip(strings.ToValidUTF8(why.Error(), "\uFFFD"), maxErrorBytes)
	return r.store.Update(context.Background(), func(tx store.Tx) error {
		run, err := tx.Run(id)
		if errors.Is(err, store.ErrNotFound) || err == nil && run.Status.Terminal() {
			return nil
		}
		if err != nil {
			return err
		}
		_, err = r.endRun(tx, run, schema.RunFailed, schema.ReasonBrainError, text)
		return err
	})
}

// start makes the run running.
func (p *performance) start() error {
	return unkept(p.store.Update(context.Background(), func(tx store.Tx) error {
		run, err := runAt(tx, p.run.ID, schema.RunQueued)
		if err != nil {
			return err
		}
		now := p.now()
		run.Status, run.StartedAt = schema.RunRunning, &now
		if err := tx.UpdateRun(run); err != nil {
			return err
		}
		return p.appendEvent(tx, runEvent(run, schema.EventStarted), schema.Started{MessageID: run.MessageID})
	}))
}

// answer runs the brain and hands its steps to the recorder.
func (p *performance) answer() (err error) {
	ctx, cancel := context.WithTimeoutCause(p.ctx, p.options.TurnTimeout, errTooLong)
	defer cancel()
	defer p.limit(ctx)()
	turn, err := p.prepare(ctx)
	if err != nil {
		return err
	}
	b := p.registry.brain(p.run.AgentID)
	if b == nil {
		return errRunOver // it was stopped a moment ago, which has ended the run
	}
	defer func() {
		if v := recover(); v != nil {
			p.log.Error("panic in brain", "agent", p.run.AgentID, "run", p.run.ID, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			err = fmt.Errorf("the brain panicked: %v", v)
		}
	}()
	for step, err := range b.Respond(ctx, turn) {
		if err != nil {
			return p.interrupted(ctx, err)
		}
		done, err := p.take(step)
		if err != nil || done {
			return err
		}
	}
	if p.reply.Len() == 0 {
		return p.interrupted(ctx, errors.New("the brain ended without a reply"))
	}
	return nil
}

var errTooLong = errors.New("the turn took too long")

// interrupted tells a brain's own error from what the end of ctx made of it.
func (p *performance) interrupted(ctx context.Context, err error) error {
	switch {
	case ctx.Err() == nil:
		return err
	case errors.Is(context.Cause(ctx), errTooLong):
		return fmt.Errorf("the brain did not finish within %s", p.options.TurnTimeout)
	}
	return errRunOver
}

// limit fails the run when its time is over, even if the brain takes no notice. The function that it returns ends the watch.
func (p *performance) limit(ctx context.Context) (stop func()) {
	done := make(chan struct{})
	halt := context.AfterFunc(ctx, func() {
		defer close(done)
		if !errors.Is(context.Cause(ctx), errTooLong) {
			return
		}
		if err := p.failRun(p.run.ID, p.interrupted(ctx, errTooLong)); err != nil {
			p.log.Error("cannot keep that a turn took too long", "run", p.run.ID, "error", err)
		}
	})
	return func() {
		if !halt() {
			<-done
		}
	}
}

// prepare gathers what the brain may know.
func (p *performance) prepare(ctx context.Context) (brain.Turn, error) {
	now := p.now()
	a, ok := p.registry.get(p.run.AgentID, now)
	if !ok {
		return brain.Turn{}, notFound("agent", p.run.AgentID)
	}
	p.feels = a.Emotion
	var history []schema.Message
	err := p.store.View(ctx, func(r store.Reader) error {
		page, _, err := r.Messages(p.conversation, 0, historyMessages+p.options.MaxWaiting+1)
		history = before(page, p.message.ID)
		return err
	})
	if err != nil {
		return brain.Turn{}, p.interrupted(ctx, conceal("read conversation", err))
	}
	return brain.Turn{
		Agent: a, Principal: p.run.Principal, Message: p.message, History: history, Context: p.context, Now: now,
		Memory: recall{p.store, p.run.AgentID, p.run.Principal, p.now},
	}, nil
}

// before returns what was said before a message: everything but itself and the messages that wait behind it.
func before(page []schema.Message, id string) []schema.Message {
	history := make([]schema.Message, 0, len(page))
	passed := false
	for _, m := range page {
		if m.ID == id {
			passed = true
		} else if !passed || m.Role != schema.RoleUser {
			history = append(history, m)
		}
	}
	return history[max(0, len(history)-historyMessages):]
}

// finish keeps the reply and the end of the run in one commit.
func (p *performance) finish() error {
	id := p.ids.next(messagePrefix)
	return unkept(p.store.Update(context.Background(), func(tx store.Tx) error {
		run, err := runAt(tx, p.run.ID, schema.RunRunning)
		if err != nil {
			return err
		}
		now := p.now()
		reply := schema.Message{
			ID: id, ConversationID: run.ConversationID, Role: schema.RoleAgent, Content: p.reply.String(),
			AgentID: run.AgentID, RunID: run.ID, Emotion: &p.feels, CreatedAt: now,
		}
		run.Status, run.ReplyID, run.Reply, run.FinishedAt = schema.RunCompleted, id, &reply, &now
		if err := tx.UpdateRun(run); err != nil {
			return err
		}
		if err := tx.InsertMessage(p.conversation, reply); err != nil {
			return err
		}
		tx.OnCommit(func() { p.turns.over(run.ID) })
		e, payload := ending(run)
		return p.appendEvent(tx, e, payload)
	}))
}
