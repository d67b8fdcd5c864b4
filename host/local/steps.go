package local

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/stagehouse/stagehouse/host/fault"
	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/host/local/mood"
	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/host/usage"
	"github.com/stagehouse/stagehouse/schema"
)

// take has one step kept, or returns the reply that it is.
func (p *performance) take(s brain.Step) (reply string, err error) {
	switch {
	case s.Thought != "":
		return "", p.turn.Tell(schema.EventThought, schema.Thought{Thought: clip(text(s.Thought), maxThoughtBytes)})
	case s.Emotion != nil:
		return "", p.feel(*s.Emotion)
	case p.spent != nil && (s.Delta != "" || s.Action != nil && s.Action.Store == nil): // what it has learnt it may keep
		return "", p.spent
	case s.Action != nil:
		return "", p.act(*s.Action)
	case s.Delta != "":
		return "", p.turn.Delta(s.Delta)
	case s.Usage != nil:
		return "", p.use(*s.Usage)
	case s.Summary != nil:
		return "", p.turn.Summarise(s.Summary.Text, s.Summary.UpTo)
	case s.Reply != "":
		return s.Reply, nil
	}
	return "", errors.New("the brain yielded a step that is empty")
}

// use keeps what a model has used. The model is not asked again when a budget is used up by it, but what it has said already
// is a reply all the same: see take.
func (p *performance) use(u brain.Usage) error {
	run := p.turn.Run
	err := p.ledger.Record(context.Background(), usage.Step{
		RunID: run.ID, AgentID: run.AgentID, Principal: run.Principal, Provider: u.Provider, Model: u.Model, Tokens: u.Tokens,
	})
	p.spent = p.ledger.Check(run.Principal, run.AgentID)
	return fault.Conceal("keep what the model has used", err)
}

func text(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

func (p *performance) feel(e schema.Emotion) error {
	e, ok := mood.Sound(e)
	if !ok {
		return errors.New("the brain yielded an emotion that is not a number")
	}
	p.feels = e
	return p.turn.Keep(func(tx store.Tx) error {
		at := p.now()
		if err := tx.SetEmotion(p.turn.Run.AgentID, e, at); err != nil {
			return err
		}
		tx.OnCommit(func() { p.registry.feel(p.turn.Run.AgentID, e, at) })
		return p.turn.Append(tx, schema.EventEmotion, schema.EmotionChange{
			Emotion: e.Name, Intensity: e.Intensity, Valence: e.Valence, Arousal: e.Arousal,
		})
	})
}

// act keeps an action, and the memory that it makes where the agent may remember it, in one commit.
func (p *performance) act(a brain.Action) error {
	payload := schema.Action{Action: a.Name, Input: orEmpty(a.Input), Result: orEmpty(a.Result)}
	var item *schema.MemoryItem
	switch {
	case a.Store == nil:
	case !p.policy.May(p.kept):
		payload.Result = schema.Object{"stored": false, "reason": "the agent's memory policy"}
	default:
		item = p.item(*a.Store)
		p.kept++
	}
	return p.turn.Keep(func(tx store.Tx) error {
		shown := payload
		if item != nil {
			var err error
			if shown.Result, err = p.memorise(tx, *item, payload.Result); err != nil {
				return fmt.Errorf("store memory: %w", err)
			}
		}
		return p.turn.Append(tx, schema.EventAction, shown)
	})
}

// item is the memory that a memo makes.
func (p *performance) item(m brain.Memo) *schema.MemoryItem {
	now := p.now()
	item := &schema.MemoryItem{
		ID: p.memory.NewID(), AgentID: p.turn.Run.AgentID, Principal: p.turn.Run.Principal,
		Content: clip(text(m.Content), schema.MaxMemoryBytes), Metadata: orEmpty(m.Metadata), CreatedAt: now,
		Tags: append([]string{}, m.Tags...), Importance: schema.DefaultImportance, ExpiresAt: p.policy.Expiry(now),
	}
	item.Metadata["messageIds"] = []any{p.turn.Message.ID}
	if m.Importance != nil {
		item.Importance = min(max(*m.Importance, 0), 1)
	}
	return item
}

// memorise keeps a memory, unless another turn has kept the same in the meantime, and returns what is shown of that: result, with the id.
func (p *performance) memorise(tx store.Tx, item schema.MemoryItem, result schema.Object) (schema.Object, error) {
	known, err := p.recent.same(tx, item)
	if err != nil {
		return nil, err
	}
	if known != "" {
		return schema.Object{"stored": false, "reason": "the agent remembers it already", "id": known}, nil
	}
	p.recent.add(item)
	result = orEmpty(result)
	result["id"] = item.ID
	return result, p.memory.Keep(tx, item)
}

func orEmpty(o schema.Object) schema.Object {
	out := schema.Object{}
	for k, v := range o {
		out[k] = v
	}
	return out
}

// clip bounds a text without cutting a character apart.
func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	const more = "…"
	return strings.ToValidUTF8(s[:limit-len(more)], "") + more
}
