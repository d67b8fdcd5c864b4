package local_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stagehouse/stagehouse/host/local"
	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/schema"
)

// TestCreatedAgentsStay opens the runtime again: what clients have created is there, and runs if it should.
func TestCreatedAgentsStay(t *testing.T) {
	dir := t.TempDir()
	ctx := admin(t)
	r := open(t, local.Options{Dir: dir})
	s := r.Services()
	for _, n := range []schema.NewAgent{{ID: "runs", Start: true}, {ID: "rests"}, {ID: "stopped", Start: true}, {ID: "gone", Start: true}} {
		must[schema.Agent](t)(s.Agents.Create(ctx, n))
	}
	must[schema.Agent](t)(s.Agents.Stop(ctx, "stopped"))
	if err := s.Agents.Delete(ctx, "gone", 0); err != nil {
		t.Fatal(err)
	}
	shut(t, r)
	s = open(t, local.Options{Dir: dir, Agents: []local.AgentSpec{{ID: "nyx"}}}).Services()
	for id, want := range map[string]schema.AgentStatus{
		"runs": schema.AgentRunning, "rests": schema.AgentStopped, "stopped": schema.AgentStopped, "nyx": schema.AgentRunning, "aria": schema.AgentStopped,
	} {
		if a := must[schema.Agent](t)(s.Agents.Get(ctx, id)); a.Status != want || a.Declared != (id == "nyx") {
			t.Errorf("%s is %s, declared %v", id, a.Status, a.Declared)
		}
	}
	mustBe(t, must2(s.Agents.Get(ctx, "gone")), schema.CodeNotFound)
	if err := s.Agents.Delete(ctx, "aria", 0); err != nil {
		t.Errorf("an agent that is not declared any more: %v", err)
	}
}

// TestDeleteCancels deletes an agent at work: its turns are over at once, whatever its brain does.
func TestDeleteCancels(t *testing.T) {
	g := newGate()
	o := scripted(g.brain)
	r := open(t, o)
	s, ctx := r.Services(), admin(t)
	must[schema.Agent](t)(s.Agents.Create(ctx, schema.NewAgent{ID: "new", Brain: schema.Brain{Provider: "script"}, Start: true}))
	first := begin(ctx, t, r, schema.SendRequest{AgentID: "new", ConversationID: "c", Message: "one"})
	second := begin(ctx, t, r, schema.SendRequest{AgentID: "new", ConversationID: "c", Message: "two"})
	g.wait(t)
	if err := s.Agents.Delete(ctx, "new", 0); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{first.RunID, second.RunID} {
		if run := must[schema.Run](t)(s.Chat.Run(ctx, id)); run.Status != schema.RunCancelled || run.Reason != schema.ReasonAgentStopped {
			t.Errorf("a run of it is %+v", run)
		}
	}
	_, err := say(ctx, r, schema.SendRequest{AgentID: "new", ConversationID: "c", Message: "three"})
	mustBe(t, err, schema.CodeNotFound)
}

// TestCreateSaysWhatIsWrong: a brain that cannot be made creates nothing, and the error names what there is.
func TestCreateSaysWhatIsWrong(t *testing.T) {
	o := scripted(echo)
	o.Brains["fragile"] = func(context.Context, string, schema.Object) (brain.Brain, error) { return nil, errors.New("no key") }
	s, ctx := open(t, o).Services(), admin(t)
	for provider, says := range map[string]string{"gtp": "builtin, fragile, script", "fragile": "no key"} {
		_, err := s.Agents.Create(ctx, schema.NewAgent{ID: "new", Brain: schema.Brain{Provider: provider}})
		if e := schema.AsError(err); e == nil || e.Code != schema.CodeInvalidArgument || e.Fields[0].Location != "brain" || !strings.Contains(e.Message, says) {
			t.Errorf("%s: %v", provider, err)
		}
	}
	err := s.Agents.Delete(ctx, "bot", 0)
	if mustBe(t, err, schema.CodeFailedPrecondition); !strings.Contains(err.Error(), "declared in the configuration") {
		t.Error(err)
	}
}

// TestDeleteWhileItStarts holds an agent in starting, where it cannot be deleted, and deletes it when it runs.
func TestDeleteWhileItStarts(t *testing.T) {
	making, made := make(chan struct{}), make(chan struct{})
	calls := 0
	o := local.Options{Brains: map[string]brain.Factory{"slow": func(context.Context, string, schema.Object) (brain.Brain, error) {
		if calls++; calls > 1 { // the first one is to see that it works
			making <- struct{}{}
			<-made
		}
		return script(echo), nil
	}}}
	s, ctx := open(t, o).Services(), admin(t)
	must[schema.Agent](t)(s.Agents.Create(ctx, schema.NewAgent{ID: "new", Brain: schema.Brain{Provider: "slow"}}))
	started := make(chan error)
	go func() {
		_, err := s.Agents.Start(ctx, "new")
		started <- err
	}()
	<-making
	mustBe(t, s.Agents.Delete(ctx, "new", 0), schema.CodeIllegalTransition)
	close(made)
	if err := <-started; err != nil {
		t.Error(err)
	}
	if err := s.Agents.Delete(ctx, "new", 0); err != nil {
		t.Error(err)
	}
}
