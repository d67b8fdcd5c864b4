package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/stagehouse/stagehouse/sdk"
)

const (
	stateName = "chats.json"
	retryMax  = time.Minute
	mostOpen  = 1000 // messages that are not answered yet; then the service keeps what comes
	maxText   = 4000 // characters of one message; the service takes 4096 units of UTF-16
)

// item is a message of a chat that is not answered yet.
type item struct {
	Update int64  `json:"update"`
	Chat   int64  `json:"chat"`
	Date   int64  `json:"date"`
	Text   string `json:"text"`
	Sent   int    `json:"sent"` // pieces of the answer that the service has
}

// state is what is kept: where to go on, and what is not answered yet, in the order in which it came. A message is in there before the
// service is told that it was dealt with.
type state struct {
	Offset int64   `json:"offset"`
	Open   []*item `json:"open"`
}

// keeper carries messages to and fro.
type keeper struct {
	*bridge
	host *sdk.Host
	bot  *bot

	mu      sync.Mutex
	state   state
	queues  map[int64][]*item // by chat: what is waited for, the first one being at work
	working sync.WaitGroup
}

// run carries messages until ctx ends. What is open then is in the state.
func (k *keeper) run(ctx context.Context) error {
	defer k.bot.http.CloseIdleConnections()
	if _, err := k.host.State.Load(stateName, &k.state); err != nil {
		return err
	}
	for _, it := range k.state.Open {
		k.enqueue(ctx, it)
	}
	pauses := k.pauses()
	for ctx.Err() == nil {
		if k.full() {
			sleep(ctx, time.Second)
			continue
		}
		err := k.listen(ctx)
		if err == nil {
			pauses.Reset()
			continue
		}
		if ctx.Err() == nil {
			k.host.Log.Warn("listen to the chat service; trying again", "error", err.Error())
			sleep(ctx, max(pauses.NextBackOff(), retryAfter(err)))
		}
	}
	k.working.Wait()
	return nil
}

func (k *keeper) pauses() *backoff.ExponentialBackOff {
	return &backoff.ExponentialBackOff{
		InitialInterval: time.Duration(k.RetryMinMs) * time.Millisecond, MaxInterval: retryMax,
		Multiplier: 2, RandomizationFactor: backoff.DefaultRandomizationFactor,
	}
}

func (k *keeper) full() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.state.Open) >= mostOpen
}

// listen takes what the service has, and keeps it.
func (k *keeper) listen(ctx context.Context) error {
	k.mu.Lock()
	offset := k.state.Offset
	k.mu.Unlock()
	all, err := k.bot.updates(ctx, offset)
	if err != nil || len(all) == 0 {
		return err
	}
	var fresh []*item
	for _, u := range all {
		if u.ID < offset {
			continue // it was dealt with
		}
		offset = u.ID + 1
		if m := u.Message; m != nil && m.Text != "" && k.hears(m.Chat.ID) {
			fresh = append(fresh, &item{Update: u.ID, Chat: m.Chat.ID, Date: m.Date, Text: m.Text})
		}
	}
	if err := k.change(func(s *state) { s.Offset, s.Open = offset, append(s.Open, fresh...) }); err != nil {
		return err // the service still has it
	}
	for _, it := range fresh {
		k.enqueue(ctx, it)
	}
	return nil
}

// change changes the state, on the disk first.
func (k *keeper) change(f func(s *state)) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := state{Offset: k.state.Offset, Open: slices.Clone(k.state.Open)}
	f(&s)
	if err := k.host.State.Save(stateName, s); err != nil {
		return err
	}
	k.state = s
	return nil
}

// enqueue has a message answered after those of its chat that came before.
func (k *keeper) enqueue(ctx context.Context, it *item) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.queues[it.Chat] = append(k.queues[it.Chat], it)
	if len(k.queues[it.Chat]) > 1 {
		return
	}
	k.working.Go(func() {
		for next := it; next != nil; next = k.next(next) {
			if !k.answer(ctx, next) {
				return
			}
		}
	})
}

// next takes an answered message off its queue, and returns the one behind it.
func (k *keeper) next(it *item) *item {
	k.mu.Lock()
	defer k.mu.Unlock()
	rest := k.queues[it.Chat][1:]
	if len(rest) == 0 {
		delete(k.queues, it.Chat)
		return nil
	}
	k.queues[it.Chat] = rest
	return rest[0]
}

// answer carries a message to its agent, and what that says back. It returns false if ctx has ended before.
func (k *keeper) answer(ctx context.Context, it *item) bool {
	log := k.host.Log.With("chat", it.Chat, "update", it.Update)
	text := ""
	if !k.persist(ctx, "ask the agent", func() (err error) { text, err = k.ask(ctx, it); return err }) {
		return false
	}
	pieces := split(text)
	for i := it.Sent; i < len(pieces); i++ {
		ok := k.persist(ctx, "tell the chat service", func() error {
			err := k.bot.say(context.WithoutCancel(ctx), it.Chat, pieces[i])
			if err != nil && !again(err) {
				log.Error("the chat service does not take the answer, which is dropped", "error", err.Error())
				return nil
			}
			return err
		})
		if !ok {
			return false
		}
		// From here to there is the only moment at which a process that dies leaves it open what the service has.
		if !k.persist(context.WithoutCancel(ctx), "keep what was said", func() error {
			return k.change(func(s *state) { s.sent(it.Update, i+1) })
		}) {
			return false
		}
	}
	return k.persist(context.WithoutCancel(ctx), "keep what was said", func() error {
		return k.change(func(s *state) {
			s.Open = slices.DeleteFunc(s.Open, func(o *item) bool { return o.Update == it.Update })
		})
	})
}

// sent takes note of how many pieces of an answer the service has.
func (s *state) sent(id int64, n int) {
	for i, o := range s.Open {
		if o.Update == id {
			later := *o
			later.Sent = n
			s.Open[i] = &later
		}
	}
}

// persist tries something until it works, and reports whether that came to be before ctx ended.
func (k *keeper) persist(ctx context.Context, what string, try func() error) bool {
	pauses := k.pauses()
	for {
		err := try()
		switch {
		case err == nil:
			return true
		case ctx.Err() != nil:
			return false
		}
		pause := max(pauses.NextBackOff(), retryAfter(err))
		k.host.Log.Warn("something failed; trying again", "what", what, "pause", pause.String(), "error", err.Error())
		if !sleep(ctx, pause) {
			return false
		}
	}
}

func retryAfter(err error) time.Duration {
	var e *apiError
	if errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}

// split parts a text into pieces that the service takes.
func split(text string) (pieces []string) {
	runes := []rune(text)
	for len(runes) > 0 {
		n := min(len(runes), maxText)
		pieces, runes = append(pieces, string(runes[:n])), runes[n:]
	}
	return pieces
}

// sleep waits, and reports whether ctx still holds.
func sleep(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// conversation returns the one of a chat.
func conversation(chat int64) string { return fmt.Sprintf("chat%d", chat) }
