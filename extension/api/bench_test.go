package api_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
)

// BenchmarkListAgents compares GET /api/agents, with authentication, the rate limit, and a call to the runtime over gRPC,
// with a bare Fiber handler that answers a constant of the same size: the ratio of the two, in one run.
func BenchmarkListAgents(b *testing.B) {
	w := start(b, `"rateLimit":{"windowMs":1000,"max":100000}`, newFakeHost().services())
	body := w.do("GET", "/api/agents", "", as("admin")...).body
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	app.Get("/api/agents", func(c *fiber.Ctx) error { return c.Type("json").Send(body) })
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() { _ = app.Listener(ln) })
	defer func() { _ = app.Shutdown(); serving.Wait() }()

	b.ResetTimer()
	bare := measure(b, ln.Addr().String(), b.N)
	ours := measure(b, w.address, b.N)
	b.ReportMetric(float64(b.N)/ours.Seconds(), "api-req/s")
	b.ReportMetric(float64(b.N)/bare.Seconds(), "bare-req/s")
	b.ReportMetric(float64(ours)/float64(bare), "times-bare")
}

// measure sends n requests over a few connections that are kept, and returns how long that takes. The client does next to
// nothing, because it runs on the same processors.
func measure(b *testing.B, address string, n int) time.Duration {
	const clients = 8
	request := []byte("GET /api/agents HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer admin\r\n\r\n")
	begin := time.Now()
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			c, err := net.Dial("tcp", address)
			if err != nil {
				b.Error(err)
				return
			}
			defer c.Close()
			in := bufio.NewReader(c)
			for range n/clients + 1 {
				_, _ = c.Write(request)
				resp, err := http.ReadResponse(in, nil)
				if err != nil || resp.StatusCode != http.StatusOK {
					b.Errorf("%v %v", resp, err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
			}
		})
	}
	wg.Wait()
	return time.Since(begin)
}
