package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

const (
	lockName  = "host.lock"
	stateName = "host.json"
)

// DataDir is the directory of all state, held by one host at a time.
type DataDir struct {
	path string
	lock *flock.Flock
}

// State is what a running host tells the other commands about itself, in host.json in its data directory.
type State struct {
	PID        int                 `json:"pid"`
	Version    string              `json:"version"`
	StartedAt  time.Time           `json:"startedAt"`
	Control    string              `json:"control,omitempty"` // the path of the control socket; "" = there is none
	Extensions map[string][]string `json:"extensions"`        // the addresses that each one serves on
}

// OpenDataDir makes the directory if need be (mode 0700) and takes hold of it. It fails if another host has it.
func OpenDataDir(path string) (*DataDir, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("data directory %s: %w", path, err)
	}
	if err := os.MkdirAll(abs, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w; choose another one with --data", err)
	}
	lock := flock.New(filepath.Join(abs, lockName), flock.SetPermissions(0o600))
	held, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("data directory %s: %w; choose another one with --data, or mend its permissions", abs, err)
	}
	if !held {
		who := "another host"
		if s, err := ReadState(abs); err == nil {
			who = fmt.Sprintf("the host with pid %d", s.PID)
		}
		return nil, fmt.Errorf("data directory %s is in use by %s; stop it, or choose another one with --data", abs, who)
	}
	return &DataDir{path: abs, lock: lock}, nil
}

// IsDataDir reports whether a host has ever held the directory at path.
func IsDataDir(path string) bool {
	_, err := os.Stat(filepath.Join(path, lockName))
	return err == nil
}

// Path returns the absolute path of the directory.
func (d *DataDir) Path() string { return d.path }

// Close lets go of the directory.
func (d *DataDir) Close() error { return d.lock.Close() }

// publish writes the state file.
func (d *DataDir) publish(s State) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	tmp := filepath.Join(d.path, stateName+".tmp")
	if err := os.WriteFile(tmp, append(b, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(d.path, stateName))
}

// withdraw removes the state file.
func (d *DataDir) withdraw() error {
	err := os.Remove(filepath.Join(d.path, stateName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// ReadState returns what the host of the data directory at path last told about itself. The file of a host that was
// killed is still there.
func ReadState(path string) (State, error) {
	var s State
	b, err := os.ReadFile(filepath.Join(path, stateName))
	if err != nil {
		return s, fmt.Errorf("read state of the host: %w", err)
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("read state of the host: %w", err)
	}
	return s, nil
}
