package local_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/host/local"
	"github.com/stagehouse/stagehouse/schema"
)

// crashDir names the environment variable that makes this binary the host which is killed.
const crashDir = "STAGEHOUSE_TEST_CRASH_DIR"

// talkUntilKilled is a host that has acknowledged several things, has a turn at work and one waiting, and is killed.
func talkUntilKilled(dir string) {
	g := newGate()
	o := scripted(g.brain)
	o.Dir, o.Agents = dir, append(o.Agents, local.StarterAgents()...)
	r, err := local.Open(context.Background(), o)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	s := r.Services()
	ctx := schema.WithCaller(context.Background(), schema.Caller{Principal: "alice", Scopes: []schema.Scope{schema.ScopeAdmin}})
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	item, err := s.Memory.Store(ctx, schema.NewMemory{AgentID: "nyx", Content: "acknowledged"})
	fail(err)
	_, err = s.Agents.Update(ctx, "nyx", schema.AgentPatch{Persona: schema.Set("acknowledged")})
	fail(err)
	_, err = s.Agents.Stop(ctx, "aria")
	fail(err)
	ids := []string{item.ID}
	for range 2 {
		for e, err := range s.Chat.Send(ctx, schema.SendRequest{AgentID: "bot", ConversationID: "c", Message: "acknowledged"}) {
			fail(err)
			ids = append(ids, e.Accepted.RunID)
			break
		}
	}
	<-g.entered
	head, err := s.Events.Head(ctx)
	fail(err)
	fmt.Println(strings.Join(append(ids, head.String()), " "))
	<-make(chan struct{})
}

func TestKilledHost(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), crashDir+"="+dir)
	cmd.Stderr = os.Stderr
	out := must2nd(cmd.StdoutPipe())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	said := strings.Fields(line)
	since := must[schema.Cursor](t)(schema.ParseCursor(said[3]))

	o := scripted(echo)
	o.Dir, o.Agents = dir, append(o.Agents, local.StarterAgents()...)
	s := open(t, o).Services()
	ctx := as(t, "alice", schema.ScopeAdmin)
	if m := must[schema.MemoryItem](t)(s.Memory.Get(ctx, "nyx", said[0])); m.Content != "acknowledged" {
		t.Errorf("memory is %+v", m)
	}
	if a := must[schema.Agent](t)(s.Agents.Get(ctx, "nyx")); a.Persona != "acknowledged" || a.Status != schema.AgentRunning {
		t.Errorf("nyx is %+v", a)
	}
	if a := must[schema.Agent](t)(s.Agents.Get(ctx, "aria")); a.Status != schema.AgentStopped {
		t.Errorf("aria was stopped by a client and is %s", a.Status)
	}
	c := must[schema.Conversation](t)(s.Chat.Conversation(ctx, schema.ConversationQuery{ID: "c"}))
	told := map[string]bool{} // a client that looks at the conversation sees that no reply will come
	for _, m := range c.Messages {
		if m.Role == schema.RoleSystem && strings.Contains(m.Content, "failed") {
			told[m.RunID] = true
		}
	}
	if len(c.Messages) != 4 || !told[said[1]] || !told[said[2]] {
		t.Errorf("conversation is %+v", c)
	}
	failed := map[string]bool{}
	var path []string
	for e, err := range s.Events.Subscribe(ctx, schema.EventQuery{Since: since}) {
		if err != nil || e.Type == schema.EventGap {
			t.Fatalf("%s %v", e.Type, err)
		}
		if e.Type == schema.EventFailed && strings.Contains(string(e.Payload), schema.ReasonHostRestarted) {
			failed[e.RunID] = true
		}
		if e.AgentID == "bot" && e.Type == schema.EventStatus {
			path = append(path, string(e.Payload[11:19]))
		}
		if len(failed) == 2 && len(path) == 3 {
			break
		}
	}
	for _, id := range said[1:3] {
		run := must[schema.Run](t)(s.Chat.Run(ctx, id))
		if run.Status != schema.RunFailed || run.Reason != schema.ReasonHostRestarted || run.FinishedAt == nil || !failed[id] {
			t.Errorf("run is %+v, event seen: %v", run, failed[id])
		}
	}
}

func must2nd[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestMergeOfDeclarations opens the same database with declarations that change, while clients change agents too.
func TestMergeOfDeclarations(t *testing.T) {
	dir := t.TempDir()
	off := false
	ctx := admin(t)
	with := func(specs []local.AgentSpec, fn func(s schema.Services)) {
		t.Helper()
		r := open(t, local.Options{Dir: dir, Agents: specs})
		fn(r.Services())
		shut(t, r)
	}
	want := func(s schema.Services, id, name, description string, status schema.AgentStatus) schema.Agent {
		t.Helper()
		a := must[schema.Agent](t)(s.Agents.Get(ctx, id))
		if a.Name != name || a.Description != description || a.Status != status {
			t.Errorf("%s is %q, %q, %s; want %q, %q, %s", id, a.Name, a.Description, a.Status, name, description, status)
		}
		return a
	}
	spec := func(name, description string) []local.AgentSpec {
		return []local.AgentSpec{{ID: "a", Name: name, Description: description}, {ID: "b", Autostart: &off}}
	}
	with(spec("one", "d"), func(s schema.Services) {
		want(s, "a", "one", "d", schema.AgentRunning)
		want(s, "b", "b", "", schema.AgentStopped)
		must[schema.Agent](t)(s.Agents.Update(ctx, "a", schema.AgentPatch{Name: schema.Set("put"), Description: schema.Set("put")}))
		must[schema.Agent](t)(s.Agents.Stop(ctx, "a"))
		must[schema.Agent](t)(s.Agents.Start(ctx, "b"))
	})
	with(spec("one", "d"), func(s schema.Services) { // nothing changed in the declaration
		want(s, "a", "put", "put", schema.AgentStopped)
		want(s, "b", "b", "", schema.AgentRunning)
	})
	with(spec("two", "d"), func(s schema.Services) { // the name changed
		want(s, "a", "two", "put", schema.AgentStopped)
	})
	with([]local.AgentSpec{{ID: "a", Name: "two", Description: "d", Autostart: &off}}, func(s schema.Services) { // b is not declared
		want(s, "a", "two", "put", schema.AgentStopped)
		want(s, "b", "b", "", schema.AgentStopped)
		must[schema.Agent](t)(s.Agents.Start(ctx, "b"))
	})
	with(spec("two", "d"), func(s schema.Services) { // a starts by itself again, b is declared anew
		want(s, "a", "two", "put", schema.AgentRunning)
		want(s, "b", "b", "", schema.AgentStopped)
	})
	with([]local.AgentSpec{}, func(s schema.Services) {
		want(s, "a", "two", "put", schema.AgentStopped)
	})
}

func TestBadDeclarations(t *testing.T) {
	for name, c := range map[string]struct {
		specs []local.AgentSpec
		says  string
	}{
		"no id":    {[]local.AgentSpec{{Name: "x"}}, "/agents/0/id"},
		"bad id":   {[]local.AgentSpec{{ID: "ok"}, {ID: "not ok"}}, "/agents/1/id"},
		"twice":    {[]local.AgentSpec{{ID: "x"}, {ID: "x"}}, "declared twice"},
		"too long": {[]local.AgentSpec{{ID: "x", Name: strings.Repeat("x", 1000)}}, "/agents/0/name"},
	} {
		r, err := local.Open(t.Context(), local.Options{Dir: t.TempDir(), Agents: c.specs})
		if err == nil {
			shut(t, r)
		}
		if schema.CodeOf(err) != schema.CodeInvalidArgument || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want a text with %q", name, err, c.says)
		}
	}
}

// oldest returns the gap that a reader is told of who was at since; nil = the log reaches back to there.
func oldest(ctx context.Context, t testing.TB, r *local.Runtime, since schema.Cursor) *schema.Event {
	t.Helper()
	for e, err := range r.Services().Events.Subscribe(ctx, schema.EventQuery{Since: since, Until: since}) {
		if err != nil {
			t.Fatal(err)
		}
		return &e
	}
	return nil
}

func TestEvents(t *testing.T) {
	t.Run("old ones are evicted and a reader is told", func(t *testing.T) {
		r := open(t, local.Options{RetainEvents: 50})
		ctx := alice(t)
		s := r.Services()
		begin := must[schema.Cursor](t)(s.Events.Head(ctx))
		for gap := false; !gap; {
			must[turn](t)(say(ctx, r, schema.SendRequest{AgentID: "nyx", Message: "Hello!"}))
			for e, err := range s.Events.Subscribe(ctx, schema.EventQuery{Since: begin}) {
				if err != nil {
					t.Fatal(err)
				}
				gap = e.Type == schema.EventGap
				break
			}
		}
	})
	t.Run("aged ones are evicted, the newest one is not", func(t *testing.T) {
		clock := newClock()
		o := local.Options{Dir: t.TempDir(), Now: clock.Now, RetainAge: time.Hour}
		r := open(t, o)
		ctx := alice(t)
		s := r.Services()
		begin := must[schema.Cursor](t)(s.Events.Head(ctx))
		must[turn](t)(say(ctx, r, schema.SendRequest{AgentID: "nyx", Message: "Hello!"}))
		head := must[schema.Cursor](t)(s.Events.Head(ctx))
		shut(t, r)

		clock.move(59 * time.Minute)
		r = open(t, o) // which looks at once, and finds none
		if gap := oldest(ctx, t, r, begin); gap != nil {
			t.Errorf("after 59 minutes there is %s", gap.Payload)
		}
		shut(t, r)
		clock.move(2 * time.Minute)
		r = open(t, o)
		gap := oldest(ctx, t, r, begin)
		for ; gap == nil; gap = oldest(ctx, t, r, begin) { // until it has looked, or ctx ends
			if ctx.Err() != nil {
				t.Fatal("nothing was evicted")
			}
		}
		if gap.Cursor.Seq < head.Seq || must[schema.Cursor](t)(r.Services().Events.Head(ctx)).Seq <= gap.Cursor.Seq {
			t.Errorf("the gap ends at %s; the turn ended at %s", gap.Cursor, head)
		}
	})
	t.Run("and while it runs", func(t *testing.T) {
		clock := newClock()
		r := open(t, local.Options{Now: clock.Now, RetainAge: 100 * time.Millisecond})
		ctx := alice(t)
		begin := must[schema.Cursor](t)(r.Services().Events.Head(ctx))
		must[turn](t)(say(ctx, r, schema.SendRequest{AgentID: "nyx", Message: "Hello!"}))
		clock.move(time.Second)
		for oldest(ctx, t, r, begin) == nil {
			if ctx.Err() != nil {
				t.Fatal("nothing was evicted")
			}
		}
		head := must[schema.Cursor](t)(r.Services().Events.Head(ctx))
		if gap := oldest(ctx, t, r, schema.Cursor{Epoch: head.Epoch, Seq: head.Seq - 1}); gap != nil {
			t.Errorf("the newest event is gone: %s", gap.Payload)
		}
	})
	t.Run("state is there before its event", func(t *testing.T) {
		r := open(t, local.Options{})
		ctx := admin(t)
		s := r.Services()
		events := s.Events.Subscribe(ctx, schema.EventQuery{Agents: []string{"nyx"}, Types: []schema.EventType{schema.EventUpdated}})
		const n = 50
		go func() {
			for i := range n {
				if _, err := s.Agents.Update(ctx, "nyx", schema.AgentPatch{Name: schema.Set(fmt.Sprint(i))}); err != nil {
					t.Error(err)
				}
			}
		}()
		seen := 0
		for e, err := range events {
			if err != nil {
				t.Fatal(err)
			}
			var u struct{ Revision int64 }
			if err := unmarshal(e.Payload, &u); err != nil {
				t.Fatal(err)
			}
			if a := must[schema.Agent](t)(s.Agents.Get(ctx, "nyx")); a.Revision < u.Revision {
				t.Errorf("the event says revision %d, the agent has %d", u.Revision, a.Revision)
			}
			if seen++; seen == n {
				break
			}
		}
	})
}
