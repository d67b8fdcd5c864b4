package plugin_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/stagehouse/stagehouse/plugin/plugintest"
	"github.com/stagehouse/stagehouse/schema"
)

// The kernel signals a child when the thread that started it ends, and a tether ends when its descriptor is collected.
// Neither may happen to an extension that runs.
func TestAnExtensionOutlivesTheThreadAndTheGarbageOfItsStart(t *testing.T) {
	h := newHost(t, schema.Services{})
	thread, started := make(chan int, 1), make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		thread <- unix.Gettid()
		started <- h.Start(context.Background(), plugintest.Spec(t, "api", plugintest.Good))
	}()
	tid := <-thread
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	eventually(t, "the thread to end", func() bool {
		_, err := os.Stat(fmt.Sprintf("/proc/self/task/%d", tid))
		return os.IsNotExist(err) || tid == os.Getpid() // the first thread of a process never ends
	})
	for range 3 {
		runtime.GC()
	}
	first := h.only()
	for range 20 {
		if answer, err := h.order("/"); err != nil || number(t, answer) != first.PID {
			t.Fatalf("the extension answers %q, %v", answer, err)
		}
	}
	if s := h.only(); s.Generation != 1 {
		t.Errorf("status = %+v", s)
	}
}
