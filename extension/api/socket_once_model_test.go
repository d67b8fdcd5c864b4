package api_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/stagehouse/stagehouse/schema"
)

// wild is a client that does what it likes.
type wild struct {
	t    *testing.T
	s    *socket
	held float64
	runs map[string]map[float64]bool // the chat frames that it was sent
	mine map[string]bool             // runs of its own commands
	over map[string]bool
}

// TestCommandsAtRandom has clients of one principal say the same messages at the same time, over sockets that subscribe and
// unsubscribe as they like. However it goes, a message begins one turn, and each socket that has said it is sent every frame
// of that once.
func TestCommandsAtRandom(t *testing.T) {
	host := realHost(t)
	w := start(t, `"rateLimit":{"windowMs":1000,"max":100000}`, host)
	const clients, keys = 6, 8
	var byKey sync.Map
	all := make([]*wild, clients)
	var busy sync.WaitGroup
	for i := range all {
		c := &wild{t: t, s: w.login("alice"), runs: map[string]map[float64]bool{}, mine: map[string]bool{}, over: map[string]bool{}}
		all[i] = c
		busy.Go(func() {
			for range 25 {
				if err := c.act(keys, &byKey); err != nil {
					t.Error(err)
					return
				}
			}
			if err := c.finish(); err != nil {
				t.Error(err)
			}
		})
	}
	busy.Wait()
	if t.Failed() {
		return
	}
	runs, err := host.Chat.Runs(schema.WithCaller(t.Context(), schema.Caller{Principal: "alice", Scopes: []schema.Scope{schema.ScopeChat}}), schema.RunsQuery{})
	if err != nil || len(runs.Runs) > keys {
		t.Errorf("%d keys began %d turns, %v", keys, len(runs.Runs), err)
	}
	for i, c := range all {
		for run := range c.mine {
			sent := c.runs[run]
			for _, seq := range framesOf(t, host, run) {
				if !sent[seq] {
					t.Errorf("client %d was not sent event %v of run %s", i, seq, run)
				}
				delete(sent, seq)
			}
			if len(sent) > 0 {
				t.Errorf("client %d was sent %v, which is not of run %s", i, sent, run)
			}
		}
	}
}

// act sends a command and reads up to its answer.
func (c *wild) act(keys int, byKey *sync.Map) error {
	events := []string{`["*"]`, `["chat:*"]`, `["queued","reply"]`, `["thought"]`, `[]`}[rand.IntN(5)]
	agents := []string{``, `,"agents":["nyx"]`, `,"agents":["aria"]`}[rand.IntN(3)]
	switch rand.IntN(4) {
	case 0:
		_, err := c.ask(fmt.Sprintf(`{"type":"subscribe","events":%s%s}`, events, agents), "subscribed")
		return err
	case 1:
		_, err := c.ask(fmt.Sprintf(`{"type":"unsubscribe","events":%s%s}`, events, agents), "unsubscribed")
		return err
	}
	key := rand.IntN(keys)
	ack, err := c.ask(fmt.Sprintf(`{"type":"chat:message","agentId":"nyx","message":"Hello!","idempotencyKey":"%d"}`, key), "ack")
	if err != nil {
		return err
	}
	run := ack.text("runId")
	if first, there := byKey.LoadOrStore(key, run); there && first != run {
		return fmt.Errorf("key %d is run %s and run %s", key, first, run)
	}
	c.mine[run] = true
	return nil
}

func (c *wild) ask(text, answer string) (frame, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.s.conn.Write(ctx, 1, []byte(text)); err != nil {
		return nil, err
	}
	for {
		f, err := c.one()
		if err != nil || f.kind() == answer {
			return f, err
		}
	}
}

// one reads a frame.
func (c *wild) one() (frame, error) {
	f, err := c.s.next()
	if err != nil {
		return nil, err
	}
	seq, placed := f["seq"].(float64)
	prev, chained := f["prevSeq"].(float64)
	switch {
	case f.kind() == "error":
		return f, fmt.Errorf("got %v", f)
	case f.kind() == "subscribed":
		c.held = max(c.held, numberOf(c.t, f.text("head")))
	case chained && prev != c.held, chained && seq <= c.held, placed && !chained && seq > c.held:
		return f, fmt.Errorf("held %v, got %v", c.held, f)
	case chained:
		c.held = seq
	}
	if placed && strings.HasPrefix(f.kind(), "chat:") {
		run := f.text("runId")
		if c.runs[run] == nil {
			c.runs[run] = map[float64]bool{}
		}
		if c.runs[run][seq] {
			return f, fmt.Errorf("%v comes twice", f)
		}
		c.runs[run][seq] = true
		c.over[run] = c.over[run] || schema.EventType(f.kind()).Terminal()
	}
	return f, nil
}

// finish reads to the end of every turn that the client has asked for.
func (c *wild) finish() error {
	for run := range c.mine {
		for !c.over[run] {
			if _, err := c.one(); err != nil {
				return err
			}
		}
	}
	_, err := c.ask(nothing, "unsubscribed")
	return err
}
