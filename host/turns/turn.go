package turns

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/stagehouse/stagehouse/host/fault"
	"github.com/stagehouse/stagehouse/host/internal/ids"
	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

const (
	// MaxHistory is how many messages work is given at most.
	MaxHistory = 200

	maxErrorBytes = 1 << 10 // of the text of a failed run
)

// Turn is a run that is accepted and not over, as its work has it. Its methods are safe for concurrent use, until the work
// returns.
type Turn struct {
	Run     schema.Run     // as it was accepted
	Message schema.Message // what was said
	Context schema.Object  // what the sender gave along
	Scopes  []schema.Scope // what the sender may do
	AskedBy string         // agent that asks, within a turn of its own; "" = it was sent
	Depth   int            // how many agents have asked each other before it; 0 = it was sent

	chat         *Chat
	conversation int64           // key
	ctx          context.Context // ends when the run does, however it does
	end          context.CancelFunc

	saying sync.Mutex // of deltas and said: pieces are numbered in the order of the log
	deltas int
	said   strings.Builder

	keeping sync.Mutex // of rec
	rec     *recorder

	asking sync.Mutex // held by one Ask at a time
}

// Tell shows an event of the run, durably and in its place. It does not wait for the disk: its error may be that of an earlier
// one. ErrOver says that the run has ended.
func (t *Turn) Tell(typ schema.EventType, payload any) error {
	return t.Keep(func(tx store.Tx) error { return t.Append(tx, typ, payload) })
}

// Delta shows the next piece of the reply.
func (t *Turn) Delta(piece string) error {
	piece = valid(piece)
	t.saying.Lock()
	defer t.saying.Unlock()
	t.said.WriteString(piece)
	if t.said.Len() > schema.MaxMessageBytes {
		return tooLong(t.said.Len())
	}
	t.deltas++
	return t.Tell(schema.EventDelta, schema.Delta{Delta: piece, Index: t.deltas - 1})
}

// Keep has something else kept that the turn does, in the same order as its events, unless the run has ended before. change
// may run more than once, as store.Store.Update says; it tells of what it does by Append.
func (t *Turn) Keep(change func(tx store.Tx) error) error {
	t.keeping.Lock()
	defer t.keeping.Unlock()
	return unkept(t.rec.add(change))
}

// flush waits until everything is durable.
func (t *Turn) flush() error {
	t.keeping.Lock()
	defer t.keeping.Unlock()
	return unkept(t.rec.flush())
}

// Append appends an event of the run in a transaction.
func (t *Turn) Append(tx store.Tx, typ schema.EventType, payload any) error {
	_, err := store.Append(tx, runEvent(t.Run, typ), t.chat.now(), payload)
	return err
}

// History returns the newest part of what was said before this turn in its conversation, after what is summarised, oldest first:
// everything but its own message and those that wait behind it.
func (t *Turn) History(ctx context.Context) (history []schema.Message, err error) {
	err = t.chat.store.View(ctx, func(r store.Reader) error {
		sum, err := r.Summary(t.conversation)
		if err != nil {
			return err
		}
		most := MaxHistory + t.chat.maxWaiting + 1
		page, first, err := r.Messages(t.conversation, 0, most)
		if err == nil && first <= sum.UpTo && len(page) > 0 { // everything behind the summary is in the page
			page, _, err = r.MessagesAfter(t.conversation, sum.UpTo, most)
		}
		history = before(page, t.Message.ID)
		return err
	})
	return history, fault.Conceal("read conversation", err)
}

// Summary returns what was said before History, as Summarise has kept it; "" = there is nothing.
func (t *Turn) Summary(ctx context.Context) (text string, err error) {
	err = t.chat.store.View(ctx, func(r store.Reader) error {
		sum, err := r.Summary(t.conversation)
		text = sum.Text
		return err
	})
	return text, fault.Conceal("read summary", err)
}

// Summarise keeps what was said up to a message of History, in short, together with what the summary before was of: later turns of the
// conversation have it in the place of that. Like all that a turn keeps, it is durable in its order.
func (t *Turn) Summarise(text, upTo string) error {
	text = clip(valid(text), schema.MaxMessageBytes)
	return t.Keep(func(tx store.Tx) error {
		number, err := tx.MessageNumber(t.conversation, upTo)
		if err != nil {
			return fmt.Errorf("find message %s: %w", upTo, err)
		}
		return tx.PutSummary(t.conversation, store.Summary{Text: text, UpTo: number})
	})
}

// before returns what was said before a message.
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
	return history[max(0, len(history)-MaxHistory):]
}

// perform does the work of one turn, from started to its terminal event.
func (s *Chat) perform(t *Turn) {
	t.rec = &recorder{store: s.store, runID: t.Run.ID}
	log := s.log.With("agent", t.Run.AgentID, "conversation", t.Run.ConversationID, "run", t.Run.ID)
	var reply Reply
	err := t.start()
	if err == nil {
		reply, err = t.answer()
		if flushed := t.flush(); err == nil || errors.Is(flushed, ErrOver) {
			err = flushed
		}
	}
	if err == nil {
		err = t.finish(reply)
	}
	switch {
	case err == nil, errors.Is(err, ErrOver):
		return
	case errors.Is(err, store.ErrClosed):
		log.Warn("turn was cut off: the store is closed")
		return
	}
	log.Error("turn failed", "error", fault.Underneath(err))
	if err := s.failRun(t.Run.ID, err); err != nil {
		log.Error("cannot keep that a turn failed; it will be failed when the host starts again", "error", err)
	}
}

// failRun ends a run as failed, unless it is over.
func (s *Chat) failRun(id string, why error) error {
	text, reason := clip(valid(why.Error()), maxErrorBytes), schema.ReasonBrainError
	var reasoned Reasoned
	if errors.As(why, &reasoned) {
		reason = reasoned.Reason()
	}
	return s.store.Update(context.Background(), func(tx store.Tx) error {
		run, err := tx.Run(id)
		if errors.Is(err, store.ErrNotFound) || err == nil && run.Status.Terminal() {
			return nil
		}
		if err != nil {
			return err
		}
		_, err = s.endRun(tx, run, schema.RunFailed, reason, text)
		return err
	})
}

// start makes the run running.
func (t *Turn) start() error {
	return unkept(t.chat.store.Update(context.Background(), func(tx store.Tx) error {
		run, err := runAt(tx, t.Run.ID, schema.RunQueued)
		if err != nil {
			return err
		}
		now := t.chat.now()
		run.Status, run.StartedAt = schema.RunRunning, &now
		if err := tx.UpdateRun(run); err != nil {
			return err
		}
		return t.Append(tx, schema.EventStarted, schema.Started{MessageID: run.MessageID})
	}))
}

// answer has the work done, within the time that it has.
func (t *Turn) answer() (reply Reply, err error) {
	ctx, cancel := context.WithTimeoutCause(t.ctx, t.chat.timeout, errTooLong)
	defer cancel()
	defer t.limit(ctx)()
	defer func() {
		if v := recover(); v != nil {
			t.chat.log.Error("panic in a turn", "agent", t.Run.AgentID, "run", t.Run.ID, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			err = fmt.Errorf("the brain panicked: %v", v)
		}
	}()
	if reply, err = t.chat.work(ctx, t); err != nil {
		return Reply{}, t.interrupted(ctx, err)
	}
	if reply.Content = valid(reply.Content); reply.Content == "" {
		reply.Content = t.said.String()
	}
	switch n := len(reply.Content); {
	case n == 0:
		return Reply{}, t.interrupted(ctx, errors.New("the brain ended without a reply"))
	case n > schema.MaxMessageBytes:
		return Reply{}, tooLong(n)
	}
	return reply, nil
}

var errTooLong = errors.New("the turn took too long")

func tooLong(n int) error {
	return fmt.Errorf("the reply has %d bytes; at most %d are allowed", n, schema.MaxMessageBytes)
}

// interrupted tells an error of the work itself from what the end of ctx made of it.
func (t *Turn) interrupted(ctx context.Context, err error) error {
	switch {
	case ctx.Err() == nil:
		return err
	case errors.Is(context.Cause(ctx), errTooLong):
		return fmt.Errorf("the brain did not finish within %s", t.chat.timeout)
	}
	return ErrOver
}

// limit fails the run when its time is over, even if the work takes no notice. The function that it returns ends the watch.
func (t *Turn) limit(ctx context.Context) (stop func()) {
	done := make(chan struct{})
	halt := context.AfterFunc(ctx, func() {
		defer close(done)
		if !errors.Is(context.Cause(ctx), errTooLong) {
			return
		}
		if err := t.chat.failRun(t.Run.ID, t.interrupted(ctx, errTooLong)); err != nil {
			t.chat.log.Error("cannot keep that a turn took too long", "run", t.Run.ID, "error", err)
		}
	})
	return func() {
		if !halt() {
			<-done
		}
	}
}

// finish keeps the reply and the end of the run in one commit.
func (t *Turn) finish(said Reply) error {
	s, id := t.chat, t.chat.ids.Next(ids.Message)
	return unkept(s.store.Update(context.Background(), func(tx store.Tx) error {
		run, err := runAt(tx, t.Run.ID, schema.RunRunning)
		if err != nil {
			return err
		}
		now := s.now()
		reply := schema.Message{
			ID: id, ConversationID: run.ConversationID, Role: schema.RoleAgent, Content: said.Content,
			AgentID: run.AgentID, RunID: run.ID, Emotion: said.Emotion, CreatedAt: now,
		}
		run.Status, run.ReplyID, run.Reply, run.FinishedAt = schema.RunCompleted, id, &reply, &now
		if err := tx.UpdateRun(run); err != nil {
			return err
		}
		if err := tx.InsertMessage(t.conversation, reply); err != nil {
			return err
		}
		tx.OnCommit(func() { s.turns.over(run.ID) })
		e, payload := ending(run)
		_, err = store.Append(tx, e, now, payload)
		return err
	}))
}

func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// clip bounds a text without cutting a character apart.
func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	const more = "…"
	return strings.ToValidUTF8(s[:limit-len(more)], "") + more
}
