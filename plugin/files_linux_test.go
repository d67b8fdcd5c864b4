package plugin_test

import (
	"strings"
	"testing"

	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/plugin/plugintest"
	"github.com/stagehouse/stagehouse/schema"
)

// An extension that leaks descriptors is pointed out while it still works, once.
func TestAnExtensionThatLeaksDescriptorsIsPointedOut(t *testing.T) {
	h := newHost(t, schema.Services{})
	h.start(plugintest.Spec(t, "api", plugintest.Good))
	before := h.only()
	if before.OpenFiles < 3 || before.FileLimit < before.OpenFiles {
		t.Errorf("%d files are open, of %d", before.OpenFiles, before.FileLimit)
	}
	if _, err := h.order(plugintest.LeakMost); err != nil {
		t.Fatal(err)
	}
	const said = `level=WARN msg="extension has many files open" extension=api generation=1 open=1`
	h.awaitLog(said)
	if s := h.only(); s.OpenFiles < 160 || s.FileLimit != 200 || !serves(s) || s.Generation != 1 {
		t.Errorf("%+v became %+v", before, s)
	}
	if _, err := h.order(plugintest.Sicken); err != nil { // which takes two looks
		t.Fatal(err)
	}
	s := h.restarted(before, "no sleep for a week")
	if !strings.Contains(s.LastError, "files open, of 200 that it may have: it leaks them") {
		t.Errorf("last error = %s", s.LastError)
	}
	if text := h.log.String(); strings.Count(text, said) != 1 || !strings.Contains(text, "limit=200 next=") {
		t.Errorf("it was not pointed out once:\n%s", text)
	}
}

// At its limit it is started anew, with the reason where somebody sees it.
func TestAnExtensionWithoutDescriptorsIsRestarted(t *testing.T) {
	h := newHost(t, schema.Services{})
	h.start(plugintest.Spec(t, "api", plugintest.Good))
	first := h.only()
	_, _ = h.order(plugintest.Leak) // it may be killed while it answers
	s := h.restarted(first, "too many open files; it had 20")
	if s.OpenFiles == 0 || s.OpenFiles >= 100 || s.State != plugin.StateRunning {
		t.Errorf("status %+v", s)
	}
}
