package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stagehouse/stagehouse/sdk"
	"github.com/stagehouse/stagehouse/sdk/sdktest"
)

// TestSignature is the test vector of Standard Webhooks.
func TestSignature(t *testing.T) {
	key, err := parseSecret(secret)
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	sign(h, key, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if got, want := h.Get("webhook-signature"), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-1": 0, "soon": 0, "99999999": 24 * time.Hour,
		"Fri, 02 Jan 2026 03:04:35 GMT": 30 * time.Second, "Fri, 02 Jan 2026 03:04:00 GMT": 0,
	} {
		if got := retryAfter(text, now); got != want {
			t.Errorf("%q is %v, want %v", text, got, want)
		}
	}
}

// endpoint is an HTTP endpoint in memory that answers as a test says.
type endpoint struct {
	answer func(n int, r *http.Request) *http.Response // of attempt n, from 1

	mu       sync.Mutex
	attempts []attempt
}

type attempt struct {
	at     time.Time
	id     string
	header http.Header
	body   []byte
}

func (x *endpoint) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	x.mu.Lock()
	x.attempts = append(x.attempts, attempt{time.Now(), r.Header.Get("webhook-id"), r.Header.Clone(), body})
	n := len(x.attempts)
	x.mu.Unlock()
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return x.answer(n, r), nil
}

func (x *endpoint) all() []attempt {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.attempts)
}

func status(code int, header ...string) *http.Response {
	h := http.Header{}
	if len(header) == 2 {
		h.Set(header[0], header[1])
	}
	return &http.Response{StatusCode: code, Status: fmt.Sprint(code), Header: h, Body: io.NopCloser(bytes.NewReader(nil))}
}

// start runs the extension against an endpoint in memory.
func start(t *testing.T, x *endpoint, host *sdktest.Host, block, state string) *sdktest.Running {
	t.Helper()
	d := definition()
	fresh := d.New
	d.New = func() sdk.Extension {
		w := fresh().(*webhook)
		w.transport = x
		return w
	}
	config := strings.Replace(block, "{", `{"url":"http://endpoint/hooks","secret":"`+secret+`",`, 1)
	return sdktest.Start(t, d, strings.Replace(config, ",}", "}", 1), host.Services(), sdktest.WithState(state))
}

// inBubble runs a test with a clock of its own.
func inBubble(t *testing.T, test func(t *testing.T, host *sdktest.Host, state string)) {
	state := t.TempDir()
	synctest.Test(t, func(t *testing.T) { test(t, sdktest.NewHost(sdk.Agent{ID: "nyx"}, sdk.Agent{ID: "aria"}), state) })
}

func say(host *sdktest.Host, agent, text string) sdk.Event {
	return host.Publish(sdk.Event{Type: "agent:thought", AgentID: agent, Payload: json.RawMessage(`{"thought":"` + text + `"}`)})
}

// TestAttempts: the pauses double and have some chance in them, what the endpoint asks for is heeded, every attempt is signed
// anew under the same id, and what comes later waits.
func TestAttempts(t *testing.T) {
	inBubble(t, func(t *testing.T, host *sdktest.Host, state string) {
		x := &endpoint{answer: func(n int, _ *http.Request) *http.Response {
			switch n {
			case 1, 2, 3, 4:
				return status(500)
			case 5:
				return status(429, "Retry-After", "120")
			case 6:
				return status(307, "Location", "http://elsewhere/")
			}
			return status(204)
		}}
		start(t, x, host, `{"concurrency":1}`, state)
		synctest.Wait()
		first := say(host, "nyx", "one")
		second := say(host, "nyx", "two")
		time.Sleep(time.Hour)
		synctest.Wait()
		all := x.all()
		if len(all) != 8 || all[6].id != first.Cursor.String() || all[7].id != second.Cursor.String() {
			t.Fatalf("%d attempts: %+v", len(all), all)
		}
		signatures := map[string]bool{}
		for i, a := range all[:7] {
			var e sdk.Event
			if err := json.Unmarshal(a.body, &e); err != nil || a.id != first.Cursor.String() || e.Cursor != first.Cursor || e.AgentID != "nyx" {
				t.Errorf("attempt %d: %s, %s, %v", i+1, a.id, a.body, err)
			}
			signatures[a.header.Get("webhook-signature")] = true
			if i == 0 {
				continue
			}
			pause := a.at.Sub(all[i-1].at)
			least, most := time.Second<<(i-1)/2, time.Second<<(i-1)*3/2
			if i == 5 { // from the fifth to the sixth
				least, most = 120*time.Second, 120*time.Second+1
			}
			if pause < least || pause > most {
				t.Errorf("%v before attempt %d, want %v to %v", pause, i+1, least, most)
			}
		}
		if len(signatures) < 6 {
			t.Errorf("%d signatures of 7 attempts", len(signatures))
		}
	})
}

// TestDeadLetters: an event that the endpoint never takes is kept, and the others go on.
func TestDeadLetters(t *testing.T) {
	inBubble(t, func(t *testing.T, host *sdktest.Host, state string) {
		bad := ""
		x := &endpoint{}
		x.answer = func(_ int, r *http.Request) *http.Response {
			if r.Header.Get("webhook-id") == bad {
				return status(400)
			}
			return status(200)
		}
		running := start(t, x, host, `{"maxAttempts":3}`, state)
		synctest.Wait()
		bad = sdk.Cursor{Epoch: "sdktest", Seq: 1}.String()
		say(host, "nyx", "never")
		last := say(host, "nyx", "always")
		time.Sleep(time.Hour)
		synctest.Wait()
		if all := x.all(); len(all) != 4 || all[3].id != last.Cursor.String() {
			t.Errorf("attempts: %+v", all)
		}
		counted, err := running.Metrics(t.Context())
		want := map[string]float64{"delivered_events_total": 1, "failed_attempts_total": 3, "dead_events_total": 1, "waiting_events": 0}
		if err != nil || !maps.Equal(counted, want) {
			t.Errorf("it counts %v, %v, want %v", counted, err, want)
		}
		f, err := os.Open(filepath.Join(state, deadName))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		lines := bufio.NewScanner(f)
		var letter deadLetter
		if !lines.Scan() || json.Unmarshal(lines.Bytes(), &letter) != nil || lines.Scan() {
			t.Fatal("there is not one dead letter")
		}
		if letter.ID != bad || letter.Attempts != 3 || !strings.Contains(letter.Error, "400") || !strings.Contains(string(letter.Event), "never") {
			t.Errorf("dead letter %+v", letter)
		}
	})
}

// TestOneAgentHoldsUpNoOther: what is about one agent waits for nobody else, and yet nothing is forgotten when the process ends
// before that: the place to go on is that of the oldest event that was not delivered.
func TestOneAgentHoldsUpNoOther(t *testing.T) {
	inBubble(t, func(t *testing.T, host *sdktest.Host, state string) {
		up := false
		x := &endpoint{}
		x.answer = func(_ int, r *http.Request) *http.Response {
			body := x.all()[len(x.all())-1].body
			if !up && bytes.Contains(body, []byte(`"nyx"`)) {
				return status(503)
			}
			return status(200)
		}
		running := start(t, x, host, `{"types":["agent:*"],"concurrency":2}`, state)
		synctest.Wait()
		stuck := say(host, "nyx", "stuck")
		for range 3 {
			say(host, "aria", "free")
		}
		host.Publish(sdk.Event{Type: "chat:reply", AgentID: "aria", Payload: json.RawMessage(`{}`)})
		time.Sleep(time.Minute)
		synctest.Wait()
		ids := deliveredIDs(x, "aria")
		if len(ids) != 3 {
			t.Errorf("of aria %v were posted", ids)
		}
		if err := running.Drain(context.Background()); err != nil {
			t.Fatal(err)
		}
		up = true
		before := len(x.all())
		start(t, x, host, `{"types":["agent:*"],"concurrency":2}`, state)
		time.Sleep(time.Minute)
		synctest.Wait()
		again := x.all()[before:]
		if len(again) != 4 || !slices.ContainsFunc(again, func(a attempt) bool { return a.id == stuck.Cursor.String() }) {
			t.Errorf("after a restart %d were posted, want the one that was stuck and what came after it", len(again))
		}
	})
}

func deliveredIDs(x *endpoint, agent string) (ids []string) {
	for _, a := range x.all() {
		if bytes.Contains(a.body, []byte(`"`+agent+`"`)) {
			ids = append(ids, a.id)
		}
	}
	return ids
}
