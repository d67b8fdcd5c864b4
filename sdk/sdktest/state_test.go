package sdktest_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stagehouse/stagehouse/sdk"
	"github.com/stagehouse/stagehouse/sdk/sdktest"
)

// counter counts its generations in its state, and does not let go of it before it is told to.
type counter struct {
	began chan int
	leave chan struct{}
}

func (x *counter) Start(_ context.Context, h *sdk.Host) error {
	h.GoAlone(func(ctx context.Context) error {
		var n int
		if _, err := h.State.Load("count.json", &n); err != nil {
			return err
		}
		if err := h.State.Save("count.json", n+1); err != nil {
			return err
		}
		x.began <- n
		<-ctx.Done()
		<-x.leave
		return nil
	})
	return nil
}

// TestOneGenerationIsAlone: the second one begins when the first one has left, and finds what that has kept.
func TestOneGenerationIsAlone(t *testing.T) {
	dir := t.TempDir()
	x := &counter{began: make(chan int, 2), leave: make(chan struct{})}
	d := sdk.Definition{Name: "counter", Version: "1.0.0", New: func() sdk.Extension { c := *x; return &c }}
	first := sdktest.Start(t, d, ``, sdk.Services{}, sdktest.WithState(dir))
	if n := <-x.began; n != 0 {
		t.Errorf("the first one finds %d", n)
	}
	second := sdktest.Start(t, d, ``, sdk.Services{}, sdktest.WithState(dir))
	drained := make(chan error, 1)
	go func() { drained <- first.Drain(context.Background()) }()
	select {
	case n := <-x.began:
		t.Fatalf("the second one began beside the first one, with %d", n)
	case <-drained:
		t.Fatal("the first one is gone before it has left")
	case x.leave <- struct{}{}:
	}
	if n := <-x.began; n != 1 {
		t.Errorf("the second one finds %d", n)
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
	close(x.leave)
	if err := second.Drain(context.Background()); err != nil {
		t.Error(err)
	}
}

// stateful gives its state to the test.
type stateful struct{ got chan sdk.State }

func (x *stateful) Start(_ context.Context, h *sdk.Host) error {
	x.got <- h.State
	return nil
}

func TestState(t *testing.T) {
	dir := t.TempDir()
	got := make(chan sdk.State, 1)
	d := sdk.Definition{Name: "stateful", Version: "1.0.0", New: func() sdk.Extension { return &stateful{got} }}
	sdktest.Start(t, d, ``, sdk.Services{}, sdktest.WithState(dir))
	state := <-got
	var text string
	if found, err := state.Load("a.json", &text); found || err != nil || state.Dir() != dir {
		t.Errorf("before it was saved: %v, %v, in %s", found, err, state.Dir())
	}
	for _, want := range []string{"one", "two"} {
		if err := state.Save("a.json", want); err != nil {
			t.Fatal(err)
		}
		if found, err := state.Load("a.json", &text); !found || err != nil || text != want {
			t.Errorf("loaded %q, %v, %v, want %q", text, found, err, want)
		}
	}
	for _, name := range []string{"", ".", "..", "../a.json", "b/a.json", "/a.json", "alone.lock"} {
		if err := state.Save(name, "x"); err == nil {
			t.Errorf("%q was saved", name)
		}
		if _, err := state.Load(name, &text); err == nil {
			t.Errorf("%q was loaded", name)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "a.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if found, err := state.Load("a.json", &text); found || err == nil {
		t.Errorf("half a document: %v, %v", found, err)
	}
	if err := state.Save("a.json", make(chan int)); err == nil {
		t.Error("a channel was saved")
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("files %v, %v", files, err)
	}
	if err := (sdk.State{}).Save("a.json", 1); err == nil {
		t.Error("a host without state keeps something")
	}
}
