package apitest

import (
	"io"
	"testing"
	"testing/synctest"
)

// TestSettleOutlivesTheEnd: what was said before a side has ended is still waited for, until its reader is done with it or leaves.
func TestSettleOutlivesTheEnd(t *testing.T) {
	for name, done := range map[string]func(*heard){
		"read":  func(h *heard) { _, _ = io.Copy(io.Discard, h) },
		"leave": func(h *heard) { h.leave() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, settled := newHeard(), false
				_, _ = h.Write([]byte("ping"))
				h.close()
				go func() {
					h.settle()
					settled = true
				}()
				synctest.Wait()
				if settled {
					t.Error("it does not wait for its reader")
				}
				done(h)
				synctest.Wait()
				if !settled {
					t.Error("it still waits")
				}
			})
		})
	}
}
