package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// host is the program under test, started by the command line and steered by it.
type host struct {
	program string
	dir     string
	data    string
	address string
	token   string
	log     *os.File
	verbose bool
	cmd     *exec.Cmd
	kills   int
}

// newHost builds the program if need be, and writes its configuration.
func newHost(ctx context.Context, o options) (*host, error) {
	dir, err := os.MkdirTemp("", "swap")
	if err != nil {
		return nil, err
	}
	h := &host{program: o.program, dir: dir, data: filepath.Join(dir, "data"), verbose: o.verbose}
	if h.program == "" {
		h.program = filepath.Join(dir, "stagehouse")
		build := exec.CommandContext(ctx, "go", "build", "-o", h.program, "github.com/stagehouse/stagehouse/host/cmd/stagehouse")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return nil, errors.Join(fmt.Errorf("build the program: %w", err), os.RemoveAll(dir))
		}
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0") // a port that stays the same when the host is started again
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	h.address = ln.Addr().String()
	_, port, _ := net.SplitHostPort(h.address)
	config := fmt.Sprintf(`{"extensions":{"api":{"host":"127.0.0.1","port":%s,"limits":{"sockets":10000}}}}`, port)
	h.log, err = os.Create(filepath.Join(dir, "log"))
	return h, errors.Join(err, ln.Close(), os.WriteFile(filepath.Join(dir, "stagehouse.json"), []byte(config), 0o600))
}

// start runs the host and returns when it serves.
func (h *host) start(ctx context.Context) error {
	h.cmd = exec.Command(h.program, "run", "--config", filepath.Join(h.dir, "stagehouse.json"), "--data", h.data)
	h.cmd.Stdout, h.cmd.Stderr = h.log, h.log
	if h.verbose {
		h.cmd.Stderr = os.Stderr
	}
	if err := h.cmd.Start(); err != nil {
		return err
	}
	if err := h.ready(ctx); err != nil {
		return err
	}
	token, err := os.ReadFile(filepath.Join(h.data, "api-token"))
	h.token = strings.TrimSpace(string(token))
	return err
}

func (h *host) ready(ctx context.Context) error {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	return poll(ctx, "the host to be ready", func() error {
		resp, err := client.Get("http://" + h.address + "/readyz")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return errors.New(resp.Status)
		}
		return nil
	})
}

// ext runs a command of "stagehouse ext".
func (h *host) ext(ctx context.Context, args ...string) ([]byte, error) {
	var out, complaint bytes.Buffer
	c := exec.CommandContext(ctx, h.program, append(append([]string{"ext"}, args...), "--data", h.data)...)
	c.Stdout, c.Stderr = &out, &complaint
	if err := c.Run(); err != nil {
		return nil, fmt.Errorf("ext %s: %w: %s", strings.Join(args, " "), err, complaint.Bytes())
	}
	return out.Bytes(), nil
}

// status is what "ext list" says of the API server.
type status struct {
	State  string    `json:"state"`
	PID    int       `json:"pid"`
	Since  time.Time `json:"since"`
	Memory uint64    `json:"memory"`
}

// listing is what "ext list" says.
type listing struct {
	Host struct {
		PID        int    `json:"pid"`
		Goroutines int    `json:"goroutines"`
		Heap       uint64 `json:"heap"`
	} `json:"host"`
	Extensions []status `json:"extensions"`
}

func (h *host) list(ctx context.Context) (listing, error) {
	out, err := h.ext(ctx, "list", "--json")
	if err != nil {
		return listing{}, err
	}
	var l listing
	if err := json.Unmarshal(out, &l); err != nil {
		return listing{}, fmt.Errorf("ext list says %s: %w", out, err)
	}
	if len(l.Extensions) != 1 {
		return listing{}, fmt.Errorf("ext list says %s", out)
	}
	return l, nil
}

func (h *host) status(ctx context.Context) (status, error) {
	l, err := h.list(ctx)
	if err != nil {
		return status{}, err
	}
	return l.Extensions[0], nil
}

// swap replaces the API server and returns how long that took, from the command to its exit.
func (h *host) swap(ctx context.Context) (time.Duration, error) {
	begin := time.Now()
	_, err := h.ext(ctx, "reload", "api")
	return time.Since(begin), err
}

// A server that falls ten times in a row, without having been well for thirty seconds in between, is given up by its host.
// So it is left alone for so long after a few kills.
const (
	killsInARow = 6
	wellAfter   = 31 * time.Second
)

// kill kills the API server and returns how long it took until the next one served.
func (h *host) kill(ctx context.Context) (time.Duration, error) {
	if h.kills++; h.kills%killsInARow == 0 {
		if err := h.recover(ctx); err != nil {
			return 0, err
		}
	}
	s, err := h.status(ctx)
	if err != nil {
		return 0, err
	}
	api, err := os.FindProcess(s.PID)
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	if err := api.Kill(); err != nil {
		return 0, err
	}
	err = poll(ctx, "the next API server", func() error {
		now, err := h.status(ctx)
		if err == nil && (now.PID == s.PID || now.State != "running") {
			err = fmt.Errorf("it is %s", now.State)
		}
		return err
	})
	return time.Since(begin), err
}

// recover waits until the server has been well for a while.
func (h *host) recover(ctx context.Context) error {
	return poll(ctx, "the API server to be well for a while", func() error {
		s, err := h.status(ctx)
		if err == nil && (s.State != "running" || time.Since(s.Since) < wellAfter) {
			err = fmt.Errorf("it is %s since %s", s.State, s.Since)
		}
		return err
	})
}

// restart kills the host, and starts it again.
func (h *host) restart(ctx context.Context) (time.Duration, error) {
	begin := time.Now()
	if err := h.cmd.Process.Kill(); err != nil {
		return 0, err
	}
	_ = h.cmd.Wait() // it was killed
	err := poll(ctx, "the port to be free", func() error {
		ln, err := net.Listen("tcp", h.address)
		if err == nil {
			err = ln.Close()
		}
		return err
	})
	if err == nil {
		err = h.start(ctx)
	}
	return time.Since(begin), err
}

// sizes are what must not grow from swap to swap. What the system does not tell is 0.
type sizes struct {
	processes, goroutines, files, apiFiles int
	heap, apiMemory                        uint64
}

// measure appends how large everything is now.
func (h *host) measure(ctx context.Context, all []sizes) ([]sizes, error) {
	l, err := h.list(ctx)
	if err != nil {
		return nil, err
	}
	return append(all, sizes{
		processes: children(l.Host.PID), goroutines: l.Host.Goroutines, files: files(l.Host.PID), heap: l.Host.Heap,
		apiFiles: files(l.Extensions[0].PID), apiMemory: l.Extensions[0].Memory,
	}), nil
}

func files(pid int) int {
	entries, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return len(entries)
}

func children(pid int) int {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	n := 0
	for _, t := range tasks {
		b, _ := os.ReadFile(t)
		n += len(bytes.Fields(b))
	}
	return n
}

// remove ends the host and removes its directory.
func (h *host) remove() {
	if h.cmd != nil && h.cmd.Process != nil {
		_ = h.cmd.Process.Signal(syscall.SIGTERM)
		_ = h.cmd.Wait()
	}
	_ = h.log.Close()
	_ = os.RemoveAll(h.dir)
}

// poll calls f until it returns nil.
func poll(ctx context.Context, what string, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", what, err)
		}
	}
}
