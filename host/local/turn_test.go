package local_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/host/local"
	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/schema"
)

// TestStepsBecomeEvents checks what each step of a brain becomes, and that all of it is kept.
func TestStepsBecomeEvents(t *testing.T) {
	r := open(t, scripted(func(ctx context.Context, turn brain.Turn, yield func(brain.Step, error) bool) {
		for _, s := range []brain.Step{
			{Thought: "hm"},
			{Emotion: &schema.Emotion{Name: "curious", Valence: 0.3, Arousal: 7, Intensity: 0.5}},
			{Action: &brain.Action{Name: "look", Input: schema.Object{"at": "it"}}},
			{Action: &brain.Action{Name: "memory.store", Store: &brain.Memo{Content: "a thing", Metadata: schema.Object{"k": "v"}}}},
			{Delta: "one "}, {Delta: "two\xff"},
		} {
			if !yield(s, nil) {
				return
			}
		}
	}))
	ctx := alice(t)
	seen := must[turn](t)(say(ctx, r, schema.SendRequest{AgentID: "bot", ConversationID: "c", Message: "go"}))
	wantTypes(t, seen.types(), schema.EventQueued, schema.EventStarted, schema.EventThought, schema.EventEmotion, schema.EventAction,
		schema.EventAction, schema.EventDelta, schema.EventDelta, schema.EventReply)
	var felt schema.EmotionChange
	var act schema.Action
	var reply schema.Reply
	for i, into := range map[int]any{3: &felt, 5: &act, 8: &reply} {
		if err := json.Unmarshal(seen.events[i].Payload, into); err != nil {
			t.Fatal(err)
		}
	}
	if felt.Arousal != 1 || reply.Reply.Content != "one two\uFFFD" || reply.Reply.Emotion.Name != "curious" {
		t.Errorf("emotion %+v, reply %+v", felt, reply.Reply)
	}
	id, _ := act.Result["id"].(string)
	item := must[schema.MemoryItem](t)(r.Services().Memory.Get(ctx, "bot", id))
	if item.Content != "a thing" || item.Principal != "alice" || item.Metadata["k"] != "v" {
		t.Errorf("memory is %+v", item)
	}
	for i, e := range seen.events {
		if e.RunID != seen.accepted.RunID || e.Principal != "alice" || e.ConversationID != "c" || e.AgentID != "bot" {
			t.Errorf("event %d is %+v", i, e)
		}
	}
	c := must[schema.Conversation](t)(r.Services().Chat.Conversation(ctx, schema.ConversationQuery{ID: "c"}))
	if len(c.Messages) != 2 || c.Messages[1].Content != reply.Reply.Content || c.MessageCount != 2 || c.AgentID != "bot" {
		t.Errorf("conversation is %+v", c)
	}
}

// TestBrainsThatFail checks that whatever a brain does wrong is a visible failure of that turn and of nothing else.
func TestBrainsThatFail(t *testing.T) {
	type step = brain.Step
	for name, c := range map[string]struct {
		brain script
		says  string
	}{
		"error": {func(_ context.Context, _ brain.Turn, yield func(step, error) bool) { yield(step{}, errTest) }, errTest.Error()},
		"error later": {func(_ context.Context, _ brain.Turn, yield func(step, error) bool) {
			_ = yield(step{Delta: "a"}, nil) && yield(step{}, errTest)
		}, errTest.Error()},
		"panic":      {func(context.Context, brain.Turn, func(step, error) bool) { panic("boom") }, "panicked: boom"},
		"nothing":    {func(context.Context, brain.Turn, func(step, error) bool) {}, "without a reply"},
		"empty step": {func(_ context.Context, _ brain.Turn, yield func(step, error) bool) { yield(step{}, nil) }, "empty"},
		"long reply": {func(_ context.Context, _ brain.Turn, yield func(step, error) bool) {
			yield(step{Reply: strings.Repeat("x", 65<<10)}, nil)
		}, "at most"},
		"endless deltas": {func(_ context.Context, _ brain.Turn, yield func(step, error) bool) {
			for yield(step{Delta: strings.Repeat("x", 5000)}, nil) { //nolint
			}
		}, "at most"},
		"not a number": {func(_ context.Context, _ brain.Turn, yield func(step, error) bool) {
			yield(step{Emotion: &schema.Emotion{Valence: math.NaN()}}, nil)
		}, "not a number"},
	} {
		t.Run(name, func(t *testing.T) {
			r := open(t, scripted(c.brain))
			ctx := alice(t)
			seen := must[turn](t)(say(ctx, r, schema.SendRequest{AgentID: "bot", Message: "go"}))
			var failed schema.Failed
			if err := json.Unmarshal(seen.last().Payload, &failed); err != nil || seen.last().Type != schema.EventFailed {
				t.Fatalf("the turn ended with %s", seen.last().Type)
			}
			run := must[schema.Run](t)(r.Services().Chat.Run(ctx, seen.accepted.RunID))
			if failed.Reason != schema.ReasonBrainError || !strings.Contains(failed.Error, c.says) || run.Error != failed.Error || run.Status != schema.RunFailed {
				t.Errorf("failed with %+v, run %+v; want a text with %q", failed, run, c.says)
			}
		})
	}
}

func TestTurnThatTakesTooLong(t *testing.T) {
	for name, heeds := range map[string]bool{"heeding": true, "heedless": false} {
		t.Run(name, func(t *testing.T) {
			release := make(chan struct{})
			o := scripted(func(ctx context.Context, _ brain.Turn, yield func(brain.Step, error) bool) {
				if heeds {
					<-ctx.Done()
					yield(brain.Step{}, ctx.Err())
					return
				}
				<-release // whatever ctx says
				yield(brain.Step{Reply: "too late"}, nil)
			})
			o.TurnTimeout = 20 * time.Millisecond
			r := open(t, o)
			defer close(release)
			seen := must[turn](t)(say(alice(t), r, schema.SendRequest{AgentID: "bot", Message: "go"}))
			if seen.last().Type != schema.EventFailed || !strings.Contains(string(seen.last().Payload), "did not finish within 20ms") {
				t.Errorf("ended with %s %s", seen.last().Type, seen.last().Payload)
			}
		})
	}
}

// TestTurnsOfOneConversationInOrder sends from many goroutines at once; the log's order of acceptance is the order of work.
func TestTurnsOfOneConversationInOrder(t *testing.T) {
	var atWork atomic.Int32
	var mu sync.Mutex
	var worked []string
	o := scripted(func(ctx context.Context, turn brain.Turn, yield func(brain.Step, error) bool) {
		if atWork.Add(1) != 1 {
			t.Error("two turns of one conversation are at work")
		}
		mu.Lock()
		worked = append(worked, turn.Message.RunID)
		want := 2 * (len(worked) - 1) // every message before it, with its reply
		mu.Unlock()
		if len(turn.History) != want {
			t.Errorf("turn %d has a history of %d messages, want %d", len(worked), len(turn.History), want)
		}
		atWork.Add(-1)
		echo(ctx, turn, yield)
	})
	const n = 20
	o.MaxWaiting = n
	r := open(t, o)
	ctx := alice(t)
	var wg sync.WaitGroup
	first := make([]schema.Event, n)
	for i := range n {
		wg.Go(func() {
			seen, err := say(ctx, r, schema.SendRequest{AgentID: "bot", ConversationID: "c", Message: fmt.Sprint(i)})
			if err != nil || seen.last().Type != schema.EventReply {
				t.Errorf("turn %d: %v", i, err)
				return
			}
			first[i] = seen.events[0]
		})
	}
	wg.Wait()
	slices.SortFunc(first, func(a, b schema.Event) int { return int(a.Cursor.Seq) - int(b.Cursor.Seq) })
	for i, e := range first {
		if e.RunID != worked[i] {
			t.Fatalf("turn %d was accepted as %s and worked on as %s", i, e.RunID, worked[i])
		}
	}
}

// TestHundredConversations checks that different conversations go on beside each other, up to the bound and not beyond it.
func TestHundredConversations(t *testing.T) {
	const conversations, bound, turns = 100, 8, 3
	var atWork, most atomic.Int32
	full := make(chan struct{})
	o := scripted(func(ctx context.Context, turn brain.Turn, yield func(brain.Step, error) bool) {
		n := atWork.Add(1)
		defer atWork.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		if n == bound {
			select {
			case <-full:
			default:
				close(full)
			}
		}
		<-full // nobody goes on before the bound was reached once
		echo(ctx, turn, yield)
	})
	o.MaxRunning = bound
	r := open(t, o)
	var wg sync.WaitGroup
	for c := range conversations {
		ctx := as(t, fmt.Sprint("user", c%10), schema.ScopeChat)
		wg.Go(func() {
			for i := range turns {
				text := fmt.Sprintf("%d of %d", i, c)
				seen, err := say(ctx, r, schema.SendRequest{AgentID: "bot", ConversationID: fmt.Sprint("c", c), Message: text})
				if err != nil || !strings.Contains(string(seen.last().Payload), "re: "+text) {
					t.Errorf("conversation %d: %v", c, err)
				}
			}
		})
	}
	wg.Wait()
	if most.Load() != bound {
		t.Errorf("%d turns were at work at once, want %d", most.Load(), bound)
	}
}

func TestQueueIsBounded(t *testing.T) {
	g := newGate()
	o := scripted(g.brain)
	o.MaxWaiting, o.MaxUnfinished = 2, 5
	r := open(t, o)
	defer close(g.release)
	ctx := alice(t)
	send := func(conversation string) error {
		for e, err := range r.Services().Chat.Send(ctx, schema.SendRequest{AgentID: "bot", ConversationID: conversation, Message: "x"}) {
			if err == nil && conversation == "c" && e.Accepted.Position > 2 {
				t.Errorf("position %d", e.Accepted.Position)
			}
			return err
		}
		return nil
	}
	for range 3 {
		if err := send("c"); err != nil {
			t.Fatal(err)
		}
	}
	err := send("c")
	var e *schema.Error
	if !errors.As(err, &e) || e.Code != schema.CodeBusy || e.RetryAfter <= 0 {
		t.Errorf("the fourth turn of a conversation: %v", err)
	}
	for i := range 2 {
		if err := send(fmt.Sprint("other", i)); err != nil {
			t.Fatal(err)
		}
	}
	mustBe(t, send("one more"), schema.CodeBusy)
}

func TestCancel(t *testing.T) {
	g := newGate()
	r := open(t, scripted(g.brain))
	ctx := alice(t)
	chat := r.Services().Chat
	var runs []schema.Accepted
	for _, m := range []string{"running", "waiting", "last"} {
		runs = append(runs, begin(ctx, t, r, schema.SendRequest{AgentID: "bot", ConversationID: "c", Message: m}))
	}
	g.wait(t)
	mustBe(t, must2(chat.Cancel(as(t, "bob", schema.ScopeChat), runs[0].RunID)), schema.CodeNotFound)
	for _, a := range []schema.Accepted{runs[1], runs[0], runs[1]} { // the second time it is over already
		run := must[schema.Run](t)(chat.Cancel(ctx, a.RunID))
		if run.Status != schema.RunCancelled || run.Reason != schema.ReasonCancelled || run.FinishedAt == nil {
			t.Errorf("cancelled run is %+v", run)
		}
	}
	if m := g.wait(t); m != "last" {
		t.Errorf("after the cancelled ones %q is at work", m)
	}
	close(g.release)
	if run := over(ctx, t, r, runs[2].RunID); run.Status != schema.RunCompleted {
		t.Errorf("the last run is %+v", run)
	}
	after := must[schema.Run](t)(chat.Cancel(ctx, runs[2].RunID))
	if after.Status != schema.RunCompleted {
		t.Errorf("a completed run was cancelled: %+v", after)
	}
}

func must2[T any](_ T, err error) error { return err }

// TestNothingAfterTheEnd has a brain that goes on after its run was cancelled: none of it may be kept.
func TestNothingAfterTheEnd(t *testing.T) {
	entered, release, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	o := scripted(func(_ context.Context, _ brain.Turn, yield func(brain.Step, error) bool) {
		defer close(done)
		close(entered)
		<-release
		for i := range 1000 {
			if !yield(brain.Step{Delta: fmt.Sprint(i)}, nil) {
				return
			}
		}
		yield(brain.Step{Action: &brain.Action{Name: "memory.store", Store: &brain.Memo{Content: "ghost"}}}, nil)
	})
	o.Dir = t.TempDir()
	r := open(t, o)
	ctx := alice(t)
	a := begin(ctx, t, r, schema.SendRequest{AgentID: "bot", ConversationID: "c", Message: "x"})
	<-entered
	if _, err := r.Services().Chat.Cancel(ctx, a.RunID); err != nil {
		t.Fatal(err)
	}
	close(release)
	<-done
	shut(t, r) // everything that was handed over is written
	again := open(t, local.Options{Dir: o.Dir, Agents: []local.AgentSpec{{ID: "other"}}})
	var last schema.Event
	head := must[schema.Cursor](t)(again.Services().Events.Head(ctx))
	for e, err := range again.Services().Events.Subscribe(ctx, schema.EventQuery{Since: schema.Cursor{Epoch: head.Epoch}}) {
		if err != nil {
			t.Fatal(err)
		}
		if e.RunID == a.RunID {
			last = e
		}
		if e.Cursor == head {
			break
		}
	}
	if last.Type != schema.EventCancelled {
		t.Errorf("the last event of the run is %s", last.Type)
	}
	if hits := must[[]schema.MemoryHit](t)(again.Services().Memory.Search(ctx, schema.MemoryQuery{Text: "ghost"})); len(hits) != 0 {
		t.Errorf("a memory was kept after the end: %+v", hits)
	}
}

func TestWatcherThatLeavesDoesNotStopTheTurn(t *testing.T) {
	g := newGate()
	r := open(t, scripted(g.brain))
	ctx, leave := context.WithCancel(alice(t))
	a := begin(ctx, t, r, schema.SendRequest{AgentID: "bot", Message: "x"})
	leave()
	close(g.release)
	if run := over(alice(t), t, r, a.RunID); run.Status != schema.RunCompleted {
		t.Errorf("run is %+v", run)
	}
}

// TestSlowWatcher reads its turn long after it has ended, when the log has gone on.
func TestSlowWatcher(t *testing.T) {
	r := open(t, local.Options{})
	ctx := alice(t)
	var types []schema.EventType
	for e, err := range r.Services().Chat.Send(ctx, schema.SendRequest{AgentID: "nyx", ConversationID: "slow", Message: "Hello!"}) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Accepted != nil {
			for i := range 30 {
				must[turn](t)(say(ctx, r, schema.SendRequest{AgentID: "nyx", ConversationID: fmt.Sprint("other", i), Message: "I need help with coding"}))
			}
			continue
		}
		types = append(types, e.Event.Type)
	}
	if types[0] != schema.EventQueued || types[len(types)-1] != schema.EventReply {
		t.Errorf("events are %v", types)
	}
}

func TestRunIDs(t *testing.T) {
	r := open(t, scripted(echo))
	ctx := alice(t)
	const id = "run_01kxyzabcdefghjkmnpqrstvwx"
	seen := must[turn](t)(say(ctx, r, schema.SendRequest{RunID: id, AgentID: "bot", Message: "x"}))
	if seen.accepted.RunID != id {
		t.Errorf("run is %s", seen.accepted.RunID)
	}
	for bad, code := range map[string]schema.ErrorCode{
		id: schema.CodeAlreadyExists, "x": schema.CodeInvalidArgument, strings.ToUpper(id): schema.CodeInvalidArgument,
		"run_81kxyzabcdefghjkmnpqrstvwx": schema.CodeInvalidArgument, // more than 128 bits
	} {
		_, err := say(ctx, r, schema.SendRequest{RunID: bad, AgentID: "bot", Message: "x"})
		mustBe(t, err, code)
	}
}

func TestClose(t *testing.T) {
	t.Run("finishes what was accepted", func(t *testing.T) {
		g := newGate()
		o := scripted(g.brain)
		o.Dir = t.TempDir()
		r := open(t, o)
		ctx := alice(t)
		var runs []schema.Accepted
		for range 3 {
			runs = append(runs, begin(ctx, t, r, schema.SendRequest{AgentID: "bot", ConversationID: "c", Message: "x"}))
		}
		g.wait(t)
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			shut(t, r)
		}()
		for { // until it takes nothing more
			if _, err := say(ctx, r, schema.SendRequest{AgentID: "nobody", Message: "x"}); err == nil {
				t.Error("accepted")
			}
			if err := firstError(r.Services().Chat.Send(ctx, schema.SendRequest{AgentID: "bot", ConversationID: "d", Message: "x"})); err != nil && schema.CodeOf(err) != schema.CodeBusy {
				mustBe(t, err, schema.CodeUnavailable)
				break
			}
		}
		close(g.release)
		<-closed
		again := open(t, o)
		for _, a := range runs {
			if run := must[schema.Run](t)(again.Services().Chat.Run(ctx, a.RunID)); run.Status != schema.RunCompleted {
				t.Errorf("run is %+v", run)
			}
		}
	})
	t.Run("cancels what does not finish", func(t *testing.T) {
		g := newGate()
		o := scripted(g.brain)
		o.Dir = t.TempDir()
		r := open(t, o)
		ctx := alice(t)
		a := begin(ctx, t, r, schema.SendRequest{AgentID: "bot", ConversationID: "c", Message: "at work"})
		b := begin(ctx, t, r, schema.SendRequest{AgentID: "bot", ConversationID: "c", Message: "waiting"})
		watched := make(chan turn, 1)
		go func() {
			seen := turn{}
			for e, err := range r.Services().Events.Subscribe(ctx, schema.EventQuery{RunID: b.RunID}) {
				if err != nil {
					break
				}
				seen.events = append(seen.events, e)
			}
			watched <- seen
		}()
		g.wait(t)
		now, cancel := context.WithCancel(context.Background())
		cancel()
		if err := r.Close(now); err != nil {
			t.Error(err)
		}
		<-watched
		again := open(t, o)
		for _, run := range []string{a.RunID, b.RunID} {
			run := must[schema.Run](t)(again.Services().Chat.Run(ctx, run))
			if run.Status != schema.RunCancelled || run.Reason != schema.ReasonShutdown {
				t.Errorf("run is %+v", run)
			}
		}
		if a := must[schema.Agent](t)(again.Services().Agents.Get(ctx, "bot")); a.Status != schema.AgentRunning {
			t.Errorf("after a restart the agent is %s", a.Status)
		}
	})
}

func firstError(events func(func(schema.ChatEvent, error) bool)) (first error) {
	for _, err := range events {
		return err
	}
	return nil
}

// BenchmarkTurns shows whole turns of the built-in brain, one after the other and many at once; "x-serial" is the ratio.
func BenchmarkTurns(b *testing.B) {
	r := open(b, local.Options{})
	ctx := schema.WithCaller(b.Context(), schema.Caller{Principal: "alice", Scopes: []schema.Scope{schema.ScopeChat}})
	var serial float64
	for _, c := range []struct {
		name string
		n    int
	}{{"serial", 1}, {"64 conversations", 64}} {
		b.Run(c.name, func(b *testing.B) {
			var wg sync.WaitGroup
			for g := range c.n {
				wg.Go(func() {
					for range b.N/c.n + 1 {
						if _, err := say(ctx, r, schema.SendRequest{AgentID: "nyx", ConversationID: fmt.Sprint(c.n, "-", g), Message: "I need help with coding"}); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
			rate := float64(b.N) / b.Elapsed().Seconds()
			b.ReportMetric(rate, "turns/s")
			if c.n == 1 {
				serial = rate
			} else if serial > 0 {
				b.ReportMetric(rate/serial, "x-serial")
			}
		})
	}
}

// TestQueueIsBoundedForAll sends from many at once: no more are accepted than the bound, and none of them that was refused
// for another reason keeps a place.
func TestQueueIsBoundedForAll(t *testing.T) {
	const bound = 3
	g := newGate()
	o := scripted(g.brain)
	o.MaxUnfinished = bound
	r := open(t, o)
	defer close(g.release)
	ctx := alice(t)
	for range 2 * bound { // each has a place while it fails
		id := begin(ctx, t, r, schema.SendRequest{AgentID: "bot", Message: "x"}).RunID
		mustBe(t, firstError(r.Services().Chat.Send(ctx, schema.SendRequest{RunID: id, AgentID: "bot", Message: "x"})), schema.CodeAlreadyExists)
		must[schema.Run](t)(r.Services().Chat.Cancel(ctx, id))
	}
	var accepted, refused atomic.Int32
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			switch err := firstError(r.Services().Chat.Send(ctx, schema.SendRequest{AgentID: "bot", Message: "x"})); schema.CodeOf(err) {
			case "":
				accepted.Add(1)
			case schema.CodeBusy:
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if accepted.Load() != bound || accepted.Load()+refused.Load() != 50 {
		t.Errorf("%d were accepted and %d refused, want %d accepted", accepted.Load(), refused.Load(), bound)
	}
}

// TestCallsThatCameTooLate makes writes with a context that is over.
func TestCallsThatCameTooLate(t *testing.T) {
	r := open(t, scripted(echo))
	s := r.Services()
	ctx, cancel := context.WithCancel(admin(t))
	cancel()
	for range 50 {
		mustBe(t, must2(s.Agents.Update(ctx, "bot", schema.AgentPatch{Name: schema.Set("late")})), schema.CodeCancelled)
		mustBe(t, must2(s.Memory.Store(ctx, schema.NewMemory{AgentID: "bot", Content: "late"})), schema.CodeCancelled)
		mustBe(t, firstError(s.Chat.Send(ctx, schema.SendRequest{AgentID: "bot", Message: "late"})), schema.CodeCancelled)
	}
}
