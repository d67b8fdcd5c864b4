package local_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"strings"
	"testing"

	"github.com/stagehouse/stagehouse/host/local"
	"github.com/stagehouse/stagehouse/schema"
)

// gossips is a model that asks whom its options name, with what it was told, and then replies with what it has heard.
type gossips struct{}

func (gossips) List(context.Context) ([]schema.BrainInfo, error) {
	return []schema.BrainInfo{{Provider: "gossip", Description: "Asks around", OptionsSchema: []byte(`{"type":"object","properties":{"asks":{"type":"string"}}}`)}}, nil
}

func (gossips) Embed(context.Context, schema.EmbedRequest) (schema.Embeddings, error) {
	return schema.Embeddings{}, schema.Errorf(schema.CodeUnimplemented, "it has no embeddings")
}

func (gossips) Think(_ context.Context, r schema.ThinkRequest) iter.Seq2[schema.ThinkEvent, error] {
	return func(yield func(schema.ThinkEvent, error) bool) {
		last := r.Messages[len(r.Messages)-1]
		whom, _ := r.Options["asks"].(string)
		may := false
		for _, tool := range r.Tools {
			may = may || tool.Name == "agent_ask" && strings.Contains(tool.Description, whom+" (")
		}
		stop := schema.StopEnd
		switch {
		case last.Role == schema.ThinkTools && last.Results[0].Failed:
			yield(schema.ThinkEvent{Text: "I hear nothing: " + last.Results[0].Output}, nil)
		case last.Role == schema.ThinkTools:
			var heard struct{ Reply string }
			_ = json.Unmarshal([]byte(last.Results[0].Output), &heard)
			yield(schema.ThinkEvent{Text: fmt.Sprintf("I hear: %s", heard.Reply)}, nil)
		case whom != "" && may:
			stop = schema.StopCalls
			yield(schema.ThinkEvent{Call: &schema.ToolCall{ID: "1", Name: "agent_ask", Input: schema.Object{"agent": whom, "message": last.Text}}}, nil)
		default:
			yield(schema.ThinkEvent{Text: "I only know " + last.Text}, nil)
		}
		yield(schema.ThinkEvent{Done: &schema.ThinkDone{Stop: stop, Model: "g"}}, nil)
	}
}

func replyOf(t *testing.T, seen turn) string {
	t.Helper()
	var r schema.Reply
	if err := json.Unmarshal(seen.last().Payload, &r); err != nil || seen.last().Type != schema.EventReply {
		t.Fatalf("the turn ends with %s %s", seen.last().Type, seen.last().Payload)
	}
	return r.Reply.Content
}

func gossip(id, asks string) local.AgentSpec {
	return local.AgentSpec{ID: id, Brain: schema.Brain{Provider: "gossip", Options: schema.Object{"asks": asks}}}
}

// TestAgentsOfModelsAsk: over three others at most, each of whom answers in a run that can be looked at; with one place for all.
func TestAgentsOfModelsAsk(t *testing.T) {
	r := open(t, local.Options{Dir: t.TempDir(), UseBrains: true, MaxRunning: 1, Agents: []local.AgentSpec{
		gossip("ada", "bea"), gossip("bea", "cyd"), gossip("cyd", "dot"), gossip("dot", "ada"), gossip("eve", "fay"),
		{ID: "fay", Brain: schema.Brain{Provider: "gossip", Options: schema.Object{"asks": ""}}, Autostart: new(bool)},
	}})
	r.UseBrains(gossips{})
	seen := must[turn](t)(say(alice(t), r, schema.SendRequest{AgentID: "ada", Message: "my name is Al"}))
	const want = "I hear: I hear: I hear: I only know my name is Al"
	if got := replyOf(t, seen); got != want {
		t.Errorf("ada says %q, want %q", got, want)
	}
	var action schema.Action
	for _, e := range seen.events {
		if e.Type == schema.EventAction && strings.Contains(string(e.Payload), "agent.ask") {
			if err := json.Unmarshal(e.Payload, &action); err != nil {
				t.Fatal(err)
			}
		}
	}
	id, _ := action.Result["runId"].(string)
	asked, err := r.Services().Chat.Run(alice(t), id)
	if err != nil || asked.AgentID != "bea" || asked.Principal != "alice" || "I hear: "+asked.Reply.Content != want {
		t.Errorf("the action is %+v, and its run %+v, %v", action, asked, err)
	}
	for agent, want := range map[string]int{"ada": 1, "bea": 0} {
		hits := must[[]schema.MemoryHit](t)(r.Services().Memory.Search(alice(t), schema.MemoryQuery{AgentID: agent, Text: "name"}))
		if len(hits) != want {
			t.Errorf("%s remembers %+v", agent, hits)
		}
	}
	if got := replyOf(t, must[turn](t)(say(alice(t), r, schema.SendRequest{AgentID: "eve", Message: "hm"}))); got != "I only know hm" {
		t.Errorf("eve, whose friend is not there, says %q", got)
	}
}
