//go:build unix

package e2e

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk/client"
)

// saidEach is how many things each of those who talk says.
const saidEach = 60

// speaker says things in a conversation of its own, and keeps the run of each.
type speaker struct {
	name string
	say  func(ctx context.Context, m client.Message) (runID string, err error)
	runs map[string]string // texts by run
	done *atomic.Int64
}

func (p *speaker) talk(ctx context.Context) error {
	for n := range saidEach {
		text := fmt.Sprintf("message %d of %s", n, p.name)
		id, err := p.say(ctx, client.Message{AgentID: "aria", ConversationID: p.name, Text: text})
		if err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
		if other, twice := p.runs[id]; twice {
			return fmt.Errorf("%q and %q are one run", other, text)
		}
		p.runs[id] = text
		p.done.Add(1)
	}
	return nil
}

// chats says something over a socket, and waits for its end.
func chats(c *client.Client) func(context.Context, client.Message) (string, error) {
	return func(ctx context.Context, m client.Message) (string, error) {
		turn, err := c.Chat(ctx, m)
		if err != nil {
			return "", err
		}
		var ended *client.TurnError
		if _, err := turn.Reply(ctx); err != nil && !(errors.As(err, &ended) && ended.Reason == schema.ReasonHostRestarted) {
			return "", err
		}
		return turn.RunID, nil
	}
}

// sends says something over REST.
func sends(c *client.Client) func(context.Context, client.Message) (string, error) {
	return func(ctx context.Context, m client.Message) (string, error) {
		a, err := c.Send(ctx, m)
		var e *client.Error
		if errors.As(err, &e) && e.RunID != "" && e.Code == schema.CodeUnavailable { // the host died under it
			return e.RunID, nil
		}
		return a.RunID, err
	}
}

// TestClientOnce: while the API process is killed again and again, and the host once, every message has one run and no more than one
// reply, and every memory is there once; and no caller is left in doubt.
func TestClientOnce(t *testing.T) {
	data, port := t.TempDir(), "extensions.api.port="+strconv.Itoa(freePorts(t, 1)[0])
	s := start(t, data, "--set", port)
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
	defer cancel()
	c := s.client(client.WithBackoff(250*time.Millisecond, 5*time.Second))
	var done atomic.Int64
	speakers := []*speaker{}
	for i := range 4 {
		speakers = append(speakers,
			&speaker{name: fmt.Sprint("chat-", i), say: chats(c), runs: map[string]string{}, done: &done},
			&speaker{name: fmt.Sprint("send-", i), say: sends(c), runs: map[string]string{}, done: &done})
	}
	var talking sync.WaitGroup
	for _, p := range speakers {
		talking.Go(func() {
			if err := p.talk(ctx); err != nil {
				t.Error(err)
				cancel()
			}
		})
	}
	talking.Go(func() {
		for n := range saidEach {
			if _, err := c.StoreMemory(ctx, schema.NewMemory{AgentID: "nyx", Content: fmt.Sprint("memory ", n), Tags: []string{"once"}}); err != nil {
				t.Errorf("memory %d: %v", n, err)
				cancel()
				return
			}
		}
	})
	over := make(chan struct{})
	go func() { talking.Wait(); close(over) }()
	kills := s.killUntil(over, func(kills int) bool { return kills == 4 && done.Load() < int64(saidEach*len(speakers)) })
	if kills == 4 {
		s.kill9()
		s = start(t, data, "--set", port)
		kills += s.killUntil(over, func(int) bool { return false })
	}
	if kills < 3 {
		t.Errorf("all was said before the API process was killed %d times", kills+1)
	}
	c = s.client()
	for _, p := range speakers {
		checkSaid(t, c, p)
	}
	hits, err := c.SearchMemory(t.Context(), schema.MemoryQuery{Tags: []string{"once"}, Limit: schema.MaxPageSize})
	stored := map[string]int{}
	for _, hit := range hits {
		stored[hit.Memory.Content]++
	}
	if err != nil || len(hits) != saidEach || len(stored) != saidEach {
		t.Errorf("%d memories of %d, %d of them different: %v", len(hits), saidEach, len(stored), err)
	}
	t.Logf("%d messages, %d kills of the API process", done.Load(), kills)
}

// killUntil kills the API process as soon as it serves, until all is over or enough says so, and returns how often.
func (s *server) killUntil(over <-chan struct{}, enough func(kills int) bool) (kills int) {
	s.t.Helper()
	for {
		select {
		case <-over:
			return kills
		default:
		}
		if enough(kills) {
			return kills
		}
		pid := s.extension("api").PID
		kill(s.t, pid)
		if kills++; kills%3 == 0 { // or it would be given up
			if stdout, stderr, code := s.ext("reload", "api"); code != 0 {
				s.t.Fatalf("ext reload api: exit code %d\n%s%s", code, stdout, stderr)
			}
		}
		eventually(s.t, "the next API process", func() error {
			if now := s.extension("api"); now.PID == pid || now.State != "running" {
				return fmt.Errorf("it is %+v", now)
			}
			return nil
		})
	}
}

// checkSaid looks at what there is of what somebody said.
func checkSaid(t *testing.T, c *client.Client, p *speaker) {
	t.Helper()
	runs, replies, heard := map[string]schema.Run{}, map[string]int{}, map[string]int{}
	for run, err := range c.AllRuns(t.Context(), schema.RunsQuery{ConversationID: p.name}) {
		if err != nil {
			t.Fatal(err)
		}
		runs[run.ID] = run
	}
	for m, err := range c.AllMessages(t.Context(), schema.ConversationQuery{ID: p.name}) {
		if err != nil {
			t.Fatal(err)
		}
		switch m.Role {
		case schema.RoleUser:
			heard[m.Content]++
		case schema.RoleAgent:
			replies[m.RunID]++
		}
	}
	if len(runs) != saidEach || len(p.runs) != saidEach || len(heard) != saidEach {
		t.Errorf("%s has %d runs, was told of %d, and heard %d messages, of %d", p.name, len(runs), len(p.runs), len(heard), saidEach)
	}
	for id, text := range p.runs {
		run, there := runs[id]
		if !there || !run.Status.Terminal() || heard[text] != 1 {
			t.Errorf("%q, which was heard %d times, is run %+v", text, heard[text], run)
		}
		if replies[id] > 1 || run.Status == schema.RunCompleted && replies[id] == 0 {
			t.Errorf("run %s has %d replies", id, replies[id])
		}
	}
}
