package e2e

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience bounds every wait of these tests; a loaded two-core machine needs some.
const patience = 60 * time.Second

// binary is the program under test, built once by TestMain.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "stagehouse-e2e")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "stagehouse")
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	build := exec.Command("go", "build", "-o", binary, "github.com/stagehouse/stagehouse/host/cmd/stagehouse")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the program: %v\n%s", err, out)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(dir)
		os.Exit(code)
	}))
}

// server is one running host.
type server struct {
	t       *testing.T
	cmd     *exec.Cmd
	data    string
	base    string // http://127.0.0.1:port
	token   string // the admin token
	stdout  string // what it printed until it served
	log     *syncBuffer
	exited  chan struct{}
	exitErr error
}

// start runs "stagehouse run" with the given arguments and waits until it serves. It is killed when the test ends.
func start(t *testing.T, data string, args ...string) *server {
	t.Helper()
	return startCommand(t, data, append([]string{"run"}, args...)...)
}

// startCommand is start for any command that serves.
func startCommand(t *testing.T, data string, args ...string) *server {
	t.Helper()
	s := &server{t: t, data: data, log: &syncBuffer{}, exited: make(chan struct{})}
	s.cmd = exec.Command(binary, append(args, "--data", data)...)
	s.cmd.Stderr = s.log
	s.cmd.Dir = t.TempDir()
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	banner := make(chan string, 1)
	go func() {
		defer close(s.exited)
		banner <- readBanner(stdout)
		_, _ = io.Copy(io.Discard, stdout)
		s.exitErr = s.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		<-s.exited
		if t.Failed() {
			t.Logf("log of the host:\n%s", s.log.String())
		}
	})
	select {
	case s.stdout = <-banner:
	case <-time.After(patience):
		t.Fatalf("the host did not serve; its log:\n%s", s.log.String())
	}
	address := regexp.MustCompile(`(?m)^  api +(http://\S+)`).FindStringSubmatch(s.stdout)
	if address == nil {
		t.Fatalf("the banner names no address:\n%s\n%s", s.stdout, s.log.String())
	}
	s.base = address[1]
	token, err := os.ReadFile(filepath.Join(data, "api-token"))
	if err != nil {
		t.Fatal(err)
	}
	s.token = strings.TrimSpace(string(token))
	return s
}

// readBanner returns what is printed up to the last line of the banner, or to the end.
func readBanner(r io.Reader) string {
	var b strings.Builder
	in := bufio.NewScanner(r)
	for in.Scan() {
		b.WriteString(in.Text() + "\n")
		if strings.HasPrefix(in.Text(), "Ctrl-C") {
			break
		}
	}
	return b.String()
}

// wait returns the exit code of the host.
func (s *server) wait() int {
	s.t.Helper()
	select {
	case <-s.exited:
	case <-time.After(patience):
		s.t.Fatalf("the host did not exit; its log:\n%s", s.log.String())
	}
	var exit *exec.ExitError
	if s.exitErr != nil && !errors.As(s.exitErr, &exit) {
		s.t.Fatal(s.exitErr)
	}
	return s.cmd.ProcessState.ExitCode()
}

func (s *server) signal(sig os.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// kill9 kills the host and waits for it to be gone.
func (s *server) kill9() {
	s.t.Helper()
	s.signal(syscall.SIGKILL)
	<-s.exited
}

// run runs a command of the program to its end.
func run(t *testing.T, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := exec.CommandContext(ctx, binary, args...)
	var out, errOut bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr, c.Dir = strings.NewReader(stdin), &out, &errOut, t.TempDir()
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errOut.String(), c.ProcessState.ExitCode()
}

// eventually polls until f returns nil.
func eventually(t testing.TB, what string, f func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		<-tick.C
	}
}

// syncBuffer is a buffer that may be read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
