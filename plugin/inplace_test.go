//go:build unix

package plugin_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/plugin/plugintest"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk"
)

const envSign = "STAGEHOUSE_TEST_SIGN"

// signMain makes this process an extension that takes another block while it serves, if a test has started it as that.
func signMain() {
	if os.Getenv(envSign) != "" {
		fresh := func() sdk.Extension { return &sign{} }
		sdk.Main(sdk.Definition{Name: "sign", Version: "1.0.0", New: fresh})
	}
}

// sign answers with its text and the number of its process, until it is repainted.
type sign struct {
	Address string `json:"address"`
	Text    string `json:"text"`
	Fails   bool   `json:"fails" doc:"Do not start with this block"`
	Waits   string `json:"waits" doc:"A file; while it is there, Reload does not return"`

	text atomic.Pointer[string]
}

func (x *sign) Validate() []sdk.Problem {
	if x.Text == "rude" {
		return []sdk.Problem{{Severity: sdk.SeverityError, Pointer: "/text", Message: "is rude"}}
	}
	return nil
}

func (x *sign) Start(ctx context.Context, h *sdk.Host) error {
	if x.Fails {
		return errors.New("out of paint")
	}
	x.text.Store(&x.Text)
	return h.ListenAndServe(ctx, x.Address, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, "%s %d", *x.text.Load(), os.Getpid())
	}))
}

func (x *sign) Reload(ctx context.Context, next sdk.Extension) error {
	n := next.(*sign)
	if n.Waits != "" {
		if err := os.WriteFile(n.Waits+".begun", nil, 0o600); err != nil {
			return err
		}
	}
	for n.Waits != "" {
		if _, err := os.Stat(n.Waits); err != nil {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
	switch n.Text {
	case "panic":
		panic("spilt the paint")
	case "refused":
		return errors.New("the paint does not dry")
	case "declined":
		return fmt.Errorf("too large: %w", sdk.ErrDeclined)
	}
	x.text.Store(&n.Text)
	return nil
}

// signSpec returns a spec of the sign with a text.
func signSpec(t *testing.T, text string, change ...func(*sign)) plugin.Spec {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	block := &sign{Address: "127.0.0.1:0", Text: text}
	for _, c := range change {
		c(block)
	}
	b, err := json.Marshal(block)
	if err != nil {
		t.Fatal(err)
	}
	return plugin.Spec{
		Name: "sign", Path: path, Config: b, StartTimeout: patience, DrainTimeout: time.Second,
		Env: map[string]string{envSign: "1", "GORACE": "exitcode=0 atexit_sleep_ms=0"},
	}
}

// reads fails the test unless the sign has that text, and is painted by that process.
func (h *host) reads(text string, pid int) {
	h.t.Helper()
	want := fmt.Sprintf("%s %d", text, pid)
	if answer, err := h.order("/"); err != nil || answer != want {
		h.t.Errorf("it reads %q, %v, want %q", answer, err, want)
	}
}

// TestBlockIsTakenInPlace: the process stays, and is started with the new block when it dies.
func TestBlockIsTakenInPlace(t *testing.T) {
	var changes []plugin.Change
	var mu sync.Mutex
	h := newHost(t, schema.Services{}, plugin.WithObserver(func(c plugin.Change) {
		mu.Lock()
		defer mu.Unlock()
		changes = append(changes, c)
	}))
	h.start(signSpec(t, "open"))
	first := h.only()
	if err := h.Reconfigure(t.Context(), signSpec(t, "closed")); err != nil {
		t.Fatal(err)
	}
	now := h.only()
	if now.Generation != 1 || now.PID != first.PID || now.Reloaded.IsZero() || !now.Since.Equal(first.Since) || !first.Reloaded.IsZero() {
		t.Errorf("%+v became %+v", first, now)
	}
	h.reads("closed", first.PID)
	mu.Lock()
	if want := (plugin.Change{Kind: plugin.ChangeReloaded, Extension: "sign", Generation: 1, Previous: 1}); len(changes) != 1 || changes[0] != want {
		t.Errorf("changes = %+v, want %+v", changes, want)
	}
	mu.Unlock()
	if err := syscall.Kill(first.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another process", func() bool { s := h.only(); return s.State == plugin.StateRunning && s.PID != first.PID })
	h.reads("closed", h.only().PID)
	if now := h.only(); !now.Reloaded.IsZero() {
		t.Errorf("the next process was reloaded: %+v", now)
	}
}

// TestBlockThatIsRefusedInPlace leaves everything as it was, whoever refuses it.
func TestBlockThatIsRefusedInPlace(t *testing.T) {
	h := newHost(t, schema.Services{})
	h.start(signSpec(t, "open"))
	first := h.only()
	unknown := signSpec(t, "closed")
	unknown.Config = []byte(`{"colour": "red"}`)
	for words, spec := range map[string]plugin.Spec{
		"/colour": unknown, "is rude": signSpec(t, "rude"), "the paint does not dry": signSpec(t, "refused"),
	} {
		err := h.Reconfigure(t.Context(), spec)
		var failed *plugin.StartError
		if !errors.As(err, &failed) || failed.Phase != plugin.PhaseReload || failed.Generation != 0 ||
			!strings.Contains(failed.Cause.Error(), words) || failed.Next == "" {
			t.Errorf("%s: %v; want a failure in phase reload, and what to do", words, err)
		}
		if now := h.only(); now.PID != first.PID || !now.Reloaded.IsZero() {
			t.Errorf("%s: %+v became %+v", words, first, now)
		}
		h.reads("open", first.PID)
	}
	if err := h.Reconfigure(t.Context(), signSpec(t, "closed")); err != nil {
		t.Fatal(err)
	}
	h.reads("closed", first.PID)
}

// TestNextGenerationTakesWhatThisOneDoesNot: whatever keeps the process from taking the block, the block counts.
func TestNextGenerationTakesWhatThisOneDoesNot(t *testing.T) {
	other := signSpec(t, "closed")
	other.DrainTimeout *= 2
	for name, spec := range map[string]plugin.Spec{
		"declined": signSpec(t, "declined"), "panic": signSpec(t, "panic"), "more than its block has changed": other,
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, schema.Services{})
			h.start(signSpec(t, "open"))
			first := h.only()
			if err := h.Reconfigure(t.Context(), spec); err != nil {
				t.Fatal(err)
			}
			now := h.only()
			if now.Generation != 2 || now.PID == first.PID || !now.Reloaded.IsZero() {
				t.Errorf("%+v became %+v", first, now)
			}
			var block sign
			if err := json.Unmarshal(spec.Config, &block); err != nil {
				t.Fatal(err)
			}
			h.reads(block.Text, now.PID)
		})
	}
}

// TestExtensionThatKnowsNoReload is of an extension that does not serve the call, as those of the previous release.
func TestExtensionThatKnowsNoReload(t *testing.T) {
	h := newHost(t, schema.Services{})
	spec := plugintest.Spec(t, "api", plugintest.Good)
	h.start(spec)
	first := h.only()
	if err := h.Reconfigure(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	if now := h.only(); now.Generation != 2 || now.PID == first.PID {
		t.Errorf("%+v became %+v", first, now)
	}
}

// TestReloadOfAReloader is of an operator who wants another process.
func TestReloadOfAReloader(t *testing.T) {
	h := newHost(t, schema.Services{})
	h.start(signSpec(t, "open"))
	first := h.only()
	if err := h.Reload(t.Context(), signSpec(t, "closed")); err != nil {
		t.Fatal(err)
	}
	if now := h.only(); now.Generation != 2 || now.PID == first.PID {
		t.Errorf("%+v became %+v", first, now)
	}
}

// TestHalfABlockIsUndone: a process that may have taken a block which the next generation cannot start with does not keep it.
func TestHalfABlockIsUndone(t *testing.T) {
	h := newHost(t, schema.Services{})
	h.start(signSpec(t, "open"))
	first := h.only()
	err := h.Reconfigure(t.Context(), signSpec(t, "panic", func(x *sign) { x.Fails = true }))
	var failed *plugin.StartError
	if !errors.As(err, &failed) || failed.Phase != plugin.PhaseStart {
		t.Errorf("Reconfigure = %v", err)
	}
	eventually(t, "it to be started as it was", func() bool { s := h.only(); return s.State == plugin.StateRunning && s.PID != first.PID })
	h.reads("open", h.only().PID)
}

// waiting begins a reload in place that does not end, and returns what comes of it.
func (h *host) waiting(t *testing.T, text string) (file string, result chan error) {
	t.Helper()
	file, result = filepath.Join(t.TempDir(), "wait"), make(chan error, 1)
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	spec := signSpec(t, text, func(x *sign) { x.Waits = file })
	go func() { result <- h.Reconfigure(context.Background(), spec) }()
	eventually(t, "the reload to begin", func() bool { _, err := os.Stat(file + ".begun"); return err == nil })
	return file, result
}

// TestProcessDiesWhileItIsReloaded: the next one has the new block.
func TestProcessDiesWhileItIsReloaded(t *testing.T) {
	h := newHost(t, schema.Services{})
	h.start(signSpec(t, "open"))
	first := h.only()
	_, result := h.waiting(t, "closed")
	if err := syscall.Kill(first.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	if now := h.only(); now.PID == first.PID || now.State != plugin.StateRunning {
		t.Errorf("%+v became %+v", first, now)
	}
	h.reads("closed", h.only().PID)
}

// TestReloadWaitsForOneInPlace: what a process has been asked to take it may have taken, so the last one comes after it.
func TestReloadWaitsForOneInPlace(t *testing.T) {
	h := newHost(t, schema.Services{})
	h.start(signSpec(t, "open"))
	first := h.only()
	file, result := h.waiting(t, "closed")
	last := make(chan error, 1)
	go func() { last <- h.Reconfigure(context.Background(), signSpec(t, "for sale")) }()
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(<-result, <-last); err != nil {
		t.Error(err)
	}
	h.reads("for sale", first.PID)
}

func TestStopWhileItIsReloadedInPlace(t *testing.T) {
	h := newHost(t, schema.Services{})
	h.start(signSpec(t, "open"))
	_, result := h.waiting(t, "closed")
	if err := h.Stop(t.Context(), "sign"); err != nil {
		t.Error(err)
	}
	if err := <-result; !errors.Is(err, plugin.ErrStopped) {
		t.Errorf("Reconfigure = %v", err)
	}
}

// TestInPlaceUnderLoad: many blocks at once, some of which cannot be taken in place, and nobody is refused.
func TestInPlaceUnderLoad(t *testing.T) {
	h := newHost(t, schema.Services{})
	h.start(signSpec(t, "open"))
	url := "http://" + h.only().Listeners[0]
	over := make(chan struct{})
	var asking sync.WaitGroup
	var asked atomic.Int64
	for range 4 {
		asking.Go(func() {
			client := http.Client{Timeout: patience, Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for {
				select {
				case <-over:
					return
				default:
				}
				resp, err := client.Get(url)
				if err != nil {
					t.Errorf("while it is reloaded: %v", err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				asked.Add(1)
			}
		})
	}
	for range 5 {
		var reloading sync.WaitGroup
		for _, text := range []string{"closed", "declined", "for sale", "refused"} {
			reloading.Go(func() {
				var failed *plugin.StartError
				err := h.Reconfigure(context.Background(), signSpec(t, text))
				if err != nil && !errors.Is(err, plugin.ErrSuperseded) && (text != "refused" || !errors.As(err, &failed)) {
					t.Errorf("%s: %v", text, err)
				}
			})
		}
		reloading.Wait()
	}
	if err := h.Reconfigure(t.Context(), signSpec(t, "sold")); err != nil {
		t.Error(err)
	}
	h.reads("sold", h.only().PID)
	close(over)
	asking.Wait()
	t.Logf("%d requests were answered, up to generation %d", asked.Load(), h.only().Generation)
}
