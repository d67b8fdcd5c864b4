//go:build linux

package e2e

import (
	"context"
	"iter"
	"testing"

	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/schema"
)

// verbose is a brain that says much more than a socket holds.
type verbose struct{}

// pieces of what it says; a frame of each is much longer than the piece.
const pieces = 10_000

func (verbose) Respond(ctx context.Context, _ brain.Turn) iter.Seq2[brain.Step, error] {
	return func(yield func(brain.Step, error) bool) {
		for range pieces {
			if !yield(brain.Step{Delta: "word "}, nil) {
				return
			}
		}
	}
}

// TestRepeatAcrossSwaps: the API server is replaced while sockets that have repeated a message are sent its long turn, and
// read nothing of it. Each gets the rest from the next one: all of it, once and in order.
func TestRepeatAcrossSwaps(t *testing.T) {
	m, _, api := managed(t, func(context.Context, string, schema.Object) (brain.Brain, error) { return verbose{}, nil })
	s := &server{t: t, base: "http://" + m.Status()[0].Listeners[0]}
	first := s.anybody()
	first.send(keyed)
	run := first.until("ack", "error").str("runId")
	want := seqsOf(first, run)
	var others []*socket
	for i := range 4 {
		k := s.anybody()
		if i%2 == 1 {
			k.send(frame{"type": "subscribe"})
			k.until("subscribed")
		}
		k.send(keyed)
		if ack := k.until("ack", "error"); ack["replayed"] != true || ack.str("runId") != run {
			t.Fatalf("again: %v", ack)
		}
		others = append(others, k)
	}
	for range 3 {
		swap(t, m, api)
	}
	for i, k := range others {
		if got := seqsOf(k, run); len(got) != len(want) {
			t.Errorf("socket %d was sent %d frames of %d", i, len(got), len(want))
		}
		k.send(keyed) // what it was sent is known to the next generation too
		if ack := k.until("ack", "error", "chat:queued"); ack["replayed"] != true {
			t.Errorf("socket %d, again: %v", i, ack)
		}
		k.send(frame{"type": "unsubscribe", "agents": []string{}})
		if f := k.read(); f.str("type") != "unsubscribed" {
			t.Errorf("socket %d was sent %.300v once more", i, f)
		}
	}
}

// seqsOf reads the frames of a run to its end, each of which comes behind the one before it.
func seqsOf(k *socket, run string) (seqs []float64) {
	k.t.Helper()
	for {
		f := k.read()
		seq, _ := f["seq"].(float64)
		if f.str("runId") != run || len(seqs) > 0 && seq <= seqs[len(seqs)-1] {
			k.t.Fatalf("behind %v came %.300v", seqs, f)
		}
		seqs = append(seqs, seq)
		switch f.str("type") {
		case "chat:reply":
			return seqs
		case "chat:failed":
			k.t.Fatalf("the turn failed: %.300v", f)
		}
	}
}
