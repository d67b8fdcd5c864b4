//go:build unix

package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// TestRuntimeChapter carries out the steps of the chapter on a runtime as a process, in a clean directory, as a reader would.
func TestRuntimeChapter(t *testing.T) {
	chapter, err := os.ReadFile(filepath.Join("..", "..", "docs", "runtimes.md"))
	if err != nil {
		t.Fatal(err)
	}
	steps := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(section(t, string(chapter), "## As a process"), -1)
	if len(steps) != 2 {
		t.Fatalf("the chapter has %d parts with commands, want 2", len(steps))
	}
	shell := newReader(t).shell
	first, ok := strings.CutSuffix(steps[0][1], "stagehouse run --config stagehouse.json &\n")
	if !ok {
		t.Fatalf("the first part does not end with the host:\n%s", steps[0][1])
	}
	out, err := shell(first).CombinedOutput()
	for _, want := range []string{`"offers"`, "is valid (no errors, no warnings)"} {
		if err != nil || !strings.Contains(string(out), want) {
			t.Fatalf("%v, and not %q:\n%s", err, want, out)
		}
	}
	host := shell("exec stagehouse run --config stagehouse.json")
	var log, said syncBuffer
	host.Stdout, host.Stderr = &said, &log
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- host.Wait() }()
	var base string
	eventually(t, "the banner", func() error {
		if at := regexp.MustCompile(`(?m)^  api +(http://\S+)`).FindStringSubmatch(said.String()); at != nil {
			base = at[1]
			return nil
		}
		return errors.New(log.String())
	})
	out, err = shell(strings.ReplaceAll(steps[1][1], "http://127.0.0.1:3001", base)).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s\n%s", err, out, log.String())
	}
	for _, want := range []string{`"id":"zoe"`, "runtime  running  1", "offers    agents, chat, memory, events", "runtime is running, generation "} {
		if !strings.Contains(string(out), want) {
			t.Errorf("not %q:\n%s", want, out)
		}
	}
	if err := host.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("%v\n%s", err, log.String())
	}
}
