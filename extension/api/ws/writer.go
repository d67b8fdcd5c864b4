package ws

import (
	"bytes"
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

// write writes what is in the outbox, and pings, until the session ends, or until halt is closed. It is the only goroutine
// that writes.
func (s *session) write(halt <-chan struct{}) {
	if s.pump(halt); closed(halt) {
		return
	}
	s.noteEnd()
	s.endReading()
}

// pump is write but for the end.
func (s *session) pump(halt <-chan struct{}) {
	if rest := s.rest; len(rest) > 0 {
		if s.rest = nil; !s.send(rest, halt) {
			return
		}
	}
	heartbeat := time.NewTicker(s.srv.opts.Limits.Heartbeat)
	defer heartbeat.Stop()
	auth := time.NewTimer(s.srv.opts.Limits.AuthTimeout)
	defer auth.Stop()
	missed := 0
	for {
		select {
		case <-halt:
			return
		case <-s.out.wake:
			if done := s.flush(halt); done {
				return
			}
		case <-heartbeat.C:
			if missed++; s.heard() {
				missed = 0
			}
			if !s.beat(missed, halt) {
				return
			}
		case <-auth.C:
			s.lateAuth()
		}
	}
}

// flush writes frames that are queued, many in one write. It reports whether there is nothing more to write, ever.
func (s *session) flush(halt <-chan struct{}) (done bool) {
	items, end := s.out.take(nil, mergeBytes)
	if len(items) == 1 && end == nil && items[0].after == 0 {
		return !s.send(items[0].bytes, halt)
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
	}
	return !s.send(*buf, halt) || end != nil
}

// send writes whole frames, and waits for a client as long as it reads some of them. It reports whether all went out; what did
// not, because of halt, is in s.rest.
func (s *session) send(b []byte, halt <-chan struct{}) bool {
	for len(b) > 0 {
		deadline := time.Now().Add(stallTimeout)
		until, ending := s.out.ending()
		if ending && until.Before(deadline) {
			deadline = until
		}
		_ = s.net.SetWriteDeadline(deadline)
		// Asked after the deadline was set, so that the one of whoever wants the writer to stop is not undone.
		switch {
		case s.dead.Load():
			return false
		case closed(halt):
			s.rest = bytes.Clone(b)
			return false
		}
		n, err := s.net.Write(b)
		b = b[n:]
		switch {
		case err == nil:
		case closed(halt): // seen above
		case !errors.Is(err, os.ErrDeadlineExceeded), ending && !time.Now().Before(until):
			return false
		case n == 0:
			s.out.giveUp(farewell{code: CloseSlow, reason: "too slow: nothing was read for " + stallTimeout.String()})
		}
	}
	return !s.dead.Load()
}

// noteEnd logs that a client was too slow, whether it could be told or not, which explains to an operator why it came again.
func (s *session) noteEnd() {
	if end := s.out.verdict(); end.code == CloseSlow && end.reason != "" {
		caller, _ := s.who()
		s.log.Info("a slow WebSocket client is cut off", "principal", caller.Principal, "reason", end.reason)
	}
}

// heard reports whether something came from the client since the last time it was asked, or waits to be read.
func (s *session) heard() bool { return s.paused.Load() || s.alive.Swap(false) }

// beat pings the client, and ends the session of one that has missed two pings.
func (s *session) beat(missed int, halt <-chan struct{}) bool {
	if missed > 2 {
		s.out.finish(farewell{code: CloseSlow, reason: "no answer to two pings"})
		return true
	}
	return s.out.finishing() || s.send(controlFrame(opPing, nil), halt)
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
