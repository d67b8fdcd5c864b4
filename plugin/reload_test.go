//go:build unix

package plugin_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/plugin/plugintest"
	"github.com/stagehouse/stagehouse/schema"
)

// TestReloadReplaces: the next generation serves where the one before did, and that one is gone then.
func TestReloadReplaces(t *testing.T) {
	h := newHost(t, schema.Services{})
	spec := plugintest.Spec(t, "api", plugintest.Good)
	h.start(spec)
	first := h.only()
	for range 3 {
		if err := h.Reload(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
	}
	now := h.only()
	if now.Generation != 4 || now.PID == first.PID || now.Listeners[0] != first.Listeners[0] || now.Restarts != 0 || now.State != plugin.StateRunning {
		t.Errorf("%+v became %+v", first, now)
	}
	eventually(t, "the new generation to answer alone", func() bool {
		answer, err := h.order("/")
		return err == nil && number(t, answer) == now.PID
	})
	eventually(t, "the first generation to be gone", func() bool { return !alive(first.PID) })
}

// TestReloadThatFailsChangesNothing tries everything that can be wrong with the next generation.
func TestReloadThatFailsChangesNothing(t *testing.T) {
	h := newHost(t, schema.Services{})
	h.start(plugintest.Spec(t, "api", plugintest.Good))
	first := h.only()
	for script, phase := range map[plugintest.Script]plugin.Phase{
		plugintest.StdoutFirst:   plugin.PhaseLaunch,
		plugintest.NeverReady:    plugin.PhaseLaunch,
		plugintest.SilentExit:    plugin.PhaseLaunch,
		plugintest.DiesEarly:     plugin.PhaseLaunch,
		plugintest.WrongMajor:    plugin.PhaseLaunch,
		plugintest.DiesInInit:    plugin.PhaseInit,
		plugintest.Requires:      plugin.PhaseInit,
		plugintest.RefusesConfig: plugin.PhaseConfigure,
		plugintest.PanicsInStart: plugin.PhaseStart,
		plugintest.HangsInStart:  plugin.PhaseStart,
		plugintest.FailsInStart:  plugin.PhaseStart,
		plugintest.NeverHealthy:  plugin.PhaseHealth,
	} {
		spec := plugintest.Spec(t, "api", script)
		spec.StartTimeout = startTimeout(script)
		err := h.Reload(t.Context(), spec)
		var e *plugin.StartError
		if !errors.As(err, &e) || e.Phase != phase || e.Extension != "api" || e.Generation < 2 || e.Next == "" {
			t.Errorf("%s: %v; want a failure in phase %s, and what to do", script, err, phase)
		}
		if now := h.only(); now.PID != first.PID || now.State != plugin.StateRunning || now.Generation != 1 {
			t.Errorf("%s: %+v became %+v", script, first, now)
		}
		if answer, err := h.order("/"); err != nil || number(t, answer) != first.PID {
			t.Errorf("%s: the old generation answers %q, %v", script, answer, err)
		}
	}
}

// TestReloadSupersedes: of many at once the last one counts, and everybody is told what became of theirs.
func TestReloadSupersedes(t *testing.T) {
	h := newHost(t, schema.Services{})
	good, hangs := plugintest.Spec(t, "api", plugintest.Good), plugintest.Spec(t, "api", plugintest.NeverReady)
	h.start(good)
	first := h.only()
	results := make(chan error)
	go func() { results <- h.Reload(context.Background(), hangs) }()
	h.awaitLaunch(2)
	var wg sync.WaitGroup
	errs := make([]error, 5)
	for i := range errs {
		wg.Go(func() { errs[i] = h.Reload(context.Background(), good) })
	}
	if err := <-results; !errors.Is(err, plugin.ErrSuperseded) {
		t.Errorf("the reload that hung ended with %v", err)
	}
	wg.Wait()
	done := 0
	for _, err := range errs {
		switch {
		case err == nil:
			done++
		case !errors.Is(err, plugin.ErrSuperseded):
			t.Error(err)
		}
	}
	if now := h.only(); done == 0 || now.PID == first.PID || now.State != plugin.StateRunning {
		t.Errorf("%d reloads were done, and it is %+v", done, now)
	}
}

// awaitLaunch waits until a process of that generation is there.
func (h *host) awaitLaunch(generation int) {
	h.t.Helper()
	eventually(h.t, "a launch", func() bool { return len(h.directories()) >= generation })
}

func TestReloadEndsWithItsContext(t *testing.T) {
	h := newHost(t, schema.Services{})
	h.start(plugintest.Spec(t, "api", plugintest.Good))
	first := h.only()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := h.Reload(ctx, plugintest.Spec(t, "api", plugintest.NeverReady)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Reload = %v", err)
	}
	if now := h.only(); now.PID != first.PID {
		t.Errorf("%+v became %+v", first, now)
	}
}

func TestReloadOfWhatDoesNotRun(t *testing.T) {
	h := newHost(t, schema.Services{})
	if err := h.Reload(t.Context(), plugintest.Spec(t, "api", plugintest.Good)); !errors.Is(err, plugin.ErrUnknown) {
		t.Errorf("Reload = %v", err)
	}
	if err := h.Stop(t.Context(), "api"); !errors.Is(err, plugin.ErrUnknown) {
		t.Errorf("Stop = %v", err)
	}
}

// TestStopOne stops one extension, during a reload of it, and leaves the other alone; then it is started again.
func TestStopOne(t *testing.T) {
	h := newHost(t, schema.Services{})
	h.start(plugintest.Spec(t, "api", plugintest.Good))
	h.start(plugintest.Spec(t, "other", plugintest.Good))
	reloaded := make(chan error)
	go func() { reloaded <- h.Reload(context.Background(), plugintest.Spec(t, "api", plugintest.NeverReady)) }()
	h.awaitLaunch(3)
	if err := h.Stop(t.Context(), "api"); err != nil {
		t.Fatal(err)
	}
	if err := <-reloaded; !errors.Is(err, plugin.ErrStopped) {
		t.Errorf("the reload ended with %v", err)
	}
	if now := h.only(); now.Name != "other" || now.State != plugin.StateRunning {
		t.Errorf("left is %+v", now)
	}
	h.start(plugintest.Spec(t, "api", plugintest.Good))
	if all := h.Status(); len(all) != 2 || all[1].State != plugin.StateRunning {
		t.Errorf("status %+v", all)
	}
}

// TestBreaker: an extension that falls again and again is given up, visibly, until it is reloaded.
func TestBreaker(t *testing.T) {
	const breakAfter = 4
	supervision := quick()
	supervision.BreakAfter = breakAfter
	h := newHost(t, schema.Services{}, plugin.WithSupervision(supervision))
	h.start(plugintest.Spec(t, "api", plugintest.Good))
	address := h.only().Listeners[0]
	broken := h.await("it to be broken", func(s plugin.Status) bool {
		if s.State == plugin.StateRunning {
			_, _ = h.order(plugintest.Exit) // it dies instead of answering, or is dead already
		}
		return s.State == plugin.StateBroken
	})
	if broken.PID != 0 || broken.Restarts != breakAfter-1 || !strings.Contains(broken.LastError, "exit status 3") {
		t.Errorf("status %+v", broken)
	}
	eventually(t, "connects to be refused", func() bool {
		_, err := get("http://" + address)
		return errors.Is(err, syscall.ECONNREFUSED)
	})
	var e *plugin.StartError
	if err := h.Reload(t.Context(), plugintest.Spec(t, "api", plugintest.FailsInStart)); !errors.As(err, &e) {
		t.Errorf("Reload = %v", err)
	}
	if s := h.only(); s.State != plugin.StateBroken {
		t.Errorf("after a reload that failed it is %+v", s)
	}
	if err := h.Reload(t.Context(), plugintest.Spec(t, "api", plugintest.Good)); err != nil {
		t.Fatal(err)
	}
	if s := h.only(); s.State != plugin.StateRunning || s.PID == 0 {
		t.Errorf("after a reload it is %+v", s)
	}
}

// TestReloadInTurn is how it goes where two generations cannot share listeners.
func TestReloadInTurn(t *testing.T) {
	h := newHost(t, schema.Services{}, plugin.InTurn())
	h.start(plugintest.Spec(t, "api", plugintest.Good))
	first := h.only()
	var e *plugin.StartError
	if err := h.Reload(t.Context(), plugintest.Spec(t, "api", plugintest.RefusesConfig)); !errors.As(err, &e) || e.Phase != plugin.PhaseConfigure {
		t.Errorf("Reload = %v", err)
	}
	if now := h.only(); now.PID != first.PID || now.State != plugin.StateRunning {
		t.Errorf("after a reload that failed before its turn, %+v became %+v", first, now)
	}
	if err := h.Reload(t.Context(), plugintest.Spec(t, "api", plugintest.FailsInStart)); !errors.As(err, &e) || e.Phase != plugin.PhaseStart {
		t.Errorf("Reload = %v", err)
	}
	back := h.only()
	if back.State != plugin.StateRunning || back.PID == first.PID || alive(first.PID) {
		t.Errorf("after a reload that failed it is %+v", back)
	}
	if err := h.Reload(t.Context(), plugintest.Spec(t, "api", plugintest.Good)); err != nil {
		t.Fatal(err)
	}
	now := h.only()
	eventually(t, "the generation before to be gone", func() bool { return !alive(back.PID) })
	if answer, err := h.order("/"); err != nil || number(t, answer) != now.PID {
		t.Errorf("%+v answers %q, %v", now, answer, err)
	}
}

// TestTheOldGenerationHangs: it is killed, in its time, and holds nothing up but the next reload.
func TestTheOldGenerationHangs(t *testing.T) {
	h := newHost(t, schema.Services{})
	spec := plugintest.Spec(t, "api", plugintest.IgnoresTheEnd)
	spec.DrainTimeout = 100 * time.Millisecond
	h.start(spec)
	first := h.only()
	for range 2 {
		if err := h.Reload(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
	}
	if alive(first.PID) {
		t.Error("the first generation is still there after two reloads")
	}
}
