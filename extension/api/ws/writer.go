package ws

import (
	"errors"
	"os"
	"time"
)

// Bounds of writing.
const (
	mergeBytes   = 64 << 10        // pending frames that go out in one write
	stallTimeout = 5 * time.Second // without a byte that the connection took; a client that reads nothing for so long is too slow
	closeTimeout = time.Second     // for the client to answer a close frame

	farewellTimeout = 5 * time.Second // of all writing once the session is to end: what hears it must read by then
)

// write writes what is in the outbox, and pings, until the session ends. It is the only goroutine that writes.
func (s *session) write() {
	heartbeat := time.NewTicker(s.srv.opts.Limits.Heartbeat)
	defer heartbeat.Stop()
	auth := time.NewTimer(s.srv.opts.Limits.AuthTimeout)
	defer auth.Stop()
	defer s.endReading()
	missed := 0
	for {
		select {
		case <-s.out.wake:
			if done := s.flush(); done {
				return
			}
		case <-heartbeat.C:
			if missed++; s.heard() {
				missed = 0
			}
			if !s.beat(missed) {
				return
			}
		case <-auth.C:
			s.lateAuth()
		}
	}
}

// flush writes frames that are queued, many in one write. It reports whether there is nothing more to write, ever.
func (s *session) flush() (done bool) {
	items, end := s.out.take(nil, mergeBytes)
	if len(items) == 1 && end == nil && items[0].after == 0 {
		return !s.send(items[0].bytes)
	}
	buf := s.srv.writeBufs.Get().(*[]byte)
	defer func() {
		if cap(*buf) <= 2*mergeBytes { // one frame may be much larger than what is merged
			*buf = (*buf)[:0]
			s.srv.writeBufs.Put(buf)
		}
	}()
	for _, i := range items {
		*buf = i.appendTo(*buf)
	}
	if end != nil && !end.silent {
		*buf = append(*buf, closeFrame(end.code, end.reason)...)
		s.noteEnd(end)
	}
	return !s.send(*buf) || end != nil
}

// send writes whole frames, and waits for a client as long as it reads some of them. It reports whether all went out.
func (s *session) send(b []byte) bool {
	for len(b) > 0 {
		deadline := time.Now().Add(stallTimeout)
		until, ending := s.out.ending()
		if ending && until.Before(deadline) {
			deadline = until
		}
		_ = s.net.SetWriteDeadline(deadline)
		if s.dead.Load() { // asked after the deadline was set, so that the one of cut is not undone
			return false
		}
		n, err := s.net.Write(b)
		b = b[n:]
		switch {
		case err == nil:
		case !errors.Is(err, os.ErrDeadlineExceeded), ending && !time.Now().Before(until):
			return false
		case n == 0:
			s.out.giveUp(farewell{code: CloseSlow, reason: "too slow: nothing was read for " + stallTimeout.String()})
		}
	}
	return !s.dead.Load()
}

// noteEnd logs that a client was too slow, which explains to an operator why it came again.
func (s *session) noteEnd(end *farewell) {
	if end.code == CloseSlow && end.reason != "" {
		caller, _ := s.who()
		s.log.Info("a slow WebSocket client is cut off", "principal", caller.Principal, "reason", end.reason)
	}
}

// heard reports whether something came from the client since the last time it was asked, or waits to be read.
func (s *session) heard() bool { return s.paused.Load() || s.alive.Swap(false) }

// beat pings the client, and ends the session of one that has missed two pings.
func (s *session) beat(missed int) bool {
	if missed > 2 {
		s.out.finish(farewell{code: CloseSlow, reason: "no answer to two pings"})
		return true
	}
	return s.out.finishing() || s.send(controlFrame(opPing, nil))
}

// endReading makes the reader return: soon, so that the client can answer the close frame, or at once if there is none.
func (s *session) endReading() {
	s.out.finish(farewell{silent: true}) // nothing is written any more: a reader that waits for that must not
	if s.dead.Load() {
		return
	}
	_ = s.net.SetReadDeadline(time.Now().Add(closeTimeout))
	if s.dead.Load() {
		_ = s.net.SetReadDeadline(past)
	}
}
