//go:build unix

package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// TestASignalWhileTheConfigurationIsChecked is no failure of the configuration.
func TestASignalWhileTheConfigurationIsChecked(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "stagehouse.json")
	for path, content := range map[string]string{
		file:                       `{"extensions": {"slow": {"plugin": {"path": "slow", "env": {"DIR": "${file:dir}"}}}}}`,
		filepath.Join(dir, "slow"): "#!/bin/sh\ntouch \"$DIR/asked\"\nexec sleep 1000\n",
		filepath.Join(dir, "dir"):  dir,
	} {
		if err := os.WriteFile(path, []byte(content), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGTERM} {
		var out bytes.Buffer
		c := exec.Command(binary, "run", "--config", file, "--data", filepath.Join(dir, "data"))
		c.Stdout, c.Stderr = &out, &out
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Process.Kill() })
		asked := filepath.Join(dir, "asked")
		eventually(t, "the extension to be asked", func() error { return os.Remove(asked) })
		if err := c.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		if err := c.Wait(); err != nil || out.Len() > 0 {
			t.Errorf("%v: %v, and it said %q", s, err, out.String())
		}
	}
}
