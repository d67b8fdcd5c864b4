package handover

import (
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
