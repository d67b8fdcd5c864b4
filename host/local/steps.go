package local

import (
	"errors"
	"fmt"
	"strings"

	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/host/local/mood"
	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// take has one step kept. done says that it was the reply.
func (p *performance) take(s brain.Step) (done bool, err error) {
	switch {
	case s.Thought != "":
		return false, p.tell(schema.EventThought, schema.Thought{Thought: clip(p.text(s.Thought), maxThoughtBytes)})
	case s.Emotion != nil:
		return false, p.feel(*s.Emotion)
	case s.Action != nil:
		return false, p.act(*s.Action)
	case s.Delta != "":
		delta := p.text(s.Delta)
		p.reply.WriteString(delta)
		p.deltas++
		if p.reply.Len() > schema.MaxMessageBytes {
			return false, tooLong(p.reply.Len())
		}
		return false, p.tell(schema.EventDelta, schema.Delta{Delta: delta, Index: p.deltas - 1})
	case s.Reply != "":
		if len(s.Reply) > schema.MaxMessageBytes {
			return false, tooLong(len(s.Reply))
		}
		p.reply.Reset()
		p.reply.WriteString(p.text(s.Reply))
		return true, nil
	}
	return false, errors.New("the brain yielded a step that is empty")
}

func tooLong(n int) error {
	return fmt.Errorf("the reply has %d bytes; at most %d are allowed", n, schema.MaxMessageBytes)
}

func (p *performance) text(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// tell keeps an event of the run.
func (p *performance) tell(t schema.EventType, payload any) error {
	return p.keep(func(tx store.Tx) error { return p.appendEvent(tx, runEvent(p.run, t), payload) })
}

// keep has a step written. Its error may be that of an earlier one.
func (p *performance) keep(step func(store.Tx) error) error { return unkept(p.rec.add(step)) }

func (p *performance) feel(e schema.Emotion) error {
	e, ok := mood.Sound(e)
	if !ok {
		return errors.New("the brain yielded an emotion that is not a number")
	}
	p.feels = e
	return p.keep(func(tx store.Tx) error {
		at := p.now()
		if err := tx.SetEmotion(p.run.AgentID, e, at); err != nil {
			return err
		}
		tx.OnCommit(func() { p.registry.feel(p.run.AgentID, e, at) })
		return p.appendEvent(tx, runEvent(p.run, schema.EventEmotion), schema.EmotionChange{
			Emotion: e.Name, Intensity: e.Intensity, Valence: e.Valence, Arousal: e.Arousal,
		})
	})
}

// act keeps an action, and the memory that it makes, in one commit.
func (p *performance) act(a brain.Action) error {
	payload := schema.Action{Action: a.Name, Input: orEmpty(a.Input), Result: orEmpty(a.Result)}
	var item *schema.MemoryItem
	if a.Store != nil {
		item = &schema.MemoryItem{
			ID: p.ids.next(memoryPrefix), AgentID: p.run.AgentID, Principal: p.run.Principal,
			Content: clip(p.text(a.Store.Content), schema.MaxMemoryBytes), Metadata: a.Store.Metadata, CreatedAt: p.now(),
			Tags: []string{}, Importance: schema.DefaultImportance,
		}
		payload.Result["id"] = item.ID
	}
	return p.keep(func(tx store.Tx) error {
		if item != nil {
			if err := p.keepMemory(tx, *item); err != nil {
				return fmt.Errorf("store memory: %w", err)
			}
		}
		return p.appendEvent(tx, runEvent(p.run, schema.EventAction), payload)
	})
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
