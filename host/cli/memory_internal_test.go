package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stagehouse/stagehouse/host/memories"
)

// TestParts: an import is sent in parts of whole lines, none larger than a request may be, and no line is lost or counted twice.
func TestParts(t *testing.T) {
	long := strings.Repeat("x", 3<<20)
	for name, text := range map[string]string{
		"none":              "",
		"one":               "a\n",
		"no end":            "a\nb",
		"empty lines":       "\n\na\n\n",
		"many":              strings.Repeat("line\n", 2500),
		"long":              strings.Repeat(strings.Repeat("y", 900_000)+"\n", 20),
		"too long":          "a\n" + long + "\nb\n",
		"too long, no end":  "a\n" + long,
		"too long and many": strings.Repeat(long+"\n", 5),
	} {
		t.Run(name, func(t *testing.T) {
			in, lines := bufio.NewReaderSize(strings.NewReader(text), 64<<10), 0
			var all strings.Builder
			for end := false; !end; {
				part, n, err := nextPart(in)
				if end = errors.Is(err, io.EOF); err != nil && !end {
					t.Fatal(err)
				}
				if len(part) > 8<<20 || n > importLines || !end && (len(part) == 0 || part[len(part)-1] != '\n') {
					t.Errorf("a part has %d bytes and %d lines", len(part), n)
				}
				if got := strings.Count(strings.TrimSuffix(string(part), "\n"), "\n") + 1; n > 0 && got != n {
					t.Errorf("a part of %d lines says that it has %d", got, n)
				}
				lines += n
				all.Write(part)
			}
			want := strings.Count(text, "\n")
			if text != "" && !strings.HasSuffix(text, "\n") {
				want++
			}
			if lines != want {
				t.Errorf("%d lines were sent, of %d", lines, want)
			}
			if !strings.Contains(text, long) && all.String() != text {
				t.Error("what was sent is not what was read")
			}
			if strings.Contains(text, long) && len(all.String()) <= maxImportLine {
				t.Error("nobody could tell that the line is too long")
			}
		})
	}
	if _, _, err := nextPart(bufio.NewReader(iotest.ErrReader(io.ErrUnexpectedEOF))); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a file that cannot be read: %v", err)
	}
}

// TestProgress on a terminal and without one.
func TestProgress(t *testing.T) {
	at := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	steps := []struct {
		after time.Duration
		x     memories.Index
	}{
		{0, memories.Index{State: memories.StateWorking, Memories: 100}},
		{time.Second, memories.Index{State: memories.StateWorking, Memories: 100, Placed: 10}},
		{4 * time.Second, memories.Index{State: memories.StateWorking, Memories: 100, Placed: 50}},
		{100 * time.Millisecond, memories.Index{State: memories.StateWaiting, Memories: 100, Placed: 50, Error: "no key\nat all"}},
		{100 * time.Millisecond, memories.Index{State: memories.StateWaiting, Memories: 100, Placed: 50, Error: "no key\nat all"}},
		{time.Second, memories.Index{State: memories.StateReady, Memories: 100, Placed: 100}},
	}
	shown := func(redraw bool) string {
		var out strings.Builder
		now := at
		p := progress{out: &out, redraw: redraw, now: func() time.Time { return now }}
		for _, s := range steps {
			now = now.Add(s.after)
			p.show(s.x)
		}
		p.end()
		return out.String()
	}
	plain := "embedded 0 of 100 memories\n" +
		"embedded 50 of 100 memories, about 5s left\n" +
		"embedded 50 of 100 memories, waiting: no key\nat all\n" +
		"embedded 100 of 100 memories\n"
	if got := shown(false); got != plain {
		t.Errorf("without a terminal:\n%s\nwant:\n%s", got, plain)
	}
	drawn := shown(true)
	for _, want := range []string{
		"\r[" + strings.Repeat(".", 30) + "] embedded 0 of 100 memories" + clearToEdge,
		"\r[" + strings.Repeat("#", 15) + strings.Repeat(".", 15) + "] embedded 50 of 100 memories, about 5s left" + clearToEdge,
		"waiting: no key at all" + clearToEdge,
		"\r[" + strings.Repeat("#", 30) + "] embedded 100 of 100 memories" + clearToEdge + "\n",
	} {
		if !strings.Contains(drawn, want) {
			t.Errorf("on a terminal %q is not in %q", want, drawn)
		}
	}
	if n := strings.Count(drawn, "\n"); n != 1 || !strings.HasSuffix(drawn, "\n") {
		t.Errorf("on a terminal there are %d ends of a line in %q", n, drawn)
	}
}

func TestIndexForAPerson(t *testing.T) {
	e := &memories.Embedder{Provider: "openai", Model: "small"}
	for _, c := range []struct {
		x    memories.Index
		want []string
	}{
		{memories.Index{State: memories.StateOff}, []string{"no memories, found by their words; no model is configured", "memory.embedder"}},
		{memories.Index{State: memories.StateReady, Embedder: e, Memories: 1, Placed: 1}, []string{"1 memory, 1 of them embedded by the model small of openai: ready"}},
		{
			memories.Index{State: memories.StateWaiting, Embedder: e, Memories: 9, Placed: 5, Nowhere: 2, Error: "401", Words: "gone", Searched: []string{"openai/old", "openai/small"}},
			[]string{"9 memories, 3 of them", "waiting", "2 cannot be embedded", "searched meanwhile: openai/old, openai/small", "the last try failed: 401", "by words alone at the moment: gone"},
		},
	} {
		var out strings.Builder
		if err := writeIndex(&out, c.x); err != nil {
			t.Fatal(err)
		}
		for _, want := range c.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%q is not in\n%s", want, out.String())
			}
		}
	}
	if got := fmt.Sprint(importSummary(memories.Imported{There: 2, Expired: 1}, 3)); got != "no memories imported, 2 there already, 1 expired, 3 lines left out" {
		t.Errorf("the summary is %q", got)
	}
}
