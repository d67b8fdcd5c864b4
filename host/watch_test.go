package host_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/host"
	"github.com/stagehouse/stagehouse/host/config"
	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/plugin/plugintest"
	"github.com/stagehouse/stagehouse/schema"
)

// watched is a host that can watch: its configuration file is the block of the extension a, and its program is a copy of this
// test binary.
type watched struct {
	*house
	file, program string
	signals       chan os.Signal
	log           syncBuffer
	hooks         atomic.Int64 // begun and not ended
	reloads       atomic.Int64
}

func newWatched(t *testing.T) *watched {
	t.Helper()
	dir := shortDir(t)
	w := &watched{
		file: filepath.Join(dir, "house.json"), program: filepath.Join(dir, "program"), signals: make(chan os.Signal, 1),
	}
	w.house = &house{t: t, path: filepath.Join(dir, "data")}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	build, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	w.replace(w.program, build)
	w.write(`{"port":1}`)
	cfg, err := w.read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.open(cfg, host.WithSource(w.read), host.WithLogger(slog.New(slog.NewTextHandler(&w.log, nil))), host.WithReloadHook(w.hook))
	return w
}

// watch has the host watch until the test ends.
func (w *watched) watch() {
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	watching.Go(func() { w.Watch(ctx, w.signals) })
	w.t.Cleanup(func() {
		cancel()
		watching.Wait()
		if n := w.hooks.Load(); n != 0 {
			w.t.Errorf("%d reloads were not ended for the hook", n)
		}
		if w.t.Failed() {
			w.t.Log(w.log.String())
		}
	})
}

func (w *watched) hook() func() {
	if w.hooks.Add(1) != 1 {
		w.t.Error("the hook is told of two reloads at the same time")
	}
	w.reloads.Add(1)
	return func() { w.hooks.Add(-1) }
}

// read is the source: text that is not JSON has errors.
func (w *watched) read(context.Context) (*config.Config, error) {
	block, err := os.ReadFile(w.file)
	if err != nil {
		return nil, err
	}
	if !json.Valid(block) {
		return nil, &host.ConfigError{File: w.file, Problems: []schema.Problem{{Pointer: "/extensions/a", Message: "not JSON"}}}
	}
	e := scripted(w.t, "a", plugintest.Good)
	e.Command = config.Command{Path: w.program}
	e.Block = block
	cfg := &config.Config{File: w.file, Extensions: []config.Extension{e}}
	if bytes.Contains(block, []byte("quiet")) {
		cfg.LogLevel = slog.LevelError
	}
	return cfg, nil
}

func (w *watched) write(block string) { w.replace(w.file, []byte(block)) }

// replace puts another file in the place of one.
func (w *watched) replace(path string, content []byte) {
	w.t.Helper()
	if err := os.WriteFile(path+".new", content, 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		w.t.Fatal(err)
	}
}

// eventually polls until f returns nil.
func eventually(t *testing.T, what string, f func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		<-tick.C
	}
}

func (w *watched) generation(want uint64) {
	w.t.Helper()
	eventually(w.t, fmt.Sprintf("generation %d", want), func() error {
		if all := w.Extensions(); len(all) != 1 || all[0].Generation != want || all[0].State != plugin.StateRunning {
			return fmt.Errorf("%+v", all)
		}
		return nil
	})
}

func (w *watched) says(words ...string) {
	w.t.Helper()
	eventually(w.t, "the log", func() error {
		for _, line := range strings.Split(w.log.String(), "\n") {
			has := true
			for _, word := range words {
				has = has && strings.Contains(line, word)
			}
			if has {
				return nil
			}
		}
		return fmt.Errorf("no line says %q", words)
	})
}

func TestWatch(t *testing.T) {
	w := newWatched(t)
	w.watch()
	w.generation(1)
	w.write(`{"port":2}`)
	w.generation(2)
	build, err := os.ReadFile(w.program)
	if err != nil {
		t.Fatal(err)
	}
	w.replace(w.program, append(build, "another build"...))
	w.generation(3)

	w.write(`{"port":`)
	w.says("level=ERROR", "reload failed", "extension=a", "phase=check", "/extensions/a: not JSON", "correct it", "serving=3")
	w.replace(w.program, append(build, "a third build"...)) // waits for the configuration
	w.says("level=INFO", "a file that is watched has changed", w.program)
	w.write(`{"port":2}`)
	w.generation(4)

	w.replace(w.program, []byte("#!/bin/nothing\n"))
	w.says("level=ERROR", "reload failed", "extension=a", "generation=5", "phase=launch", "next=", "serving=4")
	w.replace(w.program, build)
	w.generation(6)

	w.write(`{"port":2,"is":"quiet"}`)
	w.generation(7)
	w.says("level=WARN", "only after the host is started anew", "logLevel")
	w.signals <- syscall.SIGHUP
	w.says("level=INFO", "msg=reloaded", "a signal")
	w.generation(7)
	if n := strings.Count(w.log.String(), "started anew"); n != 1 {
		t.Errorf("that a restart is needed was said %d times", n)
	}
}

// TestReloadByHandIsNotRepeated by a watch, which looks a little later.
func TestReloadByHandIsNotRepeated(t *testing.T) {
	w := newWatched(t)
	build, err := os.ReadFile(w.program)
	if err != nil {
		t.Fatal(err)
	}
	w.replace(w.program, append(build, "another build"...))
	w.write(`{"port":2}`)
	if err := w.Reload(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	w.generation(2)
	w.watch()
	begun := w.reloads.Load()
	// The watch has looked three times, and more, when it has told of this.
	if err := os.Remove(w.file); err != nil {
		t.Fatal(err)
	}
	w.says("level=WARN", w.file)
	w.write(`{"port":3}`)
	eventually(w.t, "the next reload", func() error {
		if w.reloads.Load() == begun {
			return io.EOF
		}
		return nil
	})
	w.generation(3)
	if n := w.reloads.Load(); n > begun+1 {
		t.Errorf("%d reloads, want %d", n, begun+1)
	}
}

// syncBuffer is a buffer that may be read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
