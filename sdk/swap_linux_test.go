package sdk_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/plugin"
)

// strict is a client with one connection that never tries again.
type strict struct {
	conn net.Conn
	in   *bufio.Reader
}

func dialStrict(address string) (*strict, error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return &strict{c, bufio.NewReader(c)}, nil
}

// ask sends one request and returns the body of the answer.
func (s *strict) ask(method, path, body string) (string, error) {
	_ = s.conn.SetDeadline(time.Now().Add(patience))
	if _, err := fmt.Fprintf(s.conn, "%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", method, path, len(body), body); err != nil {
		return "", err
	}
	return s.read(method)
}

func (s *strict) read(method string) (string, error) {
	resp, err := http.ReadResponse(s.in, &http.Request{Method: method})
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", resp.StatusCode, b)
	}
	return string(b), err
}

// TestSwapUnderLoad replaces an extension again and again while strict clients use it: nothing fails, and connections that
// are kept alive move.
func TestSwapUnderLoad(t *testing.T) {
	m, spec := running(t)
	address := m.Status()[0].Listeners[0]
	stop := make(chan struct{})
	var clients sync.WaitGroup
	var answered atomic.Int64
	load := func(f func() error) {
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := f(); err != nil {
					t.Errorf("after %d answers: %v", answered.Load(), err)
					return
				}
				answered.Add(1)
			}
		})
	}
	kept := func() *strict {
		s, err := dialStrict(address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.conn.Close() })
		return s
	}
	for i := range 4 {
		s := kept()
		method, body := "GET", ""
		if i%2 == 1 {
			method, body = "POST", strings.Repeat("x", 10_000)
		}
		load(func() error { _, err := s.ask(method, "/", body); return err })
	}
	load(func() error { // one request a connection
		s, err := dialStrict(address)
		if err != nil {
			return err
		}
		defer s.conn.Close()
		_, err = s.ask("GET", "/", "")
		return err
	})
	idle := make([]*strict, 25)
	for i := range idle {
		idle[i] = kept()
		if _, err := idle[i].ask("GET", "/", ""); err != nil {
			t.Fatal(err)
		}
	}
	old := 0
	for range 10 {
		before := answered.Load()
		for range 3 { // that do not send a byte before the swap; the server waits ten seconds for the first, so they are new
			idle = append(idle, kept())
		}
		old = m.Status()[0].PID
		if err := m.Reload(context.Background(), spec); err != nil {
			t.Fatal(err)
		}
		eventually(t, "answers after the swap", func() bool { return answered.Load() > before+50 || t.Failed() })
		for _, s := range idle[len(idle)-3:] {
			if _, err := s.ask("GET", "/", ""); err != nil {
				t.Fatalf("a connection that had sent nothing before the swap: %v", err)
			}
		}
	}
	close(stop)
	clients.Wait()
	now := m.Status()[0]
	eventually(t, "the last swap to be over", func() bool { return gone(old) })
	for i, s := range idle {
		got, err := s.ask("GET", "/", "")
		if err != nil || got != strconv.Itoa(now.PID) {
			t.Fatalf("idle connection %d: %q, %v; the process is %d", i, got, err, now.PID)
		}
	}
	t.Logf("%d answers over %d generations", answered.Load(), now.Generation)
}

// TestSwapFinishesWhatIsInFlight: a request that began before the swap is answered by the generation that has it, half a
// request is no idle connection, and such a connection goes on with the next generation afterwards.
func TestSwapFinishesWhatIsInFlight(t *testing.T) {
	m, spec := running(t)
	old := m.Status()[0]
	release := beginSlow(t, old.Listeners[0])
	half := mustDial(t, old.Listeners[0])
	if _, err := io.WriteString(half.conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Le"); err != nil {
		t.Fatal(err)
	}
	if err := m.Reload(context.Background(), spec); err != nil {
		t.Fatal(err)
	}
	now := strconv.Itoa(m.Status()[0].PID)
	if got, err := mustDial(t, old.Listeners[0]).ask("GET", "/", ""); err != nil || got != now {
		t.Fatalf("a new connection got %q, %v; want %s", got, err, now)
	}
	if _, err := io.WriteString(half.conn, "ngth: 1\r\n\r\nx"); err != nil {
		t.Fatal(err)
	}
	if got, err := half.read("POST"); err != nil || got != strconv.Itoa(old.PID) && got != now { // whoever had read the first half
		t.Errorf("the second half was answered by %q, %v", got, err)
	}
	eventually(t, "the connection to move", func() bool {
		got, err := half.ask("GET", "/", "")
		if err != nil {
			t.Fatal(err)
		}
		return got == now
	})
	if rest, err := release(); err != nil || rest != "done\n" {
		t.Errorf("the answer ends with %q, %v", rest, err)
	}
	eventually(t, "the old generation to be gone", func() bool { return gone(old.PID) })
}

// TestSwapToAnotherAddress: the old address is served until nobody uses it, and kept connections go along.
func TestSwapToAnotherAddress(t *testing.T) {
	m, spec := running(t)
	old := m.Status()[0]
	kept := mustDial(t, old.Listeners[0])
	if _, err := kept.ask("GET", "/", ""); err != nil {
		t.Fatal(err)
	}
	spec.Config = []byte(`{"address":"localhost:0"}`)
	if err := m.Reload(context.Background(), spec); err != nil {
		t.Fatal(err)
	}
	now := m.Status()[0]
	if now.Listeners[0] == old.Listeners[0] {
		t.Fatalf("it still listens on %s", now.Listeners[0])
	}
	eventually(t, "the kept connection to move", func() bool {
		got, err := kept.ask("GET", "/", "")
		if err != nil {
			t.Fatal(err)
		}
		return got == strconv.Itoa(now.PID)
	})
	eventually(t, "the old address to be let go", func() bool {
		c, err := net.Dial("tcp", old.Listeners[0])
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	})
}

func mustDial(t *testing.T, address string) *strict {
	t.Helper()
	s, err := dialStrict(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.conn.Close() })
	return s
}

// running returns a manager with the servant, and how it is run.
func running(t *testing.T) (*plugin.Manager, plugin.Spec) {
	t.Helper()
	m, _ := newManager(t)
	spec := servantSpec(t, `{}`)
	if err := m.Start(context.Background(), spec); err != nil {
		t.Fatal(err)
	}
	return m, spec
}
