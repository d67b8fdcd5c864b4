package sdk_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/plugin"
)

// anyone is a client's configuration that takes every certificate.
func anyone() *tls.Config { return &tls.Config{InsecureSkipVerify: true} }

// polite is a client that never tries again what it has sent, and opens a new connection only where the answer before said
// that it is the last one.
type polite struct {
	dial  func() (net.Conn, error)
	fresh bool // the connection has had no answer yet
	conn  net.Conn
	in    *bufio.Reader
}

// ask sends one request and returns the body of the answer, and whether it was the last one.
func (p *polite) ask() (body string, last bool, err error) {
	if p.conn == nil {
		if p.conn, err = p.dial(); err != nil {
			return "", false, err
		}
		p.fresh, p.in = true, bufio.NewReader(p.conn)
	}
	_ = p.conn.SetDeadline(time.Now().Add(patience))
	if _, err = io.WriteString(p.conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return "", false, err
	}
	return p.answer()
}

func (p *polite) answer() (body string, last bool, err error) {
	resp, err := http.ReadResponse(p.in, nil)
	if err != nil {
		return "", false, err
	}
	b, err := io.ReadAll(resp.Body)
	p.fresh = false
	if err == nil && resp.Close {
		p.close()
	}
	return string(b), resp.Close, err
}

func (p *polite) close() {
	if p.conn != nil {
		_ = p.conn.Close()
	}
	p.conn = nil
}

// politeTo returns a client that has had an answer.
func politeTo(t *testing.T, dial func() (net.Conn, error)) *polite {
	t.Helper()
	p := &polite{dial: dial}
	t.Cleanup(p.close)
	if _, last, err := p.ask(); err != nil || last {
		t.Fatalf("the first answer: last %t, %v", last, err)
	}
	return p
}

// runningTLS is running with TLS in the process.
func runningTLS(t *testing.T) (m *plugin.Manager, spec plugin.Spec, dial func() (net.Conn, error)) {
	t.Helper()
	m, _ = newManager(t)
	spec = servantSpec(t, `{"tls":true}`)
	if err := m.Start(context.Background(), spec); err != nil {
		t.Fatal(err)
	}
	address := m.Status()[0].Listeners[0]
	return m, spec, func() (net.Conn, error) { return tls.Dial("tcp", address, anyone()) }
}

// TestSwapOfTLS replaces an extension again and again whose connections cannot move: no client that does what it is told
// fails, whether it uses its connection all the time or was idle when the swap came.
func TestSwapOfTLS(t *testing.T) {
	m, spec, dial := runningTLS(t)
	stop := make(chan struct{})
	var clients sync.WaitGroup
	var answered, redialled atomic.Int64
	for range 4 {
		p := politeTo(t, dial)
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				_, last, err := p.ask()
				if err != nil {
					t.Errorf("after %d answers: %v", answered.Load(), err)
					return
				}
				answered.Add(1)
				if last {
					redialled.Add(1)
				}
			}
		})
	}
	defer clients.Wait()
	defer close(stop)
	const swaps = 3
	for range swaps {
		idle := []*polite{politeTo(t, dial), politeTo(t, dial)}
		old, before := m.Status()[0].PID, answered.Load()
		if err := m.Reload(context.Background(), spec); err != nil {
			t.Fatal(err)
		}
		for _, p := range idle {
			if got, last, err := p.ask(); err != nil || got != strconv.Itoa(old) || !last {
				t.Fatalf("an idle connection got %q, last %t, %v; its process is %d", got, last, err, old)
			}
			if got, last, err := p.ask(); err != nil || got == strconv.Itoa(old) || last {
				t.Fatalf("the next connection got %q, last %t, %v; the old process is %d", got, last, err, old)
			}
			p.close()
		}
		eventually(t, "answers after the swap", func() bool { return answered.Load() > before+50 || t.Failed() })
		eventually(t, "the old generation to be gone", func() bool { return gone(old) })
	}
	if n := redialled.Load(); n != 4*swaps {
		t.Errorf("4 clients were told %d times in %d swaps to come again", n, swaps)
	}
	t.Logf("%d answers over %d swaps", answered.Load(), swaps)
}

// TestSwapOfTLSUnderGoClients: net/http's client, by HTTP/1.1 and by HTTP/2, opens another connection only because it was
// told so. What it would try again by itself would be seen as one connection more.
func TestSwapOfTLSUnderGoClients(t *testing.T) {
	m, spec, dial := runningTLS(t)
	address := m.Status()[0].Listeners[0]
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
		var dialled, last atomic.Int64
		transport := &http.Transport{
			MaxConnsPerHost: 1, TLSClientConfig: anyone(), ForceAttemptHTTP2: protocol == "HTTP/2.0",
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				dialled.Add(1)
				return new(net.Dialer).DialContext(ctx, network, addr)
			},
		}
		defer transport.CloseIdleConnections()
		client := &http.Client{Transport: transport, Timeout: patience}
		ask := func() (string, error) {
			// Without GetBody it cannot be sent twice.
			req, err := http.NewRequest(http.MethodPost, "https://"+address, io.MultiReader(strings.NewReader("x")))
			if err != nil {
				return "", err
			}
			resp, err := client.Do(req)
			if err != nil {
				return "", err
			}
			defer resp.Body.Close()
			if resp.Close {
				last.Add(1)
			}
			if resp.Proto != protocol {
				return "", fmt.Errorf("it was answered by %s, want %s", resp.Proto, protocol)
			}
			b, err := io.ReadAll(resp.Body)
			return string(b), err
		}
		if _, err := ask(); err != nil {
			t.Fatal(err)
		}
		kept := politeTo(t, dial) // so that the old generation has a reason to stay for a while
		old := m.Status()[0].PID
		if err := m.Reload(context.Background(), spec); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the client to be with the next generation", func() bool {
			got, err := ask()
			if err != nil {
				t.Fatalf("%s: %v", protocol, err)
			}
			return got != strconv.Itoa(old)
		})
		if protocol == "HTTP/1.1" && dialled.Load() != 1+last.Load() {
			t.Errorf("%d connections, and %d were told to be the last", dialled.Load(), last.Load())
		}
		if dialled.Load() != 2 {
			t.Errorf("%s: %d connections over one swap", protocol, dialled.Load())
		}
		if _, last, err := kept.ask(); err != nil || !last {
			t.Errorf("an idle connection: last %t, %v", last, err)
		}
	}
}

// TestAnIdleConnectionOfTLSEnds only after some time, and as TLS ends.
func TestAnIdleConnectionOfTLSEnds(t *testing.T) {
	m, spec, dial := runningTLS(t)
	idle := politeTo(t, dial)
	old, begun := m.Status()[0].PID, time.Now()
	if err := m.Reload(context.Background(), spec); err != nil {
		t.Fatal(err)
	}
	if _, err := idle.in.ReadByte(); !errors.Is(err, io.EOF) { // not io.ErrUnexpectedEOF, which is one without TLS's own
		t.Errorf("it ended with %v", err)
	}
	if open := time.Since(begun); open < 2*time.Second {
		t.Errorf("it was open for %v only", open)
	}
	eventually(t, "the old generation to be gone", func() bool { return gone(old) })
}

// TestSwapOfAClientThatPipelines: it has always sent one request ahead. It is answered up to the answer that says that it is
// the last one.
func TestSwapOfAClientThatPipelines(t *testing.T) {
	m, spec := running(t)
	old := m.Status()[0]
	p := politeTo(t, func() (net.Conn, error) { return net.Dial("tcp", old.Listeners[0]) })
	send := func(requests int) {
		t.Helper()
		if _, err := io.WriteString(p.conn, strings.Repeat("GET / HTTP/1.1\r\nHost: x\r\n\r\n", requests)); err != nil {
			t.Fatal(err)
		}
	}
	send(20)
	if err := m.Reload(context.Background(), spec); err != nil {
		t.Fatal(err)
	}
	for ahead := 20; ; ahead-- {
		if ahead < 10 {
			send(10)
			ahead += 10
		}
		got, last, err := p.answer()
		if err != nil {
			t.Fatal(err)
		}
		if last || got != strconv.Itoa(old.PID) { // or it has moved, where nothing was ahead for a moment
			return
		}
	}
}

// TestSwapWithoutATether is on a system where nothing can be handed over: whoever has a connection sees nothing but its last
// answer, and only connects are refused, for the moment in which the address changes hands.
func TestSwapWithoutATether(t *testing.T) {
	address := freeAddress(t)
	m, _ := newManager(t, plugin.InTurn())
	spec := servantSpec(t, fmt.Sprintf(`{"address":%q}`, address))
	spec.Env[envUntied] = "1"
	if err := m.Start(context.Background(), spec); err != nil {
		t.Fatal(err)
	}
	dial := func() (net.Conn, error) { return net.Dial("tcp", address) }
	stop := make(chan struct{})
	var clients sync.WaitGroup
	var answered atomic.Int64
	for range 4 {
		p := politeTo(t, dial)
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				switch _, _, err := p.ask(); {
				case err == nil:
					answered.Add(1)
				case p.conn == nil && errors.Is(err, syscall.ECONNREFUSED):
				case p.fresh && errors.Is(err, syscall.ECONNRESET), p.fresh && errors.Is(err, io.EOF):
					p.close() // it was in the queue of the listener that was closed
				default:
					t.Errorf("after %d answers: %v", answered.Load(), err)
					return
				}
			}
		})
	}
	defer clients.Wait()
	defer close(stop)
	for range 3 {
		idle := politeTo(t, dial)
		release := beginSlow(t, address)
		old, before := m.Status()[0].PID, answered.Load()
		if err := m.Reload(context.Background(), spec); err != nil {
			t.Fatal(err)
		}
		next := politeTo(t, dial)
		if got, _, err := next.ask(); err != nil || got == strconv.Itoa(old) {
			t.Fatalf("a new connection got %q, %v; the old process is %d", got, err, old)
		}
		next.close()
		if got, last, err := idle.ask(); err != nil || !last || got != strconv.Itoa(old) {
			t.Fatalf("an idle connection got %q, last %t, %v; its process is %d", got, last, err, old)
		}
		if rest, err := release(); err != nil || rest != "done\n" {
			t.Errorf("what was in flight ends with %q, %v", rest, err)
		}
		eventually(t, "answers after the swap", func() bool { return answered.Load() > before+50 || t.Failed() })
	}
}

// freeAddress returns an address that nobody has at the moment.
func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}
