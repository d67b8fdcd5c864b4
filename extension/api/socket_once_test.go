package api_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/stagehouse/stagehouse/host/local"
	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/schema"
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

// haltingWorld is an API server before a runtime whose turns wait in the middle for resume.
func haltingWorld(t testing.TB) (w *world, host schema.Services, resume chan struct{}) {
	h := halting{make(chan struct{})}
	factory := func(context.Context, string, schema.Object) (brain.Brain, error) { return h, nil }
	host = openHost(t, local.Options{Brains: map[string]brain.Factory{local.BuiltinBrain: factory}})
	return start(t, "", host), host, h.resume
}

// told is a client that keeps the frames of one turn, and checks that those in the chain follow each other, and that the
// others lie behind.
type told struct {
	*socket
	run    string
	since  float64 // which it names when it subscribes
	held   float64
	seqs   []float64
	beside int // frames that are no place
}

// one reads a frame.
func (c *told) one() frame {
	c.t.Helper()
	f := c.read()
	seq, placed := f["seq"].(float64)
	prev, chained := f["prevSeq"].(float64)
	switch {
	case f["recovered"] == true:
		c.held = c.since
	case f.kind() == "subscribed":
		c.held = max(c.held, numberOf(c.t, f.text("head")))
	case chained && (prev != c.held || seq <= prev):
		c.t.Fatalf("held %v, got %v", c.held, f)
	case chained:
		c.held = seq
	case placed && seq > c.held:
		c.t.Fatalf("held %v, and %v is not in the chain", c.held, f)
	case placed:
		c.beside++
	}
	if placed && strings.HasPrefix(f.kind(), "chat:") && f.text("runId") == c.run {
		c.seqs = append(c.seqs, seq)
	}
	return f
}

// take reads frames until one of that type comes.
func (c *told) take(kind string) frame {
	c.t.Helper()
	for {
		if f := c.one(); f.kind() == kind {
			return f
		}
	}
}

func (c *told) command(text, answer string) frame {
	c.t.Helper()
	c.send(text)
	return c.take(answer)
}

// subscribe sends a command unless it is "".
func (c *told) subscribe(text string) {
	c.t.Helper()
	switch {
	case text == "":
	case strings.Contains(text, "unsubscribe"):
		c.command(text, "unsubscribed")
	default:
		c.command(text, "subscribed")
	}
}

// numberOf returns the number of a place in the log.
func numberOf(t testing.TB, place string) (n float64) {
	t.Helper()
	_, seq, _ := strings.Cut(place, "-")
	if _, err := fmt.Sscan(seq, &n); err != nil {
		t.Fatalf("%q is no place in the log: %v", place, err)
	}
	return n
}

// asRoot is a context of somebody who may see everything.
func asRoot(t testing.TB) context.Context {
	return schema.WithCaller(t.Context(), schema.Caller{Principal: "root", Scopes: []schema.Scope{schema.ScopeAdmin}})
}

// headOf returns the end of the log, once the server has read up to there.
func (w *world) headOf(host schema.Services) string {
	w.t.Helper()
	head, err := host.Events.Head(asRoot(w.t))
	if err != nil {
		w.t.Fatal(err)
	}
	w.hasRead(head.String())
	return head.String()
}

// framesOf returns the numbers of the chat events of a run, as the log has them.
func framesOf(t testing.TB, host schema.Services, run string) (seqs []float64) {
	t.Helper()
	ctx := asRoot(t)
	r, err := host.Chat.Run(ctx, run)
	if err != nil {
		t.Fatal(err)
	}
	since, _ := schema.ParseCursor(r.Since)
	for e, err := range host.Events.Subscribe(ctx, schema.EventQuery{Since: since, RunID: run}) {
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(string(e.Type), "chat:") {
			seqs = append(seqs, float64(e.Cursor.Seq))
		}
		if e.Type.Terminal() {
			break
		}
	}
	return seqs
}

const hello = `{"type":"chat:message","id":1,"agentId":"nyx","message":"Hello!","idempotencyKey":"key"}`

// nothing is a command that changes nothing, and whose answer comes behind everything that the commands before it brought.
const nothing = `{"type":"unsubscribe","agents":[]}`

// helloAgain is hello, written otherwise.
const helloAgain = `{"idempotencyKey":"key", "message":"Hello\u0021", "agentId":"nyx", "type":"chat:message", "id":2}`

// TestRepeatedMessage: whoever repeats a message follows the turn that it began, whether that runs or is over. Together with
// what its subscription has let through, the socket is sent each frame of the turn once.
func TestRepeatedMessage(t *testing.T) {
	for name, c := range map[string]struct {
		before string // the turn begins
		middle string // of the turn
		late   string // behind the turn, or in its middle where it is still running
	}{
		"that does not subscribe":                {},
		"subscribed before":                      {before: `{"type":"subscribe"}`},
		"subscribed to some of it":               {before: `{"type":"subscribe","events":["queued","reply"]}`},
		"subscribed to another agent":            {before: `{"type":"subscribe","agents":["aria"]}`},
		"subscribed in the middle":               {middle: `{"type":"subscribe","events":["chat:*"]}`},
		"subscribed afterwards":                  {late: `{"type":"subscribe","agents":["nyx"]}`},
		"subscribed, and no longer":              {before: `{"type":"subscribe"}`, middle: `{"type":"unsubscribe","agents":["nyx"]}`},
		"subscribed, not any more, and again":    {before: `{"type":"subscribe"}`, middle: `{"type":"unsubscribe"}`, late: `{"type":"subscribe"}`},
		"subscribed to what has happened before": {late: `{"type":"subscribe","events":["delta"],"since":"HEAD"}`},
	} {
		for _, over := range []bool{false, true} {
			t.Run(fmt.Sprintf("another socket %s, over %v", name, over), func(t *testing.T) {
				repeated(t, over, c.before, c.middle, c.late)
			})
		}
	}
}

func repeated(t *testing.T, over bool, before, middle, late string) {
	w, host, resume := haltingWorld(t)
	first, other := &told{socket: w.login("alice")}, &told{socket: w.login("alice")}
	head := w.headOf(host)
	other.since = numberOf(t, head)
	other.subscribe(before)
	ack := first.command(hello, "ack")
	first.run, other.run = ack.text("runId"), ack.text("runId")
	first.take("chat:delta")
	w.headOf(host)
	other.subscribe(middle)
	if over {
		resume <- struct{}{}
		first.take("chat:reply")
		w.headOf(host)
	}
	other.subscribe(strings.ReplaceAll(late, "HEAD", head))
	again := other.command(helloAgain, "ack")
	if again["replayed"] != true || again.text("runId") != other.run || again["id"] != 2.0 || ack["replayed"] != nil ||
		again.text("conversationId") != ack.text("conversationId") || again.text("agentId") != "nyx" {
		t.Errorf("first %v, again %v", ack, again)
	}
	if !over {
		resume <- struct{}{}
		first.take("chat:reply")
	}
	want := framesOf(t, host, other.run)
	for len(other.seqs) < len(want) {
		other.one()
	}
	w.headOf(host)
	other.command(nothing, "unsubscribed")
	if got := slices.Sorted(slices.Values(other.seqs)); !slices.Equal(got, want) || !slices.Equal(first.seqs, want) {
		t.Errorf("the turn is %v; the first socket was sent %v, the other one %v", want, first.seqs, other.seqs)
	}
	if before+middle+late == "" && (other.beside > 0 || !slices.Equal(other.seqs, want)) {
		t.Errorf("%v, of which %d frames are no place", other.seqs, other.beside)
	}
}

// TestRepeatedOnTheSameSocket: what a socket has been sent of its turn does not come again.
func TestRepeatedOnTheSameSocket(t *testing.T) {
	w, host, resume := haltingWorld(t)
	for i, subscribe := range []string{"", `{"type":"subscribe"}`} {
		c := &told{socket: w.login("alice")}
		hello := strings.Replace(hello, `"key"`, fmt.Sprintf(`"key %d"`, i), 1)
		c.subscribe(subscribe)
		c.run = c.command(hello, "ack").text("runId")
		c.take("chat:delta")
		again := func() {
			t.Helper()
			if ack := c.command(hello, "ack"); ack["replayed"] != true || ack.text("runId") != c.run {
				t.Errorf("again: %v", ack)
			}
		}
		again()
		resume <- struct{}{}
		c.take("chat:reply")
		again()
		c.command(nothing, "unsubscribed")
		c.subscribe(`{"type":"subscribe","events":["reply"]}`) // from when on other means keep what was sent
		again()
		w.headOf(host)
		c.command(nothing, "unsubscribed")
		if want := framesOf(t, host, c.run); !slices.Equal(c.seqs, want) {
			t.Errorf("the turn is %v, and the socket was sent %v", want, c.seqs)
		}
	}
}
