package handover

import (
	"log/slog"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestPeriodFindsTheEndOfAHeader wherever the reads cut it.
func TestPeriodFindsTheEndOfAHeader(t *testing.T) {
	for request, header := range map[string]int{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n":                              27,
		"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n\r\n\r\nx":          38,
		"GET / HTTP/1.1\r\nHost: x\r\n":                                  0,
		"\r\n\r\n":                                                       4,
		"GET / HTTP/1.1\r\nA: " + strings.Repeat("x", 9000) + "\r\n\r\n": 9023,
		"": 0,
	} {
		for step := 1; step <= len(request); step++ {
			var p period
			for rest := request; rest != ""; {
				n := min(step, len(rest))
				p.feed([]byte(rest[:n]))
				rest = rest[n:]
			}
			if p.header != int64(header) || p.bytes != int64(len(request)) {
				t.Fatalf("%.30q in steps of %d: header %d, bytes %d; want %d and %d", request, step, p.header, p.bytes, header, len(request))
			}
			if step > 50 {
				step += 97
			}
		}
	}
}

// TestWhatNetHTTPReadsAhead: a byte of the next request is a request that has begun; more of it cannot be handed over.
func TestWhatNetHTTPReadsAhead(t *testing.T) {
	const request = "GET / HTTP/1.1\r\n\r\n"
	c := &Conn{l: &Listener{set: New(nil, slog.New(slog.DiscardHandler))}}
	answer := func(read string) (busy, ahead bool) {
		c.note([]byte(read))
		c.Active()
		c.Expect(0)
		c.IdleAfterRequest()
		return c.busy.Load(), c.ahead.Load()
	}
	for _, step := range []struct {
		read        string
		busy, ahead bool
	}{
		{request, false, false},
		{request + request[:1], true, false},
		{request[1:], false, false}, // the rest of it
		{request + request[:2], true, true},
		{request[2:], false, false},
		{request + request, true, true},
	} {
		if busy, ahead := answer(step.read); busy != step.busy || ahead != step.ahead {
			t.Fatalf("after %q: busy %v, ahead %v", step.read, busy, ahead)
		}
	}
}
