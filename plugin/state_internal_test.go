package plugin

import (
	"os"
	"path/filepath"
	"testing"
)

func TestStateDirectories(t *testing.T) {
	root := filepath.Join(t.TempDir(), "extensions")
	m := &Manager{stateDir: root}
	for _, name := range []string{"api", "a/b", `c\d`, "...", "é"} {
		for range 2 {
			dir, err := m.makeStateDir(name)
			if err != nil || filepath.Dir(dir) != root {
				t.Errorf("the state of %q is in %s, %v", name, dir, err)
			}
			if info, err := os.Stat(dir); err != nil || !info.IsDir() {
				t.Errorf("%s: %v", dir, err)
			}
		}
	}
	for _, name := range []string{".", ".."} {
		if dir, err := m.makeStateDir(name); err == nil {
			t.Errorf("the state of %q is in %s", name, dir)
		}
	}
	if dir, err := (&Manager{}).makeStateDir("api"); dir != "" || err != nil {
		t.Errorf("without state: %q, %v", dir, err)
	}
}
