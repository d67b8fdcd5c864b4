//go:build linux

package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/schema"
)

// idleSocket is a WebSocket that does nothing.
type idleSocket struct {
	conn net.Conn
	in   *bufio.Reader
}

// idleSockets opens many sockets that follow the updates of agents. The test is skipped where the system does not allow as
// many descriptors: Go raises its own limit as far as it may, here and in the processes of extensions.
func idleSockets(t testing.TB, address string, many int) []idleSocket {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur < uint64(many)+500 {
		t.Skipf("%d descriptors are allowed, %v", limit.Cur, err)
	}
	sockets := make([]idleSocket, many)
	var opening sync.WaitGroup
	const hands = 8
	for h := range hands {
		opening.Go(func() {
			for i := h; i < many && !t.Failed(); i += hands {
				sockets[i].conn, sockets[i].in = rawSocket(t, address)
				_, err := sockets[i].conn.Write(clientFrame(`{"type":"subscribe","events":["updated"]}`))
				if f := rawFrame(t, sockets[i].in); err != nil || !strings.Contains(f, "subscribed") {
					t.Errorf("socket %d: %s, %v", i, f, err)
				}
			}
		})
	}
	opening.Wait()
	return sockets
}

// update changes an agent, which is one event.
func update(t testing.TB, services schema.Services, n int) (revision int64) {
	t.Helper()
	admin := schema.WithCaller(t.Context(), schema.Caller{Principal: "root", Scopes: []schema.Scope{schema.ScopeAdmin}})
	agent, err := services.Agents.Update(admin, "nyx", schema.AgentPatch{Metadata: schema.Set(schema.Object{"n": n})})
	if err != nil {
		t.Fatal(err)
	}
	return agent.Revision
}

// wantUpdates reads the next events of every socket, which must be those of the revisions and no other.
func wantUpdates(t testing.TB, sockets []idleSocket, revisions ...int64) {
	t.Helper()
	for i, k := range sockets {
		_ = k.conn.SetDeadline(time.Now().Add(patience))
		for _, want := range revisions {
			var f struct{ Revision int64 }
			if text := rawFrame(t, k.in); json.Unmarshal([]byte(text), &f) != nil || f.Revision != want {
				t.Fatalf("socket %d: got %s, want revision %d", i, text, want)
			}
		}
	}
}

// swapMeasured replaces the API server and returns how long its connections took to move, by its own account.
func swapMeasured(t testing.TB, m *plugin.Manager, api plugin.Spec, log *syncBuffer, many int) time.Duration {
	t.Helper()
	said := regexp.MustCompile(fmt.Sprintf(`connections have moved".* connections=%d took=(\S+)`, many))
	before := len(said.FindAllString(log.String(), -1))
	swap(t, m, api)
	var all [][]string
	eventually(t, "the word that all sockets have moved", func() error {
		if all = said.FindAllStringSubmatch(log.String(), -1); len(all) != before+1 {
			return fmt.Errorf("it was said %d times, after %d times before", len(all), before)
		}
		return nil
	})
	took, err := time.ParseDuration(all[before][1])
	if err != nil {
		t.Fatal(err)
	}
	return took
}

// TestManyIdleSocketsMove: none closes, and each is sent the events before, between and after the swaps once.
func TestManyIdleSocketsMove(t *testing.T) {
	many := 5000
	if testing.Short() {
		many = 500
	}
	m, services, api, log := managedLog(t)
	sockets := idleSockets(t, m.Status()[0].Listeners[0], many)
	for n := range 2 {
		before := update(t, services, 2*n)
		took := swapMeasured(t, m, api, log, many)
		t.Logf("%d sockets moved in %v", many, took)
		wantUpdates(t, sockets, before, update(t, services, 2*n+1))
	}
}

// BenchmarkMove reports how long sockets that are idle take to move, all together.
func BenchmarkMove(b *testing.B) {
	const many = 5000
	m, services, api, log := managedLog(b)
	sockets := idleSockets(b, m.Status()[0].Listeners[0], many)
	var total time.Duration
	n := 0
	for b.Loop() {
		total += swapMeasured(b, m, api, log, many)
		wantUpdates(b, sockets, update(b, services, n))
		n++
	}
	b.ReportMetric(0, "ns/op") // of the whole swap, with the start of a process
	b.ReportMetric(total.Seconds()/float64(b.N), "s/move")
	b.ReportMetric(total.Seconds()/float64(b.N)/many*1e6, "µs/socket")
}
