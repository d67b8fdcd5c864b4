//go:build unix

package systemd_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/host/systemd"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 30 * time.Second

// manager is the socket of a service manager.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
}

func newManager(t *testing.T) *manager {
	t.Helper()
	dir, err := os.MkdirTemp("", "sh")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = conn.Close(), os.RemoveAll(dir) })
	t.Setenv("NOTIFY_SOCKET", path)
	return &manager{t: t, conn: conn}
}

// heard returns the next message.
func (m *manager) heard() string {
	m.t.Helper()
	if err := m.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		m.t.Fatal(err)
	}
	b := make([]byte, 4096)
	n, err := m.conn.Read(b)
	if err != nil {
		m.t.Fatal(err)
	}
	return string(b[:n])
}

func TestWhatIsSaid(t *testing.T) {
	m := newManager(t)
	n := systemd.New(slog.New(slog.DiscardHandler))
	n.Ready("serving\n2 extensions")
	if got := m.heard(); got != "READY=1\nSTATUS=serving 2 extensions" {
		t.Errorf("ready: %q", got)
	}
	n.Reloading()
	if got := m.heard(); !regexp.MustCompile(`^RELOADING=1\nMONOTONIC_USEC=[1-9][0-9]*\nSTATUS=reloading$`).MatchString(got) {
		t.Errorf("reloading: %q", got)
	}
	n.Stopping()
	if got := m.heard(); got != "STOPPING=1\nSTATUS=finishing what is in flight" {
		t.Errorf("stopping: %q", got)
	}
}

func TestNoManager(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	var said bytes.Buffer
	n := systemd.New(slog.New(slog.NewTextHandler(&said, nil)))
	n.Ready("")
	n.Reloading()
	n.Watchdog(t.Context(), nil) // returns at once
	if said.Len() > 0 {
		t.Errorf("it complains: %s", said.String())
	}
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "nobody"))
	n.Stopping()
	t.Setenv("WATCHDOG_USEC", "soon")
	n.Watchdog(t.Context(), nil)
	if lines := strings.Count(said.String(), "\n"); lines != 2 {
		t.Errorf("%d lines, want one for the socket and one for the watchdog:\n%s", lines, said.String())
	}
}

// TestWatchdogIsAboutLife: it is said while the host is well, and is not while it is not.
func TestWatchdogIsAboutLife(t *testing.T) {
	m := newManager(t)
	t.Setenv("WATCHDOG_USEC", "20000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var ill atomic.Bool
	asked := make(chan struct{}, 1)
	var running sync.WaitGroup
	running.Go(func() {
		systemd.New(slog.New(slog.DiscardHandler)).Watchdog(ctx, func(context.Context) error {
			select {
			case asked <- struct{}{}:
			default:
			}
			if ill.Load() {
				return errors.New("not well")
			}
			return nil
		})
	})
	for range 3 {
		if got := m.heard(); got != "WATCHDOG=1" {
			t.Errorf("heard %q", got)
		}
	}
	ill.Store(true)
	for range 4 { // one may have been asked before, and one is on its way
		<-asked
	}
	if err := m.conn.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	for b := make([]byte, 100); ; { // what was said before
		if _, err := m.conn.Read(b); err != nil {
			break
		}
	}
	for range 3 {
		<-asked
	}
	if err := m.conn.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := m.conn.Read(make([]byte, 100)); err == nil {
		t.Errorf("%d bytes are said while the host is not well", n)
	}
	ill.Store(false)
	if got := m.heard(); got != "WATCHDOG=1" {
		t.Errorf("heard %q", got)
	}
	cancel()
	running.Wait()
}

func TestWatchdogOfAnotherProcess(t *testing.T) {
	t.Setenv("WATCHDOG_USEC", "20000")
	t.Setenv("WATCHDOG_PID", "1")
	systemd.New(slog.New(slog.DiscardHandler)).Watchdog(t.Context(), nil) // returns at once
}
