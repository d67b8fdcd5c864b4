//go:build unix

package plugin_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stagehouse/stagehouse/plugin/plugintest"
	"github.com/stagehouse/stagehouse/schema"
)

// What a host that was killed could not remove is removed by the next one, and nothing else is.
func TestAHostSweepsWhatAKilledOneLeft(t *testing.T) {
	temp := shortDir(t)
	t.Setenv("TMPDIR", temp)
	h := newHost(t, schema.Services{})
	make := func(elements ...string) string {
		t.Helper()
		dir := filepath.Join(elements...)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	link := func(to string, elements ...string) string {
		t.Helper()
		from := filepath.Join(elements...)
		if err := os.Symlink(to, from); err != nil {
			t.Fatal(err)
		}
		return from
	}
	elsewhere := make(t.TempDir(), "sh-777")
	var stale, kept []string

	stale = append(stale, make(h.runDir, "api-1-123"), make(temp, "sh-456"))
	link(stale[1], stale[0], "sockets")
	for i, target := range []string{
		elsewhere,                       // is not where such directories are
		make(temp, "sh-data"),           // has not been named by us
		make(temp, "sh-7", "sh-8"),      // is deeper
		link(elsewhere, temp, "sh-999"), // is no directory
		temp + "/x/../sh-10",            // is not written as we write it
		filepath.Join(temp, "sh-11"),    // is not there
	} {
		dir := make(h.runDir, "other-"+string(rune('1'+i))+"-5")
		link(target, dir, "sockets")
		stale = append(stale, dir)
	}
	kept = append(kept, filepath.Join(elsewhere, "file"), filepath.Join(temp, "sh-data", "file"), filepath.Join(temp, "sh-7", "sh-8", "file"),
		filepath.Join(temp, "sh-999"), filepath.Join(make(temp, "sh-10"), "file"))
	mine := []string{make(h.runDir, "notes"), make(h.runDir, "api-x-1"), link(elsewhere, h.runDir, "api-2-1"), filepath.Join(h.runDir, "file-1-2")}
	if err := os.WriteFile(mine[3], nil, 0o600); err != nil {
		t.Fatal(err)
	}
	kept = append(kept, mine...)

	h.start(plugintest.Spec(t, "api", plugintest.Good))
	for _, path := range stale {
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Errorf("%s is left (%v)", path, err)
		}
	}
	for _, path := range kept {
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("%s was not ours to remove: %v", path, err)
		}
	}
	if text := h.log.String(); !strings.Contains(text, "level=INFO") || !strings.Contains(text, "api-1-123") {
		t.Errorf("the log does not say what was swept:\n%s", text)
	}
	// What runs now is not stale, and what is not ours must not look as if the extension had left it.
	for _, s := range []string{"a", "b"} {
		h.start(plugintest.Spec(t, s, plugintest.Good))
	}
	if err := h.Close(context.Background()); err != nil {
		t.Error(err)
	}
	for _, path := range mine {
		if err := os.RemoveAll(path); err != nil {
			t.Error(err)
		}
	}
}

func TestTheNextHostSweepsAfterAKill(t *testing.T) {
	runDir := filepath.Join(t.TempDir(), strings.Repeat("long", 20)) // too long for sockets, which are elsewhere then
	temp := shortDir(t)
	killed := startHost(t, temp, runDir, plugintest.Good)
	killHost(t, killed)
	if left := directories(t, temp, runDir); len(left) != 2 {
		t.Fatalf("a killed host left %v", left)
	}
	killHost(t, startHost(t, temp, runDir, plugintest.Good))
	if left := directories(t, temp, runDir); len(left) != 2 {
		t.Errorf("the second host left %v: the first one's are still there", left)
	}
}

// directories returns what is in two directories.
func directories(t *testing.T, dirs ...string) []string {
	t.Helper()
	var names []string
	for _, d := range dirs {
		entries, err := os.ReadDir(d)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			names = append(names, filepath.Join(d, e.Name()))
		}
	}
	return names
}
