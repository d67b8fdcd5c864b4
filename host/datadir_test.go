package host_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/host"
	"github.com/stagehouse/stagehouse/plugin/plugintest"
)

func TestMain(m *testing.M) {
	plugintest.Main()
	goleak.VerifyTestMain(m)
}

func TestDataDirIsHeldByOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b")
	if host.IsDataDir(path) {
		t.Error("a directory that is not there is a data directory")
	}
	first, err := host.OpenDataDir(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v; want 0700", info.Mode().Perm(), err)
	}
	if _, err := host.OpenDataDir(path); err == nil || !strings.Contains(err.Error(), "in use by another host") {
		t.Errorf("second OpenDataDir = %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if !host.IsDataDir(path) || host.IsDataDir(filepath.Dir(path)) {
		t.Error("a data directory is not told from another one")
	}
	again, err := host.OpenDataDir(path)
	if err != nil {
		t.Fatalf("after Close: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestDataDirThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := host.OpenDataDir(file); err == nil || !strings.Contains(err.Error(), "--data") {
		t.Errorf("OpenDataDir = %v, want an error that names the remedy", err)
	}
}

func TestReadStateOfNoHost(t *testing.T) {
	if _, err := host.ReadState(t.TempDir()); err == nil {
		t.Error("there is no host, and its state was read")
	}
}
