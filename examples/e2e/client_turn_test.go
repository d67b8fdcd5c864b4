//go:build linux

package e2e

import (
	"context"
	"iter"
	"testing"

	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk/client"
)

// halting is a brain that stops in the middle of every reply until it is told to go on.
type halting struct{ resume chan struct{} }

func (h halting) Respond(ctx context.Context, _ brain.Turn) iter.Seq2[brain.Step, error] {
	return func(yield func(brain.Step, error) bool) {
		if !yield(brain.Step{Delta: "half "}, nil) {
			return
		}
		select {
		case <-h.resume:
			yield(brain.Step{Delta: "a reply"}, nil)
		case <-ctx.Done():
			yield(brain.Step{}, ctx.Err())
		}
	}
}

// TestClientTurnInTheMiddle: the API process is killed, or replaced, in the middle of a reply, and the rest of it comes once:
// what is said while there is no process too.
func TestClientTurnInTheMiddle(t *testing.T) {
	h := halting{make(chan struct{})}
	m, _, api := managed(t, func(context.Context, string, schema.Object) (brain.Brain, error) { return h, nil })
	s := &server{t: t, base: "http://" + m.Status()[0].Listeners[0]}
	c := s.client()
	for name, interrupt := range map[string]func(){
		"kill -9": func() { kill(t, m.Status()[0].PID) },
		"reload":  func() { swap(t, m, api) },
	} {
		t.Run(name, func(t *testing.T) {
			turn, err := c.Chat(t.Context(), client.Message{AgentID: "nyx", Text: "Hello!"})
			if err != nil {
				t.Fatal(err)
			}
			defer turn.Close()
			var text string
			for piece, err := range turn.Deltas(t.Context()) {
				if err != nil {
					t.Fatal(err)
				}
				if text == "" {
					interrupt()
					h.resume <- struct{}{}
				}
				text += piece
			}
			reply, err := turn.Reply(t.Context())
			if err != nil || text != "half a reply" || reply.Content != text {
				t.Errorf("streamed %q for the reply %q, %v", text, reply.Content, err)
			}
		})
	}
}
