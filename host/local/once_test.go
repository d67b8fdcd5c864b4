package local_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/host/local"
	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/schema"
)

// keyed returns ctx for one try of the request "key".
func keyed(ctx context.Context) (context.Context, *schema.Once) {
	o := &schema.Once{Key: "key", Scope: "test", Digest: "digest"}
	return schema.WithOnce(ctx, o), o
}

// TestOutcomesAreForgotten: a key is as good as new after a day, and survives a restart until then.
func TestOutcomesAreForgotten(t *testing.T) {
	now := newClock()
	o := local.Options{Dir: t.TempDir(), Now: now.Now}
	store := func(r *local.Runtime) (string, bool) {
		t.Helper()
		ctx, once := keyed(alice(t))
		return must[schema.MemoryItem](t)(r.Services().Memory.Store(ctx, schema.NewMemory{AgentID: "nyx", Content: "x"})).ID, once.Replayed()
	}
	r := open(t, o)
	first, _ := store(r)
	now.move(schema.OnceFor)
	shut(t, r)
	r = open(t, o)
	if id, replayed := store(r); id != first || !replayed {
		t.Errorf("a day later %s is %s, replayed: %v", first, id, replayed)
	}
	now.move(time.Second)
	if id, replayed := store(r); id == first || replayed {
		t.Errorf("more than a day later it is still %s, replayed: %v", id, replayed)
	}
}

// TestARepeatedTurnAfterItsEventsAreGone sees the end of it all the same.
func TestARepeatedTurnAfterItsEventsAreGone(t *testing.T) {
	r := open(t, local.Options{RetainEvents: 4})
	try := func() (turn, bool) {
		t.Helper()
		ctx, once := keyed(alice(t))
		return must[turn](t)(say(ctx, r, schema.SendRequest{AgentID: "nyx", Message: "Hello!"})), once.Replayed()
	}
	first, _ := try()
	for range 10 {
		must[turn](t)(say(alice(t), r, schema.SendRequest{AgentID: "nyx", Message: "Hello!"}))
	}
	for {
		again, replayed := try()
		if !replayed || again.accepted.RunID != first.accepted.RunID || again.last().Type != schema.EventReply ||
			string(again.last().Payload) != string(first.last().Payload) {
			t.Fatalf("again: %+v, replayed: %v", again, replayed)
		}
		if len(again.events) == 1 { // events are deleted in the background
			break
		}
	}
}

// TestInterruptKeepsWhatWasSaid: as a message that is marked, in the event, and in the run.
func TestInterruptKeepsWhatWasSaid(t *testing.T) {
	said := make(chan struct{}, 1)
	r := open(t, scripted(func(ctx context.Context, m brain.Turn, yield func(brain.Step, error) bool) {
		if m.Message.Content == "stop" {
			yield(brain.Step{Reply: "stopped"}, nil)
			return
		}
		if yield(brain.Step{Delta: "Once upon "}, nil) && yield(brain.Step{Delta: "a time"}, nil) {
			said <- struct{}{}
			<-ctx.Done()
		}
	}))
	ctx, chat := alice(t), r.Services().Chat
	holder := begin(ctx, t, r, schema.SendRequest{AgentID: "bot", ConversationID: "c", Message: "a story"})
	waiting := begin(ctx, t, r, schema.SendRequest{AgentID: "bot", ConversationID: "c", Message: "wait"})
	<-said
	for e, err := range r.Services().Events.Subscribe(ctx, schema.EventQuery{Since: holder.Since, RunID: holder.RunID}) {
		if err != nil {
			t.Fatal(err)
		}
		var piece schema.Delta
		if e.Type == schema.EventDelta && json.Unmarshal(e.Payload, &piece) == nil && piece.Index == 1 {
			break // it is durable now
		}
	}
	last := begin(ctx, t, r, schema.SendRequest{AgentID: "bot", ConversationID: "c", Message: "stop", OnBusy: schema.BusyInterrupt})
	if last.Position != 1 {
		t.Errorf("there is one before it, and it is at position %d", last.Position)
	}
	run := over(ctx, t, r, holder.RunID)
	if run.Status != schema.RunCancelled || run.Reason != schema.ReasonInterrupted || run.Reply == nil || run.Reply.Content != "Once upon a time" || !run.Reply.Partial {
		t.Errorf("the run is %+v, with %+v", run, run.Reply)
	}
	<-said
	if _, err := chat.Cancel(ctx, waiting.RunID); err != nil {
		t.Fatal(err)
	}
	over(ctx, t, r, last.RunID)
	c := must[schema.Conversation](t)(chat.Conversation(ctx, schema.ConversationQuery{ID: "c"}))
	partial := 0
	for _, m := range c.Messages {
		if m.Partial && m.Role == schema.RoleAgent {
			partial++
		}
	}
	if partial == 0 || c.Messages[len(c.Messages)-1].Content != "stopped" {
		t.Errorf("the conversation is %+v", c.Messages)
	}
}
