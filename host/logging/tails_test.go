package logging_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/host/logging"
)

// tailed returns a log whose lines are kept, and what is written.
func tailed() (*slog.Logger, *logging.Tails, *bytes.Buffer) {
	var out bytes.Buffer
	tails := logging.NewTails()
	return slog.New(tails.Handler(logging.New(&out, slog.LevelInfo, true).Handler())), tails, &out
}

func TestTailsKeepWhatIsAboutAnExtension(t *testing.T) {
	log, tails, out := tailed()
	log.Info("nobody's")
	log.With("extension", "api", "generation", 2).WithGroup("request").Warn("slow", "took", time.Second, "error", errors.New("late"), slog.Group("client", "ip", "::1"))
	log.Error("failed", "extension", "hello", "listeners", []string{"127.0.0.1:1"}, "pid", 7)
	log.Debug("not written, and not kept", "extension", "hello")
	if n := strings.Count(out.String(), "\n"); n != 3 {
		t.Errorf("%d lines were written:\n%s", n, out)
	}
	for name, want := range map[string]string{
		"api":    `"level":"warn","message":"slow","attrs":[{"key":"generation","value":2},{"key":"request.took","value":"1s"},{"key":"request.error","value":"late"},{"key":"request.client.ip","value":"::1"}]}]`,
		"hello":  `"level":"error","message":"failed","attrs":[{"key":"listeners","value":["127.0.0.1:1"]},{"key":"pid","value":7}]}]`,
		"nobody": `null`,
	} {
		if got, err := json.Marshal(tails.Last(name, 10)); err != nil || !strings.HasSuffix(string(got), want) {
			t.Errorf("kept of %s: %s, %v\nwant %s", name, got, err, want)
		}
	}
}

// TestTailsKeepWhatIsNotWritten, so that a host which logs little can still be asked.
func TestTailsKeepWhatIsNotWritten(t *testing.T) {
	var out bytes.Buffer
	tails := logging.NewTails()
	log := slog.New(tails.Handler(logging.New(&out, slog.LevelError, true).Handler())).With("extension", "api")
	log.Info("kept")
	log.Debug("not kept")
	if got := tails.Last("api", 10); len(got) != 1 || got[0].Message != "kept" || out.Len() > 0 {
		t.Errorf("kept %v, written %q", got, out.String())
	}
}

func TestTailsAreBounded(t *testing.T) {
	log, tails, _ := tailed()
	log = log.With("extension", "api")
	for n := range 1500 {
		log.Info(fmt.Sprint(n))
	}
	got := tails.Last("api", 5000)
	if len(got) != 1000 || got[0].Message != "500" || got[999].Message != "1499" {
		t.Errorf("kept %d lines, the first %q, the last %q", len(got), got[0].Message, got[len(got)-1].Message)
	}
	if got := tails.Last("api", -1); len(got) != 0 {
		t.Errorf("Last(-1) has %d lines", len(got))
	}
	log.Info(strings.Repeat("long", 10000), "much", strings.Repeat("more", 10000))
	if l := tails.Last("api", 1)[0]; len(l.Message) > 5000 || len(l.Attrs[0].Value.(string)) > 5000 {
		t.Errorf("kept %d bytes of a long message", len(l.Message))
	}
}

func TestFollowMissesNothing(t *testing.T) {
	tails := logging.NewTails()
	log := slog.New(tails.Handler(logging.New(io.Discard, slog.LevelInfo, true).Handler())).With("extension", "api")
	const many = 1200
	var writer sync.WaitGroup
	writer.Go(func() {
		for n := range many {
			log.Info(fmt.Sprint(n))
		}
	})
	lines, f := tails.Follow("api", many)
	defer f.Close()
	next := 0
	if len(lines) > 0 {
		if _, err := fmt.Sscan(lines[0].Message, &next); err != nil {
			t.Fatal(err)
		}
	}
	check := func(l logging.Line) {
		t.Helper()
		if l.Message != fmt.Sprint(next) {
			t.Fatalf("line %s, want %d", l.Message, next)
		}
		next++
	}
	for _, l := range lines {
		check(l)
	}
	for next < many {
		check(<-f.Lines())
	}
	writer.Wait()
}

// TestSlowFollowerIsDropped: whoever logs waits for nobody.
func TestSlowFollowerIsDropped(t *testing.T) {
	log, tails, _ := tailed()
	_, slow := tails.Follow("api", 10)
	_, gone := tails.Follow("api", 10)
	gone.Close()
	for n := range 5000 {
		log.Info(fmt.Sprint(n), "extension", "api")
	}
	read := 0
	for range slow.Lines() { // until it is closed
		read++
	}
	if read == 0 || read >= 5000 {
		t.Errorf("the slow follower got %d lines", read)
	}
	slow.Close()
}

func TestScrubbed(t *testing.T) {
	var out bytes.Buffer
	hide := func(s string) string { return strings.ReplaceAll(s, "swordfish", "${env:SECRET}") }
	log := slog.New(logging.Scrubbed(logging.New(&out, slog.LevelInfo, true).Handler(), hide))
	log.With("with", "swordfish").WithGroup("g").Info("say swordfish", "text", "swordfish!", "error", fmt.Errorf("no: %w", errors.New("swordfish")),
		slog.Group("deep", "er", "swordfish"), "list", []string{"swordfish"}, "number", 3, "kept", []int{1})
	if strings.Contains(out.String(), "swordfish") || strings.Count(out.String(), "${env:SECRET}") != 6 {
		t.Errorf("written: %s", out.String())
	}
	if !strings.Contains(out.String(), `"g.number":3`) || !strings.Contains(out.String(), `"g.kept":[1]`) {
		t.Errorf("what is no secret became something else: %s", out.String())
	}
}
