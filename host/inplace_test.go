package host_test

import (
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/plugin/plugintest"
)

// TestReloadInPlace: a block alone is taken by the process that runs; what is more than that, or asked for by name, is not.
func TestReloadInPlace(t *testing.T) {
	a := scripted(t, "a", plugintest.Reloads)
	h := newHouse(t, a)
	reloaded := func(want bool) {
		t.Helper()
		if s := h.Extensions()[0]; s.Reloaded.IsZero() == want {
			t.Errorf("reloaded in place: %+v, want %v", s, want)
		}
	}
	a.Block = []byte(`{"port":1}`)
	h.set(nil, a)
	h.reload()
	h.want(map[string]uint64{"a": 1})
	reloaded(true)
	h.reload() // nothing has changed
	h.want(map[string]uint64{"a": 1})
	h.reload("a")
	h.want(map[string]uint64{"a": 2})
	reloaded(false)
	a.Block, a.DrainTimeout = []byte(`{"port":2}`), 7*time.Second
	h.set(nil, a)
	h.reload()
	h.want(map[string]uint64{"a": 3})
	reloaded(false)
}

// TestProgramThatFailedIsTriedAgain: a block that follows a reload which failed is not for the process that runs, whose program may
// be the one before.
func TestProgramThatFailedIsTriedAgain(t *testing.T) {
	a := scripted(t, "a", plugintest.Reloads)
	h := newHouse(t, a)
	bad := a
	bad.Block = []byte(`[]`) // with which it does not start
	h.set(nil, bad)
	if err := h.Reload(t.Context(), "a"); err == nil {
		t.Fatal("it starts with any block")
	}
	h.want(map[string]uint64{"a": 1})
	a.Block = []byte(`{"port":1}`)
	h.set(nil, a)
	h.reload()
	if s := h.Extensions()[0]; s.Generation == 1 || !s.Reloaded.IsZero() {
		t.Errorf("the process that runs has taken it: %+v", s)
	}
}
