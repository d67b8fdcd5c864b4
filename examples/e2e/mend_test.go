//go:build unix

package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestAFileThatBlocksHoldsUpNothing: a pipe that nobody writes to in the place of the configuration. The reload waits; the one
// that mends it takes its place, and the host ends when it is told to.
func TestAFileThatBlocksHoldsUpNothing(t *testing.T) {
	h := startHouse(t, onPort(0))
	kept := h.file + ".kept"
	pipe := func() {
		t.Helper()
		if err := errors.Join(os.Rename(h.file, kept), syscall.Mkfifo(h.file, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	pipe()
	waits := make(chan int, 1)
	go func() { _, _, code := h.ext("reload", "api"); waits <- code }()
	h.says("a reload was asked for")
	put(t, kept, h.file)
	if _, stderr, code := h.ext("reload", "api"); code != 0 {
		t.Errorf("the reload that mends it: exit code %d: %s", code, stderr)
	}
	if code := <-waits; code == 0 {
		t.Error("the reload that waited says that it was done")
	}
	if e := h.extension("api"); e.Generation != 2 {
		t.Errorf("api is %+v", e)
	}
	if err := os.Remove(h.file); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(h.file, 0o600); err != nil {
		t.Fatal(err)
	}
	h.signal(syscall.SIGHUP)
	h.signal(syscall.SIGTERM)
	if code := h.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestAProgramThatDidNotStartIsTriedAgain: by SIGHUP when what it needs is there, and by itself when it may be executed.
func TestAProgramThatDidNotStartIsTriedAgain(t *testing.T) {
	dir := t.TempDir()
	program, hello, missing := filepath.Join(dir, "plugin"), filepath.Join(dir, "hello"), filepath.Join(dir, "missing")
	buildHello(t, hello)
	script := func(path string, mode os.FileMode) {
		t.Helper()
		text := fmt.Sprintf("#!/bin/sh\n# %s\nif [ -z \"$STAGEHOUSE_CHECK\" ] && [ -e %s ]; then exit 1; fi\nexec %s \"$@\"\n", path, missing, hello)
		if err := errors.Join(os.WriteFile(path+".new", []byte(text), 0o700), os.Chmod(path+".new", mode), os.Rename(path+".new", program)); err != nil {
			t.Fatal(err)
		}
	}
	script(filepath.Join(dir, "first"), 0o700)
	h := startHouse(t, fmt.Sprintf(`{"extensions": {"api": {"port": 0}, "hello": {"address": "127.0.0.1:0", "plugin": {"path": %q}}}}`, program))
	h.runs("hello", 1)
	write(t, missing, "")
	script(filepath.Join(dir, "second"), 0o700)
	h.says("reload failed", `"serving":1`)
	if err := os.Remove(missing); err != nil {
		t.Fatal(err)
	}
	failed := h.extension("hello")
	h.signal(syscall.SIGHUP)
	eventually(t, "another generation of hello", func() error {
		if e := h.extension("hello"); e.State != "running" || e.PID == failed.PID {
			return fmt.Errorf("it is %+v", e)
		}
		return nil
	})
	before := h.extension("hello")
	script(filepath.Join(dir, "third"), 0o600)
	h.says("cannot be executed")
	if err := os.Chmod(program, 0o700); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another generation of hello", func() error {
		if e := h.extension("hello"); e.State != "running" || e.PID == before.PID {
			return fmt.Errorf("it is %+v", e)
		}
		return nil
	})
}
