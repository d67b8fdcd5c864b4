package local_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stagehouse/stagehouse/host/local"
	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/schema"
)

// notary is a model that finds these facts, one in a line, in whatever was said.
type notary struct {
	gossips
	facts string
}

func (n notary) Think(_ context.Context, r schema.ThinkRequest) iter.Seq2[schema.ThinkEvent, error] {
	return func(yield func(schema.ThinkEvent, error) bool) {
		text := "Noted."
		if strings.Contains(r.ID, "aside") {
			text = n.facts
		}
		_ = yield(schema.ThinkEvent{Text: text}, nil) && yield(schema.ThinkEvent{Done: &schema.ThinkDone{Stop: schema.StopEnd, Model: "g"}}, nil)
	}
}

func remembered(ctx context.Context, t *testing.T, r *local.Runtime, agent string) []schema.MemoryItem {
	t.Helper()
	var items []schema.MemoryItem
	for _, h := range must[[]schema.MemoryHit](t)(r.Services().Memory.Search(ctx, schema.MemoryQuery{AgentID: agent, Limit: 100})) {
		items = append(items, h.Memory)
	}
	return items
}

// TestFactsOfAModelAreKept: as many as may in a turn, each once, with the message that they are of; and not again, after a restart
// either.
func TestFactsOfAModelAreKept(t *testing.T) {
	found := notary{facts: "- Al lives in Rome\n- Al has 2 sons\n- al lives in Rome.\n- Al has 3 cats\n- Al plays the cello\n- Al fears heights\n- Al sells boats\n- Al speaks Basque"}
	o := local.Options{Dir: t.TempDir(), UseBrains: true, Agents: []local.AgentSpec{
		{ID: "ada", Brain: schema.Brain{Provider: "gossip", Options: schema.Object{"remember": "model", "tools": false}}},
	}}
	want := []string{"Al lives in Rome", "Al has 2 sons", "Al has 3 cats", "Al plays the cello", "Al fears heights"}
	for _, more := range [][]string{nil, {"Al sells boats", "Al speaks Basque"}, nil} {
		r := open(t, o)
		r.UseBrains(found)
		before := remembered(alice(t), t, r, "ada")
		want = append(want, more...)
		seen := must[turn](t)(say(alice(t), r, schema.SendRequest{AgentID: "ada", Message: "hm"}))
		run := must[schema.Run](t)(r.Services().Chat.Run(alice(t), seen.accepted.RunID))
		var got []string
		for i, m := range remembered(alice(t), t, r, "ada") { // newest first
			got = append(got, m.Content)
			fresh := !slices.ContainsFunc(before, func(b schema.MemoryItem) bool { return b.ID == m.ID })
			if ids, _ := m.Metadata["messageIds"].([]any); fresh && (len(ids) != 1 || ids[0] != run.MessageID) || m.Metadata["kind"] != "model" {
				t.Errorf("memory %d of message %s is %+v", i, run.MessageID, m)
			}
		}
		slices.Reverse(got)
		if !slices.Equal(got, want) {
			t.Errorf("ada remembers %q, want %q", got, want)
		}
		shut(t, r)
	}
}

// TestAFactIsKeptOnceByTurnsAtOnce has turns of many conversations look whether a fact is known, and then all of them keep it.
func TestAFactIsKeptOnceByTurnsAtOnce(t *testing.T) {
	const each = 8
	var looked sync.WaitGroup
	o := scripted(func(ctx context.Context, t brain.Turn, yield func(brain.Step, error) bool) {
		hits, err := t.Memory.Recall(ctx, t.Message.Content, 5)
		looked.Done()
		looked.Wait()
		if err == nil && len(hits) == 0 {
			memo := &brain.Memo{Content: t.Message.Content}
			yield(brain.Step{Action: &brain.Action{Name: "memory.store", Result: schema.Object{"stored": true}, Store: memo}}, nil)
		}
		yield(brain.Step{Reply: "x"}, err)
	})
	o.MaxRunning = 2 * each
	r := open(t, o)
	everybodyTells := func() (stored, refused int) {
		looked.Add(2 * each)
		var mu sync.Mutex
		var all sync.WaitGroup
		for i := range each {
			for _, who := range []string{"alice", "bob"} {
				ctx := as(t, who, schema.ScopeChat)
				all.Go(func() {
					seen, err := say(ctx, r, schema.SendRequest{
						AgentID: "bot", ConversationID: fmt.Sprint("c", i), Message: []string{"I live in Rome", "I live in Rome."}[i%2],
					})
					if err != nil {
						t.Error(err)
					}
					mu.Lock()
					defer mu.Unlock()
					for _, e := range seen.events {
						switch payload := string(e.Payload); {
						case strings.Contains(payload, `"stored":true`):
							stored++
						case strings.Contains(payload, `"stored":false`):
							refused++
						}
					}
				})
			}
		}
		all.Wait()
		return stored, refused
	}
	for range 2 { // and once more when it was forgotten
		if stored, refused := everybodyTells(); stored != 2 || refused != 2*each-2 {
			t.Errorf("%d turns have stored the fact, and %d were refused", stored, refused)
		}
		for _, who := range []string{"alice", "bob"} {
			ctx := as(t, who, schema.ScopeChat)
			items := remembered(ctx, t, r, "bot")
			if len(items) != 1 || items[0].Principal != who {
				t.Fatalf("of what %s has told, bot remembers %+v", who, items)
			}
			if err := r.Services().Memory.Delete(ctx, "bot", items[0].ID); err != nil {
				t.Error(err)
			}
		}
	}
}
