//go:build unix

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk/client"
)

// counts is how far the agents count in a turn.
const counts = 40

// upTo is what an agent says that counts.
func upTo(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%d ", i+1)
	}
	return b.String()
}

// startCounter starts a host with two agents for which a process counts: one that is quick, and one whose first word takes a second.
func startCounter(t *testing.T) *server {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", filepath.Join(dir, "counter"), "github.com/stagehouse/stagehouse/examples/brain").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	file := filepath.Join(dir, "stagehouse.json")
	write(t, file, fmt.Sprintf(`{
		"extensions": {
			"api": {"port": 0},
			"quick": {"pauseMs": 15, "plugin": {"path": "counter"}},
			"slow": {"pauseMs": 1000, "plugin": {"path": "counter"}}
		},
		"agents": [
			{"id": "luna", "brain": {"provider": "quick", "upTo": %d}},
			{"id": "sol", "brain": {"provider": "slow", "upTo": 2, "fallback": [{"provider": "quick", "upTo": 2}]}}
		]
	}`, counts))
	return start(t, t.TempDir(), "--config", file)
}

// listener has turns, one after the other, until it is told to stop, and holds each of them to be whole.
type listener struct {
	agent string
	want  string
	turns atomic.Int64
}

// streams follows turns event by event.
func (l *listener) streams(ctx context.Context, t *testing.T, c *client.Client, stop *atomic.Bool) {
	for !stop.Load() {
		turn, err := c.Chat(ctx, client.Message{AgentID: l.agent, Text: "Count."})
		if err != nil {
			t.Errorf("%s: %v", l.agent, err)
			return
		}
		var said string
		ends, deltas := 0, 0
		for e, err := range turn.All(ctx) {
			switch {
			case err != nil:
				t.Errorf("%s: %v", turn.RunID, err)
				return
			case e.Type == schema.EventGap:
				t.Errorf("%s: there is a gap", turn.RunID)
			case e.Type == schema.EventDelta:
				var d schema.Delta
				if err := json.Unmarshal(e.Payload, &d); err != nil || d.Index != deltas {
					t.Errorf("%s: delta %d is %s, %v", turn.RunID, deltas, e.Payload, err)
				}
				said, deltas = said+d.Delta, deltas+1
			case e.Type.Terminal():
				ends++
			}
		}
		reply, err := turn.Reply(ctx)
		if err != nil || ends != 1 || said != l.want || reply.Content != said {
			t.Errorf("%s says %q, replies %q, and ends %d times: %v", turn.RunID, said, reply.Content, ends, err)
		}
		l.turns.Add(1)
	}
}

// posts has turns over HTTP, whose answer is the whole reply.
func (l *listener) posts(s *server, t *testing.T, stop *atomic.Bool) {
	c := newClient(t)
	c.Transport = &http.Transport{DisableKeepAlives: true}
	for !stop.Load() {
		a, err := s.try(c, s.token, http.MethodPost, "/api/chat/send", map[string]any{"agentId": l.agent, "message": "Count."})
		if err != nil {
			t.Errorf("%s: %v", l.agent, err)
			return
		}
		reply, _ := a.json["reply"].(map[string]any)
		if a.StatusCode != http.StatusOK || reply["content"] != l.want {
			t.Errorf("%s answers %d: %s", l.agent, a.StatusCode, a.raw)
		}
		l.turns.Add(1)
	}
}

// TestProvidersAreReplacedKilledAndStalledUnderLoad: while many agents speak, the process that thinks for them is replaced, killed and
// stopped for a second, one that has not said its first word is, and the API server is replaced at the same time. No turn is lost,
// doubled or cut.
func TestProvidersAreReplacedKilledAndStalledUnderLoad(t *testing.T) {
	s := startCounter(t)
	begin, _ := s.do(newClient(t), http.StatusOK, http.MethodGet, "/api/events", nil).json["head"].(string)
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
	defer cancel()
	var stop atomic.Bool
	var clients sync.WaitGroup
	defer clients.Wait()
	defer stop.Store(true)
	var all []*listener
	for n := range 10 {
		l := &listener{agent: "luna", want: upTo(counts)}
		if n%4 == 3 {
			l.agent, l.want = "sol", upTo(2)
		}
		all = append(all, l)
		if n == 4 || n == 8 {
			clients.Go(func() { l.posts(s, t, &stop) })
			continue
		}
		c := s.client()
		clients.Go(func() { l.streams(ctx, t, c, &stop) })
	}
	total := func() (n int64) {
		for _, l := range all {
			n += l.turns.Load()
		}
		return n
	}
	reload := func(what string) {
		if _, stderr, code := s.ext("reload", what); code != 0 {
			t.Errorf("reload %s: %s", what, stderr)
		}
	}
	strikes := map[string]int{}
	for range 2 {
		for _, x := range []struct {
			name   string
			strike func()
		}{
			{"swap", func() { reload("quick") }},
			{"swap of what has not said a word", func() { reload("slow") }},
			{"swap of everything", func() { reload("--all") }},
			{"kill", func() { kill(t, s.extension("quick").PID) }},
			{"kill before the first word", func() { kill(t, s.extension("slow").PID) }},
			{"stall of a second", func() {
				pid := s.extension("quick").PID
				if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
					t.Error(err)
				}
				time.Sleep(time.Second) // how long it stalls, and nothing that is waited for
				if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
					t.Error(err)
				}
			}},
		} {
			before := total()
			x.strike()
			strikes[x.name]++
			eventually(t, "turns after a "+x.name, func() error {
				if now := total(); now < before+3 {
					return fmt.Errorf("%d more", now-before)
				}
				return nil
			})
			if t.Failed() {
				t.Fatalf("after a %s", x.name)
			}
		}
	}
	stop.Store(true)
	clients.Wait()
	for _, l := range all {
		if l.turns.Load() == 0 {
			t.Errorf("a client of %s has had no turn", l.agent)
		}
	}
	thoughts := string(s.do(newClient(t), http.StatusOK, http.MethodGet, "/api/events?events=thought&limit=200&since="+begin, nil).raw)
	again := strings.Count(thoughts, "I ask again") + strings.Count(thoughts, "I go on with")
	if again == 0 {
		t.Error("no turn was broken off, so that nothing was shown")
	}
	t.Logf("%d turns of %d clients, each of them whole, %d times gone on with after a break, over %v", total(), len(all), again, strikes)
}
