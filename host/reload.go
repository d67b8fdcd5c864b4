package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/stagehouse/stagehouse/host/config"
	"github.com/stagehouse/stagehouse/plugin"
)

// Source reads the configuration anew. Its error says everything that is wrong with it.
type Source func(ctx context.Context) (*config.Config, error)

// stopSlack is what stopping an extension may take beyond its drain.
const stopSlack = 5 * time.Second

// Reload reads the configuration anew and brings the runtime, if that is a process, and the extensions in line with it: new ones start, those that are gone or
// disabled drain and stop, and one about which something has changed is replaced while it serves. What has not changed is
// left alone, but for the extensions named and those that are broken, which are replaced in any case.
//
// Nothing is touched where the configuration has errors. Where a single extension does not come up, it goes on as it was,
// the others are not kept from anything, and the error says so; the next Reload tries again. A Reload that begins while
// another one is under way takes its place, with its names: that one ends with plugin.ErrSuperseded.
//
// The agents that the configuration declares, in its list and in files of their own, are declared to a runtime that is a Declarer.
// A file that is unsound goes on declaring what it did, and the error says so. A Budgeter is told of prices and budgets, and the memories of a
// MemoryKeeper are found as the configuration says. Everything else is what it was when the host started.
func (h *Host) Reload(ctx context.Context, names ...string) error { return h.reload(ctx, names, names) }

// reload reloads the extensions named. Those of them that are not enabled are an error where they are in must.
func (h *Host) reload(ctx context.Context, names, must []string) error {
	t := h.turn(ctx, names)
	defer t.end()
	if h.closed {
		return plugin.ErrClosed
	}
	defer h.around()()
	cfg, err := h.read(t.ctx)
	if err != nil {
		t.later = true
		return superseded(t.ctx, err)
	}
	for _, name := range must {
		if !slices.ContainsFunc(h.specs(cfg), func(s plugin.Spec) bool { return s.Name == name }) {
			t.done(must...)
			return fmt.Errorf("reload extension %s: %w", name, plugin.ErrUnknown)
		}
	}
	err = h.apply(t, cfg)
	if t.ctx.Err() == nil {
		err = errors.Join(err, h.declare(t.ctx, cfg))
		h.embed(cfg.Memory)
	}
	if publish := h.publish(); publish != nil {
		err = errors.Join(err, publish)
	}
	return superseded(t.ctx, err)
}

// read reads the configuration anew. h.reloading is held.
func (h *Host) read(ctx context.Context) (*config.Config, error) {
	if h.source == nil {
		return h.cfg, nil
	}
	h.see(h.cfg)
	cfg, err := h.source(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	h.know(cfg)
	h.tellRestart(cfg)
	return cfg, nil
}

// tellRestart says once what of a configuration has to wait for the host to be started anew. h.reloading is held.
func (h *Host) tellRestart(cfg *config.Config) {
	var keys []string
	_, declares := h.runtime.(Declarer)
	_, budgets := h.runtime.(Budgeter)
	_, embeds := h.runtime.(MemoryKeeper)
	for key, same := range map[string]bool{
		"agents": declares || bytes.Equal(cfg.Agents, h.cfg.Agents), "data": cfg.Data == h.cfg.Data,
		"usage":  budgets || reflect.DeepEqual(cfg.Usage, h.cfg.Usage),
		"memory": embeds || reflect.DeepEqual(cfg.Memory, h.cfg.Memory),
		"events": cfg.Events == h.cfg.Events, "runtime": (cfg.Runtime == nil) == (h.process == nil), "logLevel": cfg.LogLevel == h.cfg.LogLevel,
	} {
		if !same {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	if said := strings.Join(keys, ", "); said != h.untold {
		if h.untold = said; said != "" {
			h.log.Warn("this has changed in the configuration, and counts only after the host is started anew", "keys", said)
		}
	}
}

// embed has memories found as the configuration says, if that has changed. h.reloading is held.
func (h *Host) embed(m config.Memory) {
	k, ok := h.runtime.(MemoryKeeper)
	if ok && !reflect.DeepEqual(m, h.memory) {
		k.Memories().UseEmbedder(m.Embedder)
	}
	h.memory = m
}

// superseded returns why ctx ended, where that is why err is not nil.
func superseded(ctx context.Context, err error) error {
	if err != nil && errors.Is(context.Cause(ctx), plugin.ErrSuperseded) {
		return plugin.ErrSuperseded
	}
	return err
}

// turn is the time of one Reload, in which there is no other.
type turn struct {
	host  *Host
	ctx   context.Context // ends when another Reload takes the place of this one, too
	abort context.CancelCauseFunc
	names []string // extensions that have still to be replaced in any case
	later bool     // by the next Reload, if not by this one
}

// turn takes the place of the Reload that is under way, with its names, and waits for its end. The caller calls end.
func (h *Host) turn(ctx context.Context, names []string) *turn {
	t := &turn{host: h}
	t.ctx, t.abort = context.WithCancelCause(ctx)
	h.mu.Lock()
	if h.abort != nil {
		h.abort(plugin.ErrSuperseded)
	}
	h.abort = t.abort
	h.name(names)
	h.mu.Unlock()
	h.reloading.Lock()
	h.mu.Lock()
	defer h.mu.Unlock()
	t.names, h.named = h.named, nil
	return t
}

// done says that extensions do not have to be replaced any more.
func (t *turn) done(names ...string) {
	t.names = slices.DeleteFunc(t.names, func(n string) bool { return slices.Contains(names, n) })
}

func (t *turn) end() {
	if t.later || errors.Is(context.Cause(t.ctx), plugin.ErrSuperseded) {
		t.host.mu.Lock()
		t.host.name(t.names) // whoever took our place has not looked yet
		t.host.mu.Unlock()
	}
	t.host.reloading.Unlock()
	t.abort(nil)
}

// name remembers extensions that are to be replaced in any case. h.mu is held.
func (h *Host) name(names []string) {
	for _, name := range names {
		if !slices.Contains(h.named, name) {
			h.named = append(h.named, name)
		}
	}
}

// apply brings the extensions in line with cfg.
func (h *Host) apply(t *turn, cfg *config.Config) error {
	wanted := h.want(cfg)
	var errs []error
	for _, s := range h.manager.Status() { // first what goes: others may want its address
		if _, ok := wanted[s.Name]; !ok {
			errs = append(errs, h.stop(t.ctx, s.Name))
		}
	}
	for _, spec := range h.specs(cfg) {
		if t.ctx.Err() != nil {
			return errors.Join(append(errs, context.Cause(t.ctx))...)
		}
		err := h.bring(t.ctx, spec, slices.Contains(t.names, spec.Name) || h.broken(spec.Name))
		if err == nil || t.ctx.Err() == nil { // it has been replaced, or cannot be
			t.done(spec.Name)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// want takes note of the processes of cfg, and returns how they are to be run.
func (h *Host) want(cfg *config.Config) map[string]plugin.Spec {
	wanted := map[string]plugin.Spec{}
	keep := []string{cfg.File, cfg.AgentsDir}
	for _, s := range h.specs(cfg) {
		wanted[s.Name] = s
		if s.Path != "" { // it is not attached
			keep = append(keep, s.Path)
		}
	}
	h.files.Only(keep...)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wanted = wanted
	maps.DeleteFunc(h.absent, func(name string, _ plugin.Status) bool { return wanted[name].Name == "" })
	return wanted
}

// bring starts an extension, or the runtime, or replaces it where something about it has changed or force says so.
func (h *Host) bring(ctx context.Context, s plugin.Spec, force bool) error {
	running, ok := h.running[s.Name]
	failed, again := h.failed[s.Name]
	delete(h.failed, s.Name)
	if ok && !force && reflect.DeepEqual(running, s) && !(again && reflect.DeepEqual(failed, s)) {
		return nil
	}
	// What failed may have been another program, which the next reload has to run.
	inPlace := ok && !force && !again && running.Path == s.Path
	if s.Private && !inPlace { // else it is the host's own program, which is what it is
		h.files.Seen(s.Path)
	}
	var err error
	switch {
	case s.Name == plugin.RuntimeName:
		err = h.process.Reload(ctx, s)
	case inPlace:
		err = h.manager.Reconfigure(ctx, s)
	case ok:
		err = h.manager.Reload(ctx, s)
	default:
		err = h.manager.Start(ctx, s)
		h.missed(s.Name, err)
	}
	switch {
	case err == nil:
		h.running[s.Name] = s
	case !inPlace:
		h.failed[s.Name] = s // its program may be another one, of which the configuration knows nothing
	}
	return err
}

// broken reports whether a process is started by nobody but a reload.
func (h *Host) broken(name string) bool {
	return slices.ContainsFunc(h.processes(), func(s plugin.Status) bool {
		return s.Name == name && s.State == plugin.StateBroken
	})
}

// missed takes note of why an extension was not started, if it was not.
func (h *Host) missed(name string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.absent, name)
	if errors.As(err, new(*plugin.StartError)) {
		h.absent[name] = plugin.Status{
			Name: name, State: plugin.StateStopped, Since: time.Now(), LastError: err.Error(), Listeners: []string{},
		}
	}
}

// stop drains an extension and ends it. It is not cut short by another Reload.
func (h *Host) stop(ctx context.Context, name string) error {
	bound := h.running[name].DrainTimeout + stopSlack
	delete(h.running, name)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), bound)
	defer cancel()
	return h.manager.Stop(ctx, name)
}
