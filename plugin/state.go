package plugin

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
)

// makeStateDir makes the directory in which the extension of that name keeps its state, if there is to be one, and returns
// its absolute path.
func (m *Manager) makeStateDir(name string) (string, error) {
	if m.stateDir == "" {
		return "", nil
	}
	segment := url.PathEscape(name) // a name of the configuration stays as it is; no other one leads elsewhere
	if segment == "." || segment == ".." {
		return "", fmt.Errorf("%q cannot be the name of a directory", name)
	}
	dir, err := filepath.Abs(filepath.Join(m.stateDir, segment))
	if err != nil {
		return "", fmt.Errorf("make the extension's state directory: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make the extension's state directory: %w", err)
	}
	return dir, nil
}
