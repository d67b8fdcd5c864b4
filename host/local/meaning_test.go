package local_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/host/local"
	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/host/memories"
	"github.com/stagehouse/stagehouse/host/memories/memoriestest"
	"github.com/stagehouse/stagehouse/schema"
)

// TestABrainRecallsByMeaning what the principal of its turn may be told, and nothing else.
func TestABrainRecallsByMeaning(t *testing.T) {
	o := scripted(func(ctx context.Context, t brain.Turn, yield func(brain.Step, error) bool) {
		hits, err := t.Memory.Recall(ctx, t.Message.Content, 5)
		var found []string
		for _, h := range hits {
			found = append(found, h.Memory.Content)
		}
		yield(brain.Step{Reply: fmt.Sprintf("%q", found)}, err)
	})
	o.UseBrains, o.Embedder = true, &memories.Embedder{Provider: memoriestest.Provider, Model: "m", PerMinute: 1e6}
	r := open(t, o)
	r.UseBrains(&memoriestest.Brain{Synonyms: []string{"cat dog pet"}})
	for who, content := range map[string]string{"alice": "a cat named Tom", "bob": "a dog named Rex"} {
		if _, err := r.Services().Memory.Store(as(t, who, schema.ScopeChat), schema.NewMemory{AgentID: "bot", Content: content}); err != nil {
			t.Fatal(err)
		}
	}
	embeddedAll(t, r)
	seen, err := say(alice(t), r, schema.SendRequest{AgentID: "bot", Message: "pets?"})
	if err != nil {
		t.Fatal(err)
	}
	var reply schema.Reply
	if err := json.Unmarshal(seen.last().Payload, &reply); err != nil || reply.Reply.Content != `["a cat named Tom"]` {
		t.Errorf("it recalls %s, %v", reply.Reply.Content, err)
	}
}

// embeddedAll waits until every memory has its vector.
func embeddedAll(t *testing.T, r *local.Runtime) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		x, err := r.Memories().Index(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if x.State == memories.StateReady {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the index is %+v", x)
		}
	}
}
