package tether_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/stagehouse/stagehouse/plugin/protocol"
	"github.com/stagehouse/stagehouse/plugin/tether"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// generation is one process's view of a tether, in this process.
func generation(t *testing.T, listeners *tether.Listeners) (tether.Line, *tether.Server) {
	t.Helper()
	conn, file, err := tether.Pair()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Dup(int(file.Fd())) // what a child inherits
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	line, err := tether.Connect(func(key string) string {
		return map[string]string{protocol.EnvTether: strconv.Itoa(fd)}[key]
	}, io.NopCloser(strings.NewReader("")), "api")
	if err != nil {
		t.Fatal(err)
	}
	server := tether.Serve(conn, listeners)
	t.Cleanup(func() { _ = server.Close(); _ = line.Close() })
	return line, server
}

func listeners(t *testing.T) *tether.Listeners {
	t.Helper()
	l := tether.NewListeners("api", nil)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func listen(t *testing.T, line tether.Line, network, address string) net.Listener {
	t.Helper()
	ln, err := line.Listen(context.Background(), network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln
}

func TestGenerationsShareOneQueue(t *testing.T) {
	held := listeners(t)
	line1, server1 := generation(t, held)
	ln1 := listen(t, line1, "tcp", "127.0.0.1:0")
	addr := ln1.Addr().String()
	if err := ln1.Close(); err != nil {
		t.Fatal(err)
	}
	if err := server1.Close(); err != nil {
		t.Fatal(err)
	}

	// Between the generations a connect is queued and not refused.
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		t.Fatalf("connect while nobody accepts: %v", err)
	}
	defer func() { _ = conn.Close() }()

	line2, _ := generation(t, held)
	ln2 := listen(t, line2, "tcp", "127.0.0.1:0")
	if got := ln2.Addr().String(); got != addr {
		t.Fatalf("the next generation got %s instead of %s", got, addr)
	}
	accepted, err := ln2.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = accepted.Close()
}

func TestOneGenerationGetsAListenerForEachAnyPort(t *testing.T) {
	line, _ := generation(t, listeners(t))
	a, b := listen(t, line, "tcp", "127.0.0.1:0"), listen(t, line, "tcp", "127.0.0.1:0")
	if a.Addr().String() == b.Addr().String() {
		t.Errorf("both are %s", a.Addr())
	}
	_, err := line.Listen(context.Background(), "tcp", a.Addr().String())
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("listening on a taken port = %v", err)
	}
}

// A listener whose description has lost O_NONBLOCK blocks its Accept in the kernel, and Close waits for a connection.
func TestListenersStayNonBlocking(t *testing.T) {
	held := listeners(t)
	line, _ := generation(t, held)
	ln1 := listen(t, line, "tcp", "127.0.0.1:0")
	accepting := make(chan error, 1)
	go func() { _, err := ln1.Accept(); accepting <- err }()

	line2, _ := generation(t, held)
	ln2 := listen(t, line2, "tcp", "127.0.0.1:0")
	for i, ln := range []net.Listener{ln1, ln2} {
		raw, err := ln.(syscall.Conn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		if err := raw.Control(func(fd uintptr) {
			flags, err := unix.FcntlInt(fd, unix.F_GETFL, 0)
			if err != nil || flags&unix.O_NONBLOCK == 0 {
				t.Errorf("listener %d: flags %#x, %v: not non-blocking", i, flags, err)
			}
			if flags, err := unix.FcntlInt(fd, unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
				t.Errorf("listener %d: flags %#x, %v: not close-on-exec", i, flags, err)
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := ln1.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-accepting:
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("accept = %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("Close did not end Accept")
	}
}

func TestATakenAddressIsNamedWithItsRemedy(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	line, _ := generation(t, listeners(t))
	_, err = line.Listen(context.Background(), "tcp", taken.Addr().String())
	want := fmt.Sprintf("another program is listening on %s; stop it or set extensions.api.port", taken.Addr())
	var le *tether.ListenError
	if !errors.As(err, &le) || le.Error() != want || !errors.Is(err, syscall.EADDRINUSE) || le.Address != taken.Addr().String() {
		t.Errorf("error = %#v, want %q", err, want)
	}
}

// TestAnAddressOfIPv4IsOneOfIPv4Alone: who names 0.0.0.0 does not expect to be reached by IPv6.
func TestAnAddressOfIPv4IsOneOfIPv4Alone(t *testing.T) {
	if ln, err := net.Listen("tcp6", "[::1]:0"); err != nil {
		t.Skipf("this machine has no IPv6: %v", err)
	} else {
		_ = ln.Close()
	}
	line, _ := generation(t, listeners(t))
	for _, test := range []struct {
		address, shown, host string
		reached              bool
	}{
		{"0.0.0.0:0", "0.0.0.0", "127.0.0.1", true},
		{"0.0.0.0:0", "0.0.0.0", "::1", false},
		{"[::]:0", "::", "127.0.0.1", true},
		{"[::]:0", "::", "::1", true},
	} {
		ln := listen(t, line, "tcp", test.address)
		shown, port, err := net.SplitHostPort(ln.Addr().String())
		if err != nil || shown != test.shown {
			t.Errorf("%s is shown as %s, want %s", test.address, ln.Addr(), test.shown)
		}
		conn, err := net.Dial("tcp", net.JoinHostPort(test.host, port))
		if (err == nil) != test.reached {
			t.Errorf("%s reached by %s: %v, want %v", test.address, test.host, err, test.reached)
		}
		if err == nil {
			_ = conn.Close()
		}
	}
}

func TestBadQuestionsAreRefused(t *testing.T) {
	line, _ := generation(t, listeners(t))
	for _, q := range []struct{ network, address, want string }{
		{"udp", "127.0.0.1:0", "unknown network"},
		{"tcp", strings.Repeat("x", 300), "at most 256"},
		{"tcp", "127.0.0.1:notaport", "cannot listen"},
		{"tcp", "192.0.2.1:0", "has no address"},
	} {
		if _, err := line.Listen(context.Background(), q.network, q.address); err == nil || !strings.Contains(err.Error(), q.want) {
			t.Errorf("listen %s %.20s = %v, want %q", q.network, q.address, err, q.want)
		}
	}
	if _, err := line.Listen(context.Background(), "tcp", "127.0.0.1:0"); err != nil {
		t.Errorf("the tether is broken after refusals: %v", err)
	}
}

func TestUnixSocketsAreRemovedWithTheSet(t *testing.T) {
	held := tether.NewListeners("api", nil)
	line, _ := generation(t, held)
	path := filepath.Join(t.TempDir(), "s")
	ln := listen(t, line, "unix", path)
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the file went with one generation: %v", err)
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file stays: %v", err)
	}
}

func TestTheEndOfTheTetherIsSeen(t *testing.T) {
	line, server := generation(t, listeners(t))
	select {
	case <-line.Gone():
		t.Fatal("gone at once")
	default:
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-line.Gone():
	case <-time.After(5 * time.Second):
		t.Fatal("the end is not seen")
	}
	if _, err := line.Listen(context.Background(), "tcp", "127.0.0.1:0"); err == nil {
		t.Error("a listener without a host")
	}
}

func TestAClosedSetHandsOutNothing(t *testing.T) {
	held := listeners(t)
	line, _ := generation(t, held)
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := line.Listen(context.Background(), "tcp", "127.0.0.1:0"); err == nil || !strings.Contains(err.Error(), "stopping") {
		t.Errorf("error = %v", err)
	}
}

func TestAGivenUpQuestionLeaksNothing(t *testing.T) {
	line, _ := generation(t, listeners(t))
	before := descriptors(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for range 20 {
		if ln, err := line.Listen(ctx, "tcp", "127.0.0.1:0"); err == nil {
			_ = ln.Close()
		}
	}
	// The 20 that the host keeps are the only ones that stay.
	deadline := time.Now().Add(5 * time.Second)
	for descriptors(t) > before+20 {
		if time.Now().After(deadline) {
			t.Fatalf("%d descriptors became %d", before, descriptors(t))
		}
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestGarbageEndsTheTether(t *testing.T) {
	conn, file, err := tether.Pair()
	if err != nil {
		t.Fatal(err)
	}
	server := tether.Serve(conn, listeners(t))
	defer func() { _ = server.Close() }()
	if _, err := file.WriteString("not a message"); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 10)
	if n, err := file.Read(buf); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("read = %d, %v, want the end", n, err)
	}
	_ = file.Close()
}
