package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// State is what an extension keeps beyond its process: a directory of its own, in the data directory of the host, that
// outlives reloads, crashes and restarts of the host, and that nobody else writes to or cleans up. It is for a cursor or a
// list of what is done, not for a database of messages: those are the runtime's.
//
// All generations of an extension have the same directory, and two of them run at once during a swap: what is written there
// is written by what [Host.GoAlone] runs.
type State struct{ dir string }

var errNoState = errors.New("the host gives this extension no directory for its state: it is older than the sdk of the extension, or was made without one; upgrade the host")

// Dir returns the absolute path of the directory, which only the user of the host can look into; "" = this host has none.
func (s State) Dir() string { return s.dir }

// Load reads the JSON document of that name into the variable that into points to, and reports whether there is one. The name
// is that of a file, such as "cursor.json".
func (s State) Load(name string, into any) (bool, error) {
	path, err := s.path(name)
	if err != nil {
		return false, err
	}
	b, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("read state: %w", err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		return false, fmt.Errorf("read state %s: %w; mend the file, or remove it to begin anew", path, err)
	}
	return true, nil
}

// Save replaces the JSON document of that name by v. When it returns nil, that is on the disk; whatever dies meanwhile, there
// is the document of before or the new one, whole.
func (s State) Save(name string, v any) error {
	path, err := s.path(name)
	if err != nil {
		return err
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode state %s: %w", name, err)
	}
	if err := replaceFile(path, append(b, '\n')); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return nil
}

func (s State) path(name string) (string, error) {
	switch {
	case s.dir == "":
		return "", errNoState
	case !filepath.IsLocal(name) || filepath.Base(name) != name || name == aloneName:
		return "", fmt.Errorf("%q is not the name of a file in the state directory", name)
	}
	return filepath.Join(s.dir, name), nil
}

// replaceFile writes a file beside path and renames it, so that there is never half of one.
func replaceFile(path string, content []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

const (
	aloneName = "alone.lock"          // in the state directory
	aloneLook = 20 * time.Millisecond // how often it is tried to lock it
)

// GoAlone is Go for what must not be done by two generations of the extension at once, such as to deliver what is in a queue:
// f is called when this generation has taken the place of the one before and that one has left its own f, or is dead. So f
// reads from State what the one before has left there. It returns when ctx ends, with what it has begun done or undone, and
// what it has done saved.
func (h *Host) GoAlone(f func(ctx context.Context) error) {
	if h.State.dir == "" {
		h.life.fail(errNoState) // at once, so that the first Health after it says so
		return
	}
	h.Go(func(ctx context.Context) error {
		select {
		case <-h.life.others.Serving():
		case <-ctx.Done():
			return nil
		}
		lock := flock.New(filepath.Join(h.State.dir, aloneName), flock.SetPermissions(0o600))
		if _, err := lock.TryLockContext(ctx, aloneLook); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("wait for the generation before: %w", err)
		}
		defer func() { _ = lock.Close() }() // the end of the process unlocks it, too
		return f(ctx)
	})
}
