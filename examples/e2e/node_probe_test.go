//go:build linux

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// startProbe runs the extension of examples/node-extension/test, which uses all of the module that the desk does not.
func startProbe(t *testing.T) *house {
	t.Helper()
	if os.Getenv("TEST_NODE_PROBE") == "" {
		t.Skip("make node-extension runs this")
	}
	h := startHouse(t, probeConfig(""))
	h.runs("probe", 1)
	return h
}

func probeConfig(block string) string {
	return fmt.Sprintf(`{"logLevel": "debug", "extensions": {"api": {"port": 0}, "probe": {%s"plugin": {
		"path": %q, "grants": ["agents", "memory", "events", "identity"]}}}}`, block, os.Getenv("TEST_NODE_PROBE"))
}

// does has the probe do something, and returns what came of it.
func (h *house) does(path string) string {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), http.MethodGet, "http://"+h.extension("probe").Listeners[0]+path, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+h.token)
	resp, err := newForeignClient(h.t).Do(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return string(body)
}

// TestProbeCalls the host: on behalf of a client and of itself, once, in time, and with what comes of mistakes.
func TestProbeCalls(t *testing.T) {
	h := startProbe(t)
	for path, want := range map[string]string{
		"/mine":     `{"principal":"admin","agents":1,"more":true}`,
		"/once":     `{"replayed":[false,true],"memories":1}`,
		"/late":     `{"code":"deadline_exceeded","status":504}`,
		"/aborted":  `{"code":"cancelled","status":499}`,
		"/given-up": `{"code":"cancelled","status":499}`,
		"/nobody":   `{"code":"unauthenticated","status":401}`,
		"/missing":  `{"code":"not_found","status":404}`,
		"/withheld": `{"code":"unimplemented","status":501}`,
	} {
		if got := h.does(path); got != want {
			t.Errorf("%s = %s, want %s", path, got, want)
		}
	}
	h.says(`"@level":"debug"`, "a word for those who want to know much")
	h.says(`"@level":"info"`, "a word on the console")
}

// TestProbeFalls ill, or over its own exception, and is started anew with its last words in the log.
func TestProbeFalls(t *testing.T) {
	h := startProbe(t)
	h.does("/crash")
	h.runs("probe", 2)
	h.says(`"@level":"error"`, "uncaughtException", "nobody catches this", "stagehouse-probe.cjs:")
	h.says("extension failed; it is started anew", "nobody catches this")
	h.does("/ill")
	h.runs("probe", 3)
	h.says("extension failed; it is started anew", "it has a cold")
}

// TestProbeFails to start, or to drain, and what serves goes on.
func TestProbeFails(t *testing.T) {
	h := startProbe(t)
	write(t, h.file, probeConfig(`"fails": true, `))
	h.says("reload failed", `"phase":"start"`, "the stars are wrong", `"serving":1`)
	old := h.runs("probe", 1).PID
	write(t, h.file, probeConfig(`"address": "127.0.0.1:0", `))
	h.runs("probe", 3)
	h.says(`"@level":"warn"`, "did not finish draining", "the probe does not like to go")
	eventually(t, "the old generation to be gone", func() error { return gone(old) })
	if got := h.does("/"); got != `"well"` {
		t.Errorf("it answers %s", got)
	}
}

// TestProbeIsOneFile: its program needs nothing that lies beside it.
func TestProbeIsOneFile(t *testing.T) {
	program := os.Getenv("TEST_NODE_PROBE")
	if program == "" {
		t.Skip("make node-extension runs this")
	}
	copied := filepath.Join(t.TempDir(), "probe.cjs")
	foreign{program: program, comment: "//"}.build(t, copied, 1)
	file := filepath.Join(t.TempDir(), "stagehouse.json")
	write(t, file, strings.Replace(probeConfig(""), program, copied, 1))
	if stdout, stderr, code := run(t, "", "validate", "--config", file); code != 0 {
		t.Errorf("validate: exit code %d: %s%s", code, stdout, stderr)
	}
}
