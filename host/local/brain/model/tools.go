package model

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/host/local/mood"
	"github.com/stagehouse/stagehouse/schema"
)

const (
	maxOutputBytes = 16 << 10 // of the result of a tool that a model is told
	maxNamed       = 50       // other agents that it is told of
	maxAboutBytes  = 200      // of what it is told of each
)

// tool is something that the model may have done. run returns what the model is told; an error that is a *schema.Error is told to
// the model, too, and any other one ends the turn.
type tool struct {
	schema.Tool
	run func(input schema.Object) (any, error)
}

const (
	storeSchema = `{"type":"object","required":["content"],"additionalProperties":false,"properties":{
		"content":{"type":"string","minLength":1,"maxLength":2000,"description":"One fact, in a sentence that makes sense on its own"},
		"importance":{"type":"number","minimum":0,"maximum":1,"description":"0.5 is usual"},
		"tags":{"type":"array","maxItems":8,"items":{"type":"string","minLength":1,"maxLength":100}}}}`
	recallSchema = `{"type":"object","required":["query"],"additionalProperties":false,"properties":{
		"query":{"type":"string","minLength":1,"maxLength":1000,"description":"What it is about, in a few words"},
		"limit":{"type":"integer","minimum":1,"maximum":20}}}`
	askSchema = `{"type":"object","required":["agent","message"],"additionalProperties":false,"properties":{
		"agent":{"type":"string","minLength":1,"description":"The id of the agent"},
		"message":{"type":"string","minLength":1,"maxLength":16000,"description":"The question, with all that is needed to understand it"}}}`
	feelSchema = `{"type":"object","required":["emotion","valence","arousal"],"additionalProperties":false,"properties":{
		"emotion":{"type":"string","minLength":1,"maxLength":40,"description":"One word, such as curious"},
		"valence":{"type":"number","minimum":-1,"maximum":1,"description":"Unpleasant to pleasant"},
		"arousal":{"type":"number","minimum":0,"maximum":1,"description":"Calm to excited"},
		"intensity":{"type":"number","minimum":0,"maximum":1}}}`
)

// gatherTools puts together what the model may have done.
func (t *turn) gatherTools() error {
	t.does = map[string]tool{}
	if t.settings.Tools == nil || *t.settings.Tools {
		t.offer("memory_store", "Remembers a fact about the person, or for later, beyond this conversation.", storeSchema, t.toolStore)
		t.offer("memory_recall", "Looks up what you remember about something.", recallSchema, t.toolRecall)
		if err := t.offerOthers(); err != nil {
			return err
		}
		if err := t.offerCommands(); err != nil {
			return err
		}
	}
	if t.settings.Emotion == "model" {
		t.offer("feel", "Says what you feel about what you have just heard. Call it once, before you answer.", feelSchema, t.toolFeel)
	}
	return nil
}

func (t *turn) offer(name, description, input string, run func(schema.Object) (any, error)) {
	x := tool{schema.Tool{Name: name, Description: description, InputSchema: json.RawMessage(input)}, run}
	t.does[name] = x
	t.tools = append(t.tools, x.Tool)
}

// offerOthers lets the agent ask others.
func (t *turn) offerOthers() error {
	if t.Others == nil {
		return nil
	}
	all, err := t.Others.List(t.ctx)
	if err != nil || len(all) == 0 {
		return err
	}
	who := make([]string, 0, maxNamed)
	for _, a := range all[:min(len(all), maxNamed)] {
		about := strings.Join(append(slices.Clone(a.Skills), a.Description), ", ")
		who = append(who, fmt.Sprintf("%s (%s)", a.ID, clipped(strings.Trim(about, ", "), maxAboutBytes)))
	}
	t.offer("agent_ask", "Asks another agent and returns its answer. There are: "+strings.Join(who, "; ")+".", askSchema, t.toolAsk)
	return nil
}

// offerCommands lets the agent have the commands of extensions carried out.
func (t *turn) offerCommands() error {
	if t.Commands == nil {
		return nil
	}
	all, err := t.Commands.List(t.ctx)
	if err != nil {
		return err
	}
	for _, c := range all {
		name := c.Name
		for _, taken := t.does[name]; taken || name == "feel"; _, taken = t.does[name] {
			name = "command_" + name
		}
		if !schema.ValidToolName(name) {
			continue // it is too long by now: only names that are made to collide are
		}
		t.offer(name, c.Description, string(c.InputSchema), func(input schema.Object) (any, error) {
			return t.Commands.Run(t.ctx, c.Name, input)
		})
	}
	return nil
}

// carryOut has a call of the model carried out. The error ends the turn.
func (t *turn) carryOut(c schema.ToolCall) (schema.ToolResult, error) {
	out := schema.ToolResult{CallID: c.ID, Name: c.Name}
	result, err := t.run(c)
	var told *schema.Error
	switch {
	case err == nil:
	case t.ctx.Err() != nil:
		return out, context.Cause(t.ctx)
	case errors.As(err, &told):
		out.Failed, out.Output = true, clipped(told.Error(), maxOutputBytes)
		return out, nil
	default:
		return out, err
	}
	raw, err := json.Marshal(result)
	if err != nil {
		return out, fmt.Errorf("tool %s: %w", c.Name, err)
	}
	out.Output = clipped(string(raw), maxOutputBytes)
	return out, nil
}

func (t *turn) run(c schema.ToolCall) (any, error) {
	x, ok := t.does[c.Name]
	if !ok {
		return nil, schema.Errorf(schema.CodeNotFound, "there is no tool %.80q; there are: %s", c.Name, strings.Join(t.toolNames(), ", "))
	}
	if c.Input == nil {
		c.Input = schema.Object{}
	}
	if err := check(x.InputSchema, map[string]any(c.Input), nil); err != nil {
		return nil, schema.Errorf(schema.CodeInvalidArgument, "the input does not fit: %w", err)
	}
	return x.run(c.Input)
}

func (t *turn) toolNames() (names []string) {
	for _, x := range t.tools {
		names = append(names, x.Name)
	}
	return names
}

// decoded reads an input that fits its schema.
func decoded(input schema.Object, into any) error {
	raw, err := json.Marshal(input)
	if err == nil {
		err = json.Unmarshal(raw, into)
	}
	if err != nil {
		return schema.Errorf(schema.CodeInvalidArgument, "the input cannot be read: %w", err)
	}
	return nil
}

func (t *turn) toolStore(input schema.Object) (any, error) {
	var in struct {
		Content    string   `json:"content"`
		Importance *float64 `json:"importance"`
		Tags       []string `json:"tags"`
	}
	if err := decoded(input, &in); err != nil {
		return nil, err
	}
	t.chose = true
	stored, err := t.keep(brain.Memo{
		Content: in.Content, Importance: in.Importance, Tags: in.Tags, Metadata: schema.Object{"source": "chat", "kind": "model"},
	})
	if err != nil {
		return nil, err
	}
	if !stored {
		return schema.Object{"stored": false, "because": "you remember that already, or as much as you may in one turn"}, nil
	}
	return schema.Object{"stored": true}, nil
}

func (t *turn) toolRecall(input schema.Object) (any, error) {
	in := struct {
		Query string `json:"query"`
		Limit int    `json:"limit"`
	}{Limit: recallLimit}
	if err := decoded(input, &in); err != nil {
		return nil, err
	}
	hits, err := t.Memory.Recall(t.ctx, in.Query, in.Limit)
	if err != nil {
		return nil, err
	}
	found := []string{}
	for _, h := range hits {
		found = append(found, t.remembered(h.Memory))
	}
	shown := schema.Object{"found": len(found)}
	if len(found) > 0 {
		shown["best"] = hits[0].Memory.Content
	}
	if err := t.do(brain.Step{Action: &brain.Action{Name: "memory.recall", Input: input, Result: shown}}); err != nil {
		return nil, err
	}
	return schema.Object{"found": found}, nil
}

func (t *turn) toolAsk(input schema.Object) (any, error) {
	var in struct{ Agent, Message string }
	if err := decoded(input, &in); err != nil {
		return nil, err
	}
	run, err := t.Others.Ask(t.ctx, in.Agent, in.Message)
	if t.ctx.Err() != nil {
		return nil, context.Cause(t.ctx)
	}
	var told *schema.Error
	result := schema.Object{"runId": run.ID}
	switch {
	case errors.As(err, &told):
		result["error"] = map[string]any{"code": string(told.Code), "message": told.Message}
	case err != nil:
		return nil, err
	default:
		result["reply"] = run.Reply.Content
	}
	if over := t.do(brain.Step{Action: &brain.Action{Name: "agent.ask", Input: input, Result: result}}); over != nil {
		return nil, over
	}
	return result, err
}

func (t *turn) toolFeel(input schema.Object) (any, error) {
	var e struct {
		Emotion          string
		Valence, Arousal float64
		Intensity        *float64
	}
	if err := decoded(input, &e); err != nil {
		return nil, err
	}
	feeling := schema.Emotion{Name: e.Emotion, Valence: e.Valence, Arousal: e.Arousal}
	if e.Intensity != nil {
		feeling.Intensity = *e.Intensity
	} else {
		feeling.Intensity = mood.Intensity(feeling)
	}
	t.Agent.Emotion = feeling
	return schema.Object{"felt": true}, t.do(brain.Step{Emotion: &feeling})
}
