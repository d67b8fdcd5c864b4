package main

import (
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stagehouse/stagehouse/sdk"
	"github.com/stagehouse/stagehouse/sdk/sdktest"
)

// TestAnotherEndpoint: an event that one endpoint does not take is posted to the next one at once, and its attempts are counted on.
func TestAnotherEndpoint(t *testing.T) {
	inBubble(t, func(t *testing.T, host *sdktest.Host, state string) {
		x := &endpoint{answer: func(_ int, r *http.Request) *http.Response {
			if r.URL.Path == "/hooks" {
				return status(500)
			}
			return status(204)
		}}
		running := start(t, x, host, `{"retryMinMs":3600000,"maxAttempts":2}`, state)
		synctest.Wait()
		e := say(host, "nyx", "where are you?")
		synctest.Wait()
		moved := time.Now()
		problems, err := running.Reload(t.Context(), `{"url":"http://endpoint/moved","secret":"`+secret+`","retryMinMs":3600000,"maxAttempts":3}`)
		if err != nil || len(problems) > 0 {
			t.Fatalf("reload: %+v, %v", problems, err)
		}
		synctest.Wait()
		all := x.all()
		if len(all) != 2 || all[1].id != e.Cursor.String() || !all[1].at.Equal(moved) {
			t.Errorf("attempts: %+v", all)
		}
		counted, err := running.Metrics(t.Context())
		if err != nil || counted["delivered_events_total"] != 1 || counted["failed_attempts_total"] != 1 {
			t.Errorf("it counts %v, %v", counted, err)
		}
	})
}

// TestAttemptsAreNotForgotten: the last attempt is the last one, with whichever block it is made.
func TestAttemptsAreNotForgotten(t *testing.T) {
	inBubble(t, func(t *testing.T, host *sdktest.Host, state string) {
		x := &endpoint{answer: func(int, *http.Request) *http.Response { return status(500) }}
		running := start(t, x, host, `{"retryMinMs":3600000,"maxAttempts":2}`, state)
		synctest.Wait()
		say(host, "nyx", "never")
		synctest.Wait()
		if _, err := running.Reload(t.Context(), `{"url":"http://endpoint/moved","secret":"`+secret+`","maxAttempts":2}`); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		counted, err := running.Metrics(t.Context())
		if err != nil || counted["dead_events_total"] != 1 || len(x.all()) != 2 {
			t.Errorf("it counts %v, %v after %d attempts", counted, err, len(x.all()))
		}
	})
}

func TestBlocksThatAreNotTakenInPlace(t *testing.T) {
	x := &endpoint{answer: func(int, *http.Request) *http.Response { return status(204) }}
	running := start(t, x, sdktest.NewHost(), `{}`, t.TempDir())
	block := `{"url":"http://endpoint/hooks","secret":"` + secret + `"`
	if _, err := running.Reload(t.Context(), block+`,"concurrency":5}`); !errors.Is(err, sdk.ErrDeclined) || !strings.Contains(err.Error(), "concurrency") {
		t.Errorf("another concurrency: %v", err)
	}
	problems, err := running.Reload(t.Context(), block+`,"retryMinMs":10,"retryMaxMs":9}`)
	if err != nil || len(problems) != 1 || problems[0].Pointer != "/retryMaxMs" {
		t.Errorf("a bad block: %+v, %v", problems, err)
	}
}

// TestChapterShowsReload keeps the chapter for authors true.
func TestChapterShowsReload(t *testing.T) {
	source, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	_, reload, _ := strings.Cut(string(source), "\nfunc (x *webhook) Reload(")
	reload, _, _ = strings.Cut(reload, "\n}\n")
	chapter, err := os.ReadFile("../../docs/authoring.md")
	if err != nil || !strings.Contains(string(chapter), "```go\nfunc (x *webhook) Reload("+reload+"\n}\n```\n") {
		t.Errorf("docs/authoring.md does not show Reload of examples/webhook as it is (%v)", err)
	}
}
