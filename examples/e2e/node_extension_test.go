//go:build linux

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/schema"
)

// desk is the extension of examples/node-extension under a manager in this process.
type desk struct {
	*testing.T
	manager *plugin.Manager
	spec    plugin.Spec
	base    string
}

// startDesk starts a desk whose agents have a brain.
func startDesk(t *testing.T, b brain.Brain) *desk {
	t.Helper()
	program := os.Getenv("TEST_NODE_EXTENSION")
	if program == "" {
		t.Skip("make node-extension runs this")
	}
	m, _, _ := managed(t, func(context.Context, string, schema.Object) (brain.Brain, error) { return b, nil })
	d := &desk{T: t, manager: m, spec: plugin.Spec{
		Name: "desk", Path: program, Private: true, Config: json.RawMessage(`{"address": "127.0.0.1:0", "agent": "nyx"}`),
	}}
	if err := m.Start(t.Context(), d.spec); err != nil {
		t.Fatal(err)
	}
	d.base = "http://" + d.status().Listeners[0]
	return d
}

func (d *desk) status() plugin.Status {
	for _, s := range d.manager.Status() {
		if s.Name == "desk" {
			return s
		}
	}
	d.Fatal("there is no desk")
	return plugin.Status{}
}

// visitor is one whose cookie is known.
const visitor = "visitor=6f1b2c3d-0000-4000-8000-000000000001"

// request makes a request as a visitor.
func (d *desk) request(method, path, body string, header ...string) *http.Response {
	d.Helper()
	req, err := http.NewRequestWithContext(d.Context(), method, d.base+path, strings.NewReader(body))
	if err != nil {
		d.Fatal(err)
	}
	req.Header.Set("Cookie", visitor)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := newForeignClient(d.T).Do(req)
	if err != nil {
		d.Fatal(err)
	}
	d.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// lines reads lines of JSON to the end, or to the first of a type.
func (d *desk) lines(r *bufio.Reader, last string) (all []frame) {
	d.Helper()
	for {
		text, err := r.ReadBytes('\n')
		if err == io.EOF && last == "" {
			return all
		}
		var f frame
		if err == nil {
			err = json.Unmarshal(text, &f)
		}
		if err != nil {
			d.Fatalf("after %v: %v", all, err)
		}
		if all = append(all, f); last != "" && f.str("type") == last {
			return all
		}
	}
}

// TestDeskAnswersAcrossASwap: an answer that is under way when the program is replaced comes to its end where it began.
func TestDeskAnswersAcrossASwap(t *testing.T) {
	h := halting{make(chan struct{})}
	d := startDesk(t, h)
	answer := bufio.NewReader(d.request(http.MethodPost, "/ask", `{"message": "Hello!"}`).Body)
	d.lines(answer, "chat:delta")
	old := d.status().PID
	if err := d.manager.Reload(t.Context(), d.spec); err != nil {
		t.Fatal(err)
	}
	if err := gone(old); err == nil {
		t.Error("the old process is gone in the middle of an answer")
	}
	h.resume <- struct{}{}
	rest := d.lines(answer, "")
	if n := len(rest); n == 0 || rest[n-1].str("type") != "chat:reply" {
		t.Errorf("the answer ends with %v", rest)
	}
	eventually(t, "the old generation to be gone", func() error { return gone(old) })
}

// TestDeskSaysAMessageOnce: the same key is the same turn, whichever process is asked, and its words cannot change.
func TestDeskSaysAMessageOnce(t *testing.T) {
	h := halting{make(chan struct{})}
	d := startDesk(t, h)
	const key, message = "Idempotency-Key", `{"message": "Remember me."}`
	first := bufio.NewReader(d.request(http.MethodPost, "/ask", message, key, "one").Body)
	begun := d.lines(first, "chat:delta")
	kill(t, d.status().PID)
	h.resume <- struct{}{}
	again := d.lines(bufio.NewReader(d.request(http.MethodPost, "/ask", message, key, "one").Body), "chat:reply")
	if a, b := begun[0].str("conversationId"), again[0].str("conversationId"); a == "" || a != b {
		t.Errorf("the conversations are %q and %q", a, b)
	}
	if other := d.request(http.MethodPost, "/ask", `{"message": "Forget me."}`, key, "one"); other.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("the key of another message: %s", other.Status)
	} else if said := d.lines(bufio.NewReader(other.Body), ""); said[0].str("code") != "idempotency_key_reused" {
		t.Errorf("the key of another message: %v", said)
	}
}

// musing is a brain that thinks about what it hears, and says nothing.
type musing struct{}

func (musing) Respond(_ context.Context, turn brain.Turn) iter.Seq2[brain.Step, error] {
	return func(yield func(brain.Step, error) bool) {
		yield(brain.Step{Thought: "about " + turn.Message.Content}, nil)
	}
}

// TestDeskFeedsAcrossASwap: a feed ends when the program is replaced, and goes on where it was. It tells nobody what another
// visitor has said.
func TestDeskFeedsAcrossASwap(t *testing.T) {
	d := startDesk(t, musing{})
	say := func(message string, header ...string) {
		d.lines(bufio.NewReader(d.request(http.MethodPost, "/ask", fmt.Sprintf(`{"message": %q}`, message), header...).Body), "")
	}
	feed := bufio.NewReader(d.request(http.MethodGet, "/feed", "").Body)
	say("a secret", "Cookie", "visitor=6f1b2c3d-0000-4000-8000-000000000002")
	say("the weather")
	id := d.thought(feed, "about the weather")
	if err := d.manager.Reload(t.Context(), d.spec); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(feed); err != nil || len(rest) > 0 {
		t.Errorf("the feed ends with %q, %v", rest, err)
	}
	say("the sea")
	d.thought(bufio.NewReader(d.request(http.MethodGet, "/feed", "", "Last-Event-ID", id).Body), "about the sea")
}

// thought reads one event of a feed, which has to be that thought, and returns its id.
func (d *desk) thought(feed *bufio.Reader, want string) (id string) {
	d.Helper()
	var text [3]string
	for i := range text {
		var err error
		if text[i], err = feed.ReadString('\n'); err != nil {
			d.Fatal(err)
		}
	}
	var f frame
	if err := json.Unmarshal([]byte(strings.TrimPrefix(text[1], "data: ")), &f); err != nil || f.str("thought") != want {
		d.Errorf("the feed tells %q, want %q (%v)", text, want, err)
	}
	return strings.TrimSpace(strings.TrimPrefix(text[0], "id: "))
}

// TestDeskRefuses what it cannot do, and says why.
func TestDeskRefuses(t *testing.T) {
	d := startDesk(t, musing{})
	for _, c := range []struct {
		method, path, body string
		status             int
		code               string
	}{
		{http.MethodGet, "/nowhere", "", http.StatusNotFound, "not_found"},
		{http.MethodPost, "/ask", `{"message`, http.StatusBadRequest, "malformed"},
		{http.MethodPost, "/ask", `{"message": ""}`, http.StatusUnprocessableEntity, "invalid_argument"},
	} {
		resp := d.request(c.method, c.path, c.body)
		said := d.lines(bufio.NewReader(resp.Body), "")
		if resp.StatusCode != c.status || len(said) != 1 || said[0].str("code") != c.code || said[0].str("message") == "" {
			t.Errorf("%s: %s %v", fmt.Sprintf("%s %s %s", c.method, c.path, c.body), resp.Status, said)
		}
	}
}
