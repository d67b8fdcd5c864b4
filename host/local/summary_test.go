package local_test

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"

	"github.com/stagehouse/stagehouse/host/local"
	"github.com/stagehouse/stagehouse/schema"
)

// clerk is a model that keeps minutes: the numbers of the messages that it was shown. It keeps what it was asked last.
type clerk struct {
	gossips
	mu   sync.Mutex
	last schema.ThinkRequest
}

func (c *clerk) Think(_ context.Context, r schema.ThinkRequest) iter.Seq2[schema.ThinkEvent, error] {
	return func(yield func(schema.ThinkEvent, error) bool) {
		text := "Noted."
		if strings.Contains(r.ID, "aside") {
			text = numbersIn(r.Messages[0].Text)
		} else {
			c.mu.Lock()
			c.last = r
			c.mu.Unlock()
		}
		_ = yield(schema.ThinkEvent{Text: text}, nil) && yield(schema.ThinkEvent{Done: &schema.ThinkDone{Stop: schema.StopEnd, Model: "g"}}, nil)
	}
}

// numbersIn returns the words like n7 of a text, in order.
func numbersIn(s string) string {
	var out []string
	for _, w := range strings.Fields(s) {
		if strings.HasPrefix(w, "n") && strings.Trim(w[1:], "0123456789") == "" && len(w) > 1 {
			out = append(out, w)
		}
	}
	return strings.Join(out, " ")
}

// TestALongConversationIsSummarised: at every moment, and over a restart, the model knows of every message: from the summary or from the
// message itself, and of none twice.
func TestALongConversationIsSummarised(t *testing.T) {
	c := &clerk{}
	o := local.Options{Dir: t.TempDir(), UseBrains: true, Agents: []local.AgentSpec{
		{ID: "ada", Brain: schema.Brain{Provider: "gossip", Options: schema.Object{"contextTokens": 1200, "tools": false, "remember": "off"}}},
	}}
	r := open(t, o)
	r.UseBrains(c)
	var want []string
	summaries := 0
	for n := range 40 {
		if n == 20 {
			shut(t, r)
			r = open(t, o)
			r.UseBrains(c)
		}
		want = append(want, fmt.Sprint("n", n))
		seen := must[turn](t)(say(alice(t), r, schema.SendRequest{
			AgentID: "ada", ConversationID: "long", Message: fmt.Sprintf("n%d %s", n, strings.Repeat("blah ", 40)),
		}))
		if replyOf(t, seen) != "Noted." {
			t.Fatalf("turn %d: %s", n, seen.last().Payload)
		}
		for _, e := range seen.events {
			if e.Type == schema.EventThought && strings.Contains(string(e.Payload), "sum up") {
				summaries++
			}
		}
		var known strings.Builder
		_, summary, _ := strings.Cut(c.last.System, "What was said earlier")
		known.WriteString(summary)
		for _, m := range c.last.Messages {
			known.WriteString(" " + m.Text)
		}
		if got := numbersIn(known.String()); got != strings.Join(want, " ") {
			t.Fatalf("in turn %d the model knows of %s", n, got)
		}
	}
	if summaries < 2 || summaries > 20 {
		t.Errorf("%d summaries were made", summaries)
	}
}
