package local_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/schema"
)

// toolbox is a schema.Commands that tells who calls it, fails, or waits.
type toolbox struct {
	mu    sync.Mutex
	calls []schema.CommandCall
	begun chan struct{} // told when "wait" begins
}

func (b *toolbox) List(ctx context.Context) ([]schema.Command, error) {
	if c := schema.CallerFrom(ctx); c.Principal != "alice" || !c.Can(schema.ScopeChat) || c.Can(schema.ScopeAdmin) {
		return nil, fmt.Errorf("the caller is %+v", c)
	}
	return []schema.Command{{Name: "add"}, {Name: "wait"}}, nil
}

func (b *toolbox) Run(ctx context.Context, c schema.CommandCall) (schema.Object, error) {
	b.mu.Lock()
	b.calls = append(b.calls, c)
	b.mu.Unlock()
	switch c.Name {
	case "wait":
		b.begun <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	case "fail":
		return nil, schema.Errorf(schema.CodeUnavailable, "the extension is away: %s", strings.Repeat("x", 2000))
	}
	return schema.Object{"of": schema.CallerFrom(ctx).Principal, "n": c.Input["n"]}, nil
}

// TestCommandsBecomeActions: a brain has commands carried out, many at once, on behalf of who speaks; each is an event, once.
func TestCommandsBecomeActions(t *testing.T) {
	const many = 40
	b := &toolbox{}
	r := open(t, scripted(func(ctx context.Context, turn brain.Turn, yield func(brain.Step, error) bool) {
		all, err := turn.Commands.List(ctx)
		if err != nil || len(all) != 2 {
			yield(brain.Step{}, fmt.Errorf("there are %v, %w", all, err))
			return
		}
		var wg sync.WaitGroup
		for n := range many {
			wg.Go(func() {
				if result, err := turn.Commands.Run(ctx, "add", schema.Object{"n": n}); err != nil || result["of"] != "alice" || result["n"] != n {
					t.Errorf("add %d: %v, %v", n, result, err)
				}
			})
		}
		yield(brain.Step{Thought: "beside them"}, nil)
		wg.Wait()
		_, err = turn.Commands.Run(ctx, "fail", nil)
		if schema.CodeOf(err) != schema.CodeUnavailable || len(err.Error()) > 1200 {
			t.Errorf("fail: %v", err)
		}
		yield(brain.Step{Reply: "done"}, nil)
	}))
	r.UseCommands(b)
	seen := must[turn](t)(say(alice(t), r, schema.SendRequest{AgentID: "bot", ConversationID: "c", Message: "go"}))
	shown := map[string]bool{}
	for _, e := range seen.events {
		var a schema.Action
		if e.Type != schema.EventAction {
			continue
		}
		if err := json.Unmarshal(e.Payload, &a); err != nil || e.RunID != seen.accepted.RunID || e.Principal != "alice" {
			t.Errorf("event %+v, %v", e, err)
		}
		if a.Action == "add" {
			shown[fmt.Sprint(a.Input["n"])] = a.Result["of"] == "alice"
			continue
		}
		if failure, ok := a.Result["error"].(map[string]any); a.Action != "fail" || !ok || failure["code"] != "unavailable" {
			t.Errorf("a failure is shown as %+v", a)
		}
	}
	if len(shown) != many || seen.last().Type != schema.EventReply {
		t.Errorf("%d commands were shown, and the turn ends with %s", len(shown), seen.last().Type)
	}
	ids := map[string]bool{}
	for _, c := range b.calls {
		ids[c.ID] = true
		if c.AgentID != "bot" || c.ConversationID != "c" || c.RunID != seen.accepted.RunID {
			t.Errorf("call %+v", c)
		}
	}
	if len(ids) != many+1 {
		t.Errorf("%d ids of %d calls", len(ids), many+1)
	}
}

// TestACommandEndsWithItsTurn: what is under way when a turn is cancelled is cut off, and not shown.
func TestACommandEndsWithItsTurn(t *testing.T) {
	b := &toolbox{begun: make(chan struct{}, 1)}
	ended := make(chan error, 1)
	r := open(t, scripted(func(ctx context.Context, turn brain.Turn, yield func(brain.Step, error) bool) {
		_, err := turn.Commands.Run(ctx, "wait", nil)
		ended <- err
		yield(brain.Step{}, err)
	}))
	r.UseCommands(b)
	ctx := alice(t)
	a := begin(ctx, t, r, schema.SendRequest{AgentID: "bot", Message: "go"})
	<-b.begun
	if _, err := r.Services().Chat.Cancel(ctx, a.RunID); err != nil {
		t.Fatal(err)
	}
	mustBe(t, <-ended, schema.CodeCancelled)
	if run := over(ctx, t, r, a.RunID); run.Status != schema.RunCancelled {
		t.Errorf("run %+v", run)
	}
	for e, err := range r.Services().Events.Subscribe(ctx, schema.EventQuery{Since: schema.Cursor{Epoch: a.Since.Epoch}, RunID: a.RunID}) {
		if err != nil || e.Type == schema.EventAction {
			t.Errorf("%+v, %v", e, err)
		}
		if e.Type.Terminal() || err != nil {
			break
		}
	}
}
