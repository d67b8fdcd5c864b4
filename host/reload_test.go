package host_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/host"
	"github.com/stagehouse/stagehouse/host/config"
	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/plugin/plugintest"
	"github.com/stagehouse/stagehouse/schema"
)

// nothing is a runtime that offers nothing.
type nothing struct{}

func (nothing) Services() schema.Services   { return schema.Services{} }
func (nothing) Close(context.Context) error { return nil }

// house is a host whose configuration a test changes.
type house struct {
	*host.Host
	t    *testing.T
	path string // of the data directory
	once sync.Once

	reads chan struct{} // has room for a token a read

	mu  sync.Mutex
	cfg config.Config
	err error
}

// shortDir returns a new directory with a short path, for sockets.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sh")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func newHouse(t *testing.T, extensions ...config.Extension) *house {
	t.Helper()
	return newHouseAt(t, "", extensions...)
}

// newHouseAt has its data at path, or in a short directory of its own.
func newHouseAt(t *testing.T, path string, extensions ...config.Extension) *house {
	t.Helper()
	if path == "" {
		path = filepath.Join(shortDir(t), "data")
	}
	h := &house{t: t, path: path, reads: make(chan struct{}, 100), cfg: config.Config{Extensions: extensions}}
	h.open(&config.Config{Extensions: slices.Clone(extensions)}, host.WithSource(h.read))
	return h
}

// open starts the host.
func (h *house) open(cfg *config.Config, opts ...host.Option) {
	h.t.Helper()
	data, err := host.OpenDataDir(h.path)
	if err != nil {
		h.t.Fatal(err)
	}
	h.Host = host.New(cfg, data, nothing{}, opts...)
	h.t.Cleanup(h.close)
	if err := h.Start(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) close() {
	h.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := h.Close(ctx); err != nil {
			h.t.Error(err)
		}
	})
}

func (h *house) read(context.Context) (*config.Config, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reads <- struct{}{}
	return &config.Config{Extensions: slices.Clone(h.cfg.Extensions)}, h.err
}

// set changes the configuration.
func (h *house) set(err error, extensions ...config.Extension) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cfg.Extensions, h.err = extensions, err
}

func (h *house) reload(names ...string) {
	h.t.Helper()
	if err := h.Reload(h.t.Context(), names...); err != nil {
		h.t.Fatal(err)
	}
}

// generations returns the generation that runs of each extension.
func (h *house) generations() map[string]uint64 {
	out := map[string]uint64{}
	for _, s := range h.Extensions() {
		out[s.Name] = s.Generation
	}
	return out
}

func (h *house) want(generations map[string]uint64) {
	h.t.Helper()
	got := h.generations()
	for name, g := range generations {
		if got[name] != g {
			h.t.Fatalf("generations %v, want %v", got, generations)
		}
	}
	if len(got) != len(generations) {
		h.t.Fatalf("generations %v, want %v", got, generations)
	}
}

// scripted returns an extension as a configuration has it.
func scripted(t *testing.T, name string, script plugintest.Script) config.Extension {
	s := plugintest.Spec(t, name, script)
	return config.Extension{Name: name, Enabled: true, Command: config.Command{Path: s.Path, BuiltIn: true}, Env: s.Env, Block: []byte(`{}`)}
}

func TestReloadFollowsTheConfiguration(t *testing.T) {
	a, b := scripted(t, "a", plugintest.Good), scripted(t, "b", plugintest.Good)
	h := newHouse(t, a, b)
	h.reload()
	h.want(map[string]uint64{"a": 1, "b": 1}) // nothing has changed
	h.reload("b")
	h.want(map[string]uint64{"a": 1, "b": 2})
	changed := a
	changed.Block = []byte(`{"port":1}`)
	h.set(nil, changed, b)
	h.reload()
	h.want(map[string]uint64{"a": 2, "b": 2})
	off := b
	off.Enabled = false
	h.set(nil, changed, off, scripted(t, "c", plugintest.Good))
	h.reload()
	h.want(map[string]uint64{"a": 2, "c": 1})
	h.set(nil, changed, b)
	h.reload()
	h.want(map[string]uint64{"a": 2, "b": 1})
	if err := h.Reload(t.Context(), "nobody"); !errors.Is(err, plugin.ErrUnknown) {
		t.Errorf("Reload of nobody = %v", err)
	}
}

func TestReloadOfABadConfigurationChangesNothing(t *testing.T) {
	a, b := scripted(t, "a", plugintest.Good), scripted(t, "b", plugintest.Good)
	h := newHouse(t, a, b)
	broken := errors.New("it has errors")
	h.set(broken)
	if err := h.Reload(t.Context()); !errors.Is(err, broken) {
		t.Errorf("Reload = %v", err)
	}
	h.want(map[string]uint64{"a": 1, "b": 1})
	changed := b
	changed.Block = []byte(`{"port":1}`)
	h.set(nil, scripted(t, "a", plugintest.FailsInStart), changed)
	for range 2 { // it is tried again
		var e *plugin.StartError
		if err := h.Reload(t.Context()); !errors.As(err, &e) || e.Extension != "a" || e.Phase != plugin.PhaseStart {
			t.Errorf("Reload = %v", err)
		}
		h.want(map[string]uint64{"a": 1, "b": 2}) // and is in nobody's way
	}
}

// TestReloadTakesThePlaceOfAnother: a reload that hangs does not hold up the one that mends it, and what was asked for by
// name is not forgotten.
func TestReloadTakesThePlaceOfAnother(t *testing.T) {
	a, b := scripted(t, "a", plugintest.Good), scripted(t, "b", plugintest.Good)
	h := newHouse(t, a, b)
	h.set(nil, scripted(t, "a", plugintest.NeverReady), b)
	first := make(chan error)
	go func() { first <- h.Reload(context.Background(), "b") }()
	<-h.reads
	h.set(nil, a, b)
	if err := h.Reload(t.Context()); err != nil {
		t.Errorf("the later Reload = %v", err)
	}
	if err := <-first; err != nil && !errors.Is(err, plugin.ErrSuperseded) {
		t.Errorf("the earlier Reload = %v", err)
	}
	if got := h.generations(); got["b"] != 2 {
		t.Errorf("generations %v: b was asked for by name", got)
	}
}

// TestReloadDoesNotRepeatWhatIsDone: an extension that was replaced before another reload took the place of its own is not
// replaced once more.
func TestReloadDoesNotRepeatWhatIsDone(t *testing.T) {
	a, b := scripted(t, "a", plugintest.Good), scripted(t, "b", plugintest.Good)
	h := newHouse(t, a, b)
	h.set(nil, a, scripted(t, "b", plugintest.NeverReady))
	first := make(chan error)
	go func() { first <- h.Reload(context.Background(), "a") }()
	eventually(t, "a is replaced", func() error {
		if got := h.generations(); got["a"] != 2 {
			return fmt.Errorf("generations %v", got)
		}
		return nil
	})
	h.set(nil, a, b)
	h.reload()
	if err := <-first; err != nil && !errors.Is(err, plugin.ErrSuperseded) {
		t.Errorf("the earlier Reload = %v", err)
	}
	h.reload()
	if got := h.generations(); got["a"] != 2 {
		t.Errorf("generations %v: a was replaced already", got)
	}
}

// TestReloadMendsWhatIsBroken: what fell again and again is started by every reload, named or not.
func TestReloadMendsWhatIsBroken(t *testing.T) {
	h := &house{t: t, path: filepath.Join(shortDir(t), "data"), reads: make(chan struct{}, 100)}
	a := scripted(t, "a", plugintest.Good)
	h.set(nil, a)
	s := plugin.DefaultSupervision()
	s.BreakAfter = 1
	h.open(&config.Config{Extensions: []config.Extension{a}}, host.WithSource(h.read), host.WithSupervision(s))
	get := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	for generation := range uint64(3) {
		resp, err := get.Get("http://" + h.Extensions()[0].Listeners[0] + string(plugintest.Exit))
		if err == nil {
			_ = resp.Body.Close()
		}
		eventually(t, "a is broken", func() error {
			if s := h.Extensions()[0]; s.State != plugin.StateBroken {
				return fmt.Errorf("%+v", s)
			}
			return nil
		})
		h.reload()
		h.want(map[string]uint64{"a": generation + 2})
	}
}
