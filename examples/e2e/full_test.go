//go:build linux

package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestConnectionsMoveOutOfAFullProcess: an API server that has no descriptor left hands its connections over all the same. That
// is what the host advises where descriptors leak.
func TestConnectionsMoveOutOfAFullProcess(t *testing.T) {
	const limit, clients = 64, 100
	m, _, api := managed(t)
	roomy := api
	program := filepath.Join(t.TempDir(), "api")
	script := fmt.Sprintf("#!/bin/sh\nulimit -n %d\nexec %q \"$@\"\n", limit, binary)
	if err := os.WriteFile(program, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	api.Path = program
	swap(t, m, api)
	address := m.Status()[0].Listeners[0]
	conns := make([]net.Conn, clients)
	ask := func(i int) error {
		if _, err := fmt.Fprint(conns[i], "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			return err
		}
		_ = conns[i].SetReadDeadline(time.Now().Add(patience))
		resp, err := http.ReadResponse(bufio.NewReader(conns[i]), nil)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	}
	for i := range conns {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		conns[i] = c
	}
	answered := 0 // by the full process: the others wait in the queue of the listener
	for ; answered < clients; answered++ {
		if answered > limit/3 && files(m.Status()[0].PID) >= limit-4 {
			break
		}
		if err := ask(answered); err != nil {
			t.Fatal(err)
		}
	}
	if answered == clients {
		t.Fatalf("%d connections did not fill the process", clients)
	}
	swap(t, m, roomy)
	var errs []error
	for i := range conns {
		if err := ask(i); err != nil {
			errs = append(errs, fmt.Errorf("connection %d: %w", i, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
}

// files returns how many descriptors a process has open.
func files(pid int) int {
	all, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return len(all)
}
