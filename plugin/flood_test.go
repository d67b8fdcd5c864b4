//go:build unix

package plugin_test

import (
	"regexp"
	"runtime"
	"runtime/debug"
	"strconv"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/plugin/plugintest"
	"github.com/stagehouse/stagehouse/schema"
)

// Whatever an extension writes, the host takes a part of it that is bounded, says how much it left out, and does not grow.
func TestAFloodOfLogIsBoundedAndCounted(t *testing.T) {
	const room = 16 << 20 // for the heap of a host to grow by
	for _, c := range []struct {
		command      plugintest.Command
		lines, bytes int // to be left out at least
	}{
		{plugintest.Deluge, plugintest.DelugeLines / 2, plugintest.DelugeLines},
		{plugintest.Endless, 0, plugintest.EndlessBytes * 99 / 100},
	} {
		t.Run(string(c.command), func(t *testing.T) {
			h := newHost(t, schema.Services{})
			h.start(plugintest.Spec(t, "api", plugintest.Good))
			before := heap()
			most := watchHeap(t)
			if _, err := h.order(c.command); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the log to tell how much was left out", func() bool {
				lines, bytes := h.leftOut()
				return lines >= c.lines && bytes >= c.bytes
			})
			grown := int64(most()) - int64(before) - int64(len(h.log.String()))
			if t.Logf("the heap grew by %d bytes, beside the log of %d", grown, len(h.log.String())); grown > room {
				t.Errorf("the host grew by %d bytes", grown)
			}
			if s := h.only(); s.Generation != 1 || s.State != plugin.StateRunning {
				t.Errorf("status = %+v", s)
			}
		})
	}
}

// leftOut returns how many lines and bytes the log says were left out of it.
func (h *host) leftOut() (lines, bytes int) {
	for _, m := range regexp.MustCompile(`left out" .*lines=(\d+) bytes=(\d+)`).FindAllStringSubmatch(h.log.String(), -1) {
		l, _ := strconv.Atoi(m[1]) // they are digits
		b, _ := strconv.Atoi(m[2])
		lines, bytes = lines+l, bytes+b
	}
	return lines, bytes
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// watchHeap returns how to learn the largest size of the heap from now on. Garbage is collected early meanwhile, so that it
// counts little.
func watchHeap(t *testing.T) func() uint64 {
	before := debug.SetGCPercent(20)
	t.Cleanup(func() { debug.SetGCPercent(before) })
	stop, result := make(chan struct{}), make(chan uint64)
	go func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		var most uint64
		for {
			most = max(most, heap())
			select {
			case <-tick.C:
			case <-stop:
				result <- most
				return
			}
		}
	}()
	return func() uint64 { close(stop); return <-result }
}
