package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/stagehouse/stagehouse/host/config"
	"github.com/stagehouse/stagehouse/plugin"
)

// runtimeDirName is the directory, below that of the host, for what a runtime keeps that is a process.
const runtimeDirName = "runtime"

// Open is New for a configuration whose runtime is a process of its own, which it runs: it returns when the runtime can be
// called. The runtime keeps what it has in the directory "runtime" of data. With an error, data is still the caller's.
func Open(ctx context.Context, cfg *config.Config, data *DataDir, opts ...Option) (*Host, error) {
	if cfg.Runtime == nil {
		return nil, errors.New("the configuration has no runtime that is a process")
	}
	h, o := newHost(cfg, data, opts)
	dir := filepath.Join(data.Path(), runtimeDirName)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of the runtime: %w", err)
	}
	spec := Spec(*cfg.Runtime)
	h.files.Seen(spec.Path)
	rt, err := plugin.OpenRuntime(ctx, spec, dir, append(o.manager,
		plugin.WithLogger(h.log),
		plugin.WithRunDir(h.runtimeRunDir()),
		plugin.WithHostVersion(Version))...)
	if err != nil {
		return nil, err
	}
	h.process, h.running[plugin.RuntimeName] = rt, spec
	h.adopt(rt, o)
	rt.Observe(h.herald.tell)
	return h, nil
}

// runtimeRunDir is below that of the extensions, whose manager leaves it alone.
func (h *Host) runtimeRunDir() string { return filepath.Join(h.runDir(), runtimeDirName) }

// closeRuntime closes the runtime and, where it is a process, removes its empty directory.
func (h *Host) closeRuntime(ctx context.Context) error {
	err := h.runtime.Close(ctx)
	if h.process != nil {
		_ = os.Remove(h.runtimeRunDir()) // it is empty, or the next host sweeps it
	}
	return err
}

// processes returns what every process is doing: that of the runtime, if there is one, and those of the extensions.
func (h *Host) processes() []plugin.Status {
	var all []plugin.Status
	if h.process != nil {
		all = append(all, h.process.Status())
	}
	return append(all, h.manager.Status()...)
}

// specs returns how the processes of cfg are to be run, the runtime first. A runtime that cfg has no longer, which only another
// host can be without, is as it was. New and Open call it, and who holds h.reloading.
func (h *Host) specs(cfg *config.Config) []plugin.Spec {
	var specs []plugin.Spec
	switch {
	case h.process == nil:
	case cfg.Runtime == nil:
		specs = append(specs, h.running[plugin.RuntimeName])
	default:
		specs = append(specs, Spec(*cfg.Runtime))
	}
	for _, e := range cfg.Extensions {
		if e.Enabled {
			specs = append(specs, Spec(e))
		}
	}
	return specs
}
