package host

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/stagehouse/stagehouse/plugin"
)

// maxReloads is how many reloads Watch has under way: each takes the place of the one before, which may take a moment.
const maxReloads = 8

// Watch reloads when the configuration file or a file of an agent becomes another one, when the program of an extension that is not built in
// does, and whenever asked says so, until ctx is done. It returns when that is over. What becomes of a reload is in the log;
// one that fails changes nothing, and is tried again at the next change.
//
// What is read while the host starts or reloads is not a change: call Watch after Start.
func (h *Host) Watch(ctx context.Context, asked <-chan os.Signal) {
	var under sync.WaitGroup
	defer under.Wait()
	changes := make(chan []string)
	under.Go(func() {
		h.files.Run(ctx, h.log, func(paths []string) {
			select {
			case changes <- paths:
			case <-ctx.Done():
			}
		})
	})
	room := make(chan struct{}, maxReloads)
	for {
		why, names := "a signal", []string(nil)
		select {
		case <-ctx.Done():
			return
		case <-asked:
		case paths := <-changes:
			why, names = "a file has changed", h.runBy(paths)
			h.log.Info("a file that is watched has changed", "paths", paths)
		}
		select {
		case <-ctx.Done():
			return
		case room <- struct{}{}:
		}
		under.Go(func() {
			defer func() { <-room }()
			if h.told(h.reload(ctx, names, nil)) == nil {
				h.log.Info("reloaded", "because", why)
			}
		})
	}
}

// runBy returns the names of the extensions, and of the runtime, whose program is at one of the paths.
func (h *Host) runBy(paths []string) []string {
	h.mu.Lock()
	wanted := maps.Clone(h.wanted)
	h.mu.Unlock()
	maps.DeleteFunc(wanted, func(_ string, s plugin.Spec) bool {
		path, err := filepath.Abs(s.Path)
		return err != nil || !s.Private || !slices.Contains(paths, path)
	})
	return slices.Sorted(maps.Keys(wanted))
}
