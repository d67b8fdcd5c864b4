//go:build unix

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk/client"
)

// client returns a client of the library.
func (s *server) client(opts ...client.Option) *client.Client {
	s.t.Helper()
	log := &syncBuffer{}
	opts = append([]client.Option{
		client.WithToken(s.token), client.WithBackoff(10*time.Millisecond, time.Second), client.WithOpenTimeout(patience),
		client.WithLogger(slog.New(slog.NewTextHandler(log, nil))), client.WithHTTPClient(&http.Client{Transport: newClient(s.t).Transport}),
	}, opts...)
	c, err := client.New(s.base, opts...)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		c.Close()
		if s.t.Failed() {
			s.t.Logf("log of a client:\n%.10000s", log.String())
		}
	})
	return c
}

// talker has turns, one after the other, until it is told to stop.
type talker struct {
	t    *testing.T
	c    *client.Client
	name string
	stop atomic.Bool

	turns  atomic.Int64
	failed atomic.Int64 // because the host has died

	mu  sync.Mutex
	ran map[string]string // the text that each run was begun with
}

func (k *talker) talk(ctx context.Context) {
	for n := 0; !k.stop.Load(); n++ {
		text := fmt.Sprintf("message %d of %s", n, k.name)
		turn, err := k.c.Chat(ctx, client.Message{AgentID: "aria", ConversationID: k.name, Text: text})
		if err != nil {
			k.t.Errorf("%s: %v", text, err)
			return
		}
		k.mu.Lock()
		k.ran[turn.RunID] = text
		k.mu.Unlock()
		var streamed string
		for piece, err := range turn.Deltas(ctx) {
			if err == nil {
				streamed += piece
			}
		}
		reply, err := turn.Reply(ctx)
		var ended *client.TurnError
		switch {
		case errors.As(err, &ended) && (ended.Reason == schema.ReasonHostRestarted || ended.Reason == schema.ReasonShutdown):
			k.failed.Add(1)
		case err != nil:
			k.t.Errorf("%s: %v", text, err)
			return
		case reply.Content != streamed:
			k.t.Errorf("%s: streamed %q for the reply %q", text, streamed, reply.Content)
		}
		k.turns.Add(1)
	}
}

// TestClientOverKills talks and follows the log while the API process is killed and replaced, and the host killed and
// restarted. A stream is the whole log, once and in order, whether it is read as it comes or in the end only. Every message has one
// turn, and that an end; nobody is ever told that it is not known.
func TestClientOverKills(t *testing.T) {
	data, port := t.TempDir(), "extensions.api.port="+strconv.Itoa(freePorts(t, 1)[0])
	s := start(t, data, "--set", port)
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	c := s.client()
	events, err := c.Events(ctx, client.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	defer events.Close()
	seen := watch(ctx, t, c)
	talkers := make([]*talker, 3)
	var talking sync.WaitGroup
	for i := range talkers {
		k := &talker{t: t, c: c, name: fmt.Sprint("talker-", i), ran: map[string]string{}}
		talkers[i] = k
		talking.Go(func() { k.talk(ctx) })
	}
	more := func(after string) {
		t.Helper()
		for _, k := range talkers {
			eventually(t, "turns after "+after, atLeast(&k.turns, k.turns.Load()+3))
		}
	}
	more("the start")
	for range 2 {
		kill(t, s.extension("api").PID)
		more("kill -9 of the API process")
		if stdout, stderr, code := s.ext("reload", "api"); code != 0 {
			t.Fatalf("ext reload api: exit code %d\n%s%s", code, stdout, stderr)
		}
		more("a reload")
	}
	s.kill9()
	s = start(t, data, "--set", port)
	more("kill -9 of the host")
	s.signal(syscall.SIGTERM)
	s.wait()
	start(t, data, "--set", port)
	more("a restart of the host")
	for _, k := range talkers {
		k.stop.Store(true)
	}
	talking.Wait()
	head := checkLog(ctx, t, events, talkers)
	eventually(t, "the stream that is read as it comes", atLeast(seen, int64(head.Seq)))
}

// watch reads a stream as it comes, and returns the number of the last event.
func watch(ctx context.Context, t *testing.T, c *client.Client) *atomic.Int64 {
	t.Helper()
	events, err := c.Events(ctx, client.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	seen := &atomic.Int64{}
	at := events.Place()
	go func() { // until the client is closed
		for e, err := range events.All(ctx) {
			if err != nil {
				return
			}
			if e.Cursor.Seq != at.Seq+1 || e.Type == schema.EventGap {
				t.Errorf("after %s comes %s %s", at, e.Type, e.Cursor)
			}
			at = e.Cursor
			seen.Store(int64(at.Seq))
		}
	}()
	return seen
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// checkLog reads a stream up to the end of every turn, and returns the place of that.
func checkLog(ctx context.Context, t *testing.T, events *client.Stream, talkers []*talker) schema.Cursor {
	t.Helper()
	open, heard := map[string]string{}, map[string]int{}
	for _, k := range talkers {
		for id, text := range k.ran {
			open[id] = text
		}
	}
	turns := len(open)
	at := events.Place()
	for e, err := range events.All(ctx) {
		if err != nil {
			t.Fatalf("after %s, with %d turns to come: %v", at, len(open), err)
		}
		if e.Cursor.Seq != at.Seq+1 || e.Type == schema.EventGap {
			t.Fatalf("after %s comes %s %s", at, e.Type, e.Cursor)
		}
		at = e.Cursor
		var q schema.Queued
		if e.Type == schema.EventQueued && json.Unmarshal(e.Payload, &q) == nil {
			heard[q.Message.Content]++
			if want, ok := open[e.RunID]; ok && want != q.Message.Content {
				t.Errorf("run %s was begun with %q and not with %q", e.RunID, q.Message.Content, want)
			}
		}
		if e.Type.Terminal() {
			delete(open, e.RunID)
		}
		if len(open) == 0 {
			break
		}
	}
	var failed int64
	for _, k := range talkers {
		failed += k.failed.Load()
		for _, text := range k.ran {
			if heard[text] != 1 {
				t.Errorf("%q was accepted %d times", text, heard[text])
			}
			delete(heard, text)
		}
	}
	if len(heard) != 0 {
		t.Errorf("nobody has said %v", heard)
	}
	t.Logf("%d turns, of which the host has left %d; up to %s", turns, failed, at)
	return at
}

// TestClientOfARevokedToken stops, and says why.
func TestClientOfARevokedToken(t *testing.T) {
	s := start(t, t.TempDir(), "--set", "extensions.api.port=0")
	c := s.client(client.WithToken(s.created("guest", "read")))
	events, err := c.Events(t.Context(), client.Filter{Agents: []string{"nyx"}})
	if err != nil {
		t.Fatal(err)
	}
	defer events.Close()
	if _, err := c.Chat(t.Context(), client.Message{AgentID: "nyx", Text: "Hello!"}); schema.CodeOf(err) != schema.CodePermissionDenied {
		t.Errorf("Chat with the scope read: %v", err)
	}
	if _, stderr, code := run(t, "", "token", "revoke", "guest", "--data", s.data); code != 0 {
		t.Fatalf("token revoke: exit code %d\n%s", code, stderr)
	}
	if e, err := events.Next(t.Context()); schema.CodeOf(err) != schema.CodeUnauthenticated {
		t.Errorf("after the token was revoked: %v, %v", e.Type, err)
	}
	if _, err := c.Agents(t.Context(), schema.AgentQuery{}); schema.CodeOf(err) != schema.CodeUnauthenticated {
		t.Errorf("Agents: %v", err)
	}
}
