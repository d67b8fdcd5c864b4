package ws

import (
	"sync"
	"time"
)

// frameCost is what a queued frame costs beside its bytes, so that a great many tiny ones are bounded too. What is added
// to an event when it is written is less.
const frameCost = 64

// farewell is how a session ends.
type farewell struct {
	code   int // 0 = a close frame without a code
	reason string
	silent bool // nobody is there to read a close frame
	move   bool // it does not end: it goes on in another process
}

// outbox is the queue of one socket, bounded in bytes. Putting never waits. The bound is far above what a burst of events
// needs until the writer has had its turn, so a queue that is full means that the connection takes less than the client
// has asked for: it is thrown away and the socket is closed. One frame alone always fits. Answers to a client's own
// commands do not fill the queue: who makes them waits first (see busy).
type outbox struct {
	limit int
	wake  chan struct{} // has a token when there is something to take
	ended chan struct{} // closed once the end is known

	mu     sync.Mutex
	frames []item
	taken  int    // how many of frames have been taken, from the front
	held   []item // what comes after an acknowledgement that has not been put
	bytes  int    // of what has not been taken, held frames too
	space  chan struct{}
	end    *farewell // what comes after the frames; set once
	until  time.Time // by when a session that ends has written what it can
}

func newOutbox(limit int) *outbox {
	return &outbox{limit: limit, wake: make(chan struct{}, 1), ended: make(chan struct{})}
}

// put queues whole frames, in order; they are not copied. After the end is known they are dropped.
func (o *outbox) put(frames ...[]byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.end != nil {
		return
	}
	o.putLocked(frames)
	o.grownLocked()
}

func (o *outbox) putLocked(frames [][]byte) {
	for _, f := range frames {
		o.frames = append(o.frames, item{bytes: f})
		o.bytes += len(f) + frameCost
	}
}

// add is put for one item.
func (o *outbox) add(i item) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.end != nil {
		return
	}
	o.frames = append(o.frames, i)
	o.bytes += len(i.bytes) + frameCost
	o.grownLocked()
}

// hold keeps an item back until release.
func (o *outbox) hold(i item) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.end != nil {
		return
	}
	o.held = append(o.held, i)
	o.bytes += len(i.bytes) + frameCost
	o.grownLocked()
}

// release queues the answer, and behind it everything that was held.
func (o *outbox) release(answer ...[]byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.end != nil {
		return
	}
	o.putLocked(answer)
	o.frames = append(o.frames, o.held...)
	o.held = nil
	o.grownLocked()
}

// grownLocked gives the client up when what was added is too much.
func (o *outbox) grownLocked() {
	if o.bytes > o.limit && len(o.frames)-o.taken+len(o.held) > 1 {
		o.dropLocked()
		o.endLocked(farewell{code: CloseSlow, reason: "too slow: the queue of frames is full"})
	}
	o.ring()
}

// giveUp drops everything and says how the session ends, unless that is known already.
func (o *outbox) giveUp(f farewell) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.end == nil {
		o.dropLocked()
		o.endLocked(f)
	}
	o.ring()
}

// finish says how the session ends once the frames that are queued now have been written. Only the first call counts,
// except that a silent end drops everything.
func (o *outbox) finish(f farewell) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.end == nil:
		o.endLocked(f)
	case f.silent:
		o.end = &f
	}
	if f.silent {
		o.dropLocked()
	}
	o.ring()
}

func (o *outbox) endLocked(f farewell) {
	o.end, o.until = &f, time.Now().Add(farewellTimeout)
	close(o.ended)
	o.makeSpaceLocked()
}

func (o *outbox) dropLocked() {
	o.frames, o.held, o.taken, o.bytes = nil, nil, 0, 0
}

// finishing reports whether the end is known.
func (o *outbox) finishing() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.end != nil
}

// verdict returns how the session ends; zero while that is not known.
func (o *outbox) verdict() farewell {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.end == nil {
		return farewell{}
	}
	return *o.end
}

// ending returns by when a session that ends must have written what it can; ok is false while the end is not known.
func (o *outbox) ending() (until time.Time, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.until, o.end != nil
}

// busy returns nil while the queue has room for answers, which is half of it: the other half is for events, so that a
// client that sends faster than it reads does not lose its socket by its own answers. Otherwise it returns a channel that
// is closed when it is worth asking again. Once the end is known there is nothing to wait for.
func (o *outbox) busy() <-chan struct{} { return o.over(o.limit / 2) }

// laden is busy for what has happened before, of which there may be no end. It has to do with a quarter of the queue, so
// that answers find room beside it however fast it comes.
func (o *outbox) laden() <-chan struct{} { return o.over(o.limit / 4) }

func (o *outbox) over(share int) <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.end != nil || o.bytes <= share {
		return nil
	}
	if o.space == nil {
		o.space = make(chan struct{})
	}
	return o.space
}

func (o *outbox) makeSpaceLocked() {
	if o.space != nil {
		close(o.space)
		o.space = nil
	}
}

// take moves items of about size bytes, at least one if there is one, to the end of into. The farewell is not nil once
// nothing will follow; while something will, wake has its token again.
func (o *outbox) take(into []item, size int) ([]item, *farewell) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := 0
	for ; o.taken < len(o.frames); o.taken++ {
		i := o.frames[o.taken]
		if n > 0 && n+len(i.bytes) > size {
			break
		}
		n += len(i.bytes)
		o.bytes -= len(i.bytes) + frameCost
		into = append(into, i)
		o.frames[o.taken] = item{}
	}
	if o.bytes <= o.limit/2 {
		o.makeSpaceLocked()
	}
	if o.taken < len(o.frames) {
		o.compactLocked()
		o.ring()
		return into, nil
	}
	o.frames, o.taken = o.frames[:0], 0
	if cap(o.frames) > 64 {
		o.frames = nil // a burst must not cost an idle socket its memory
	}
	return into, o.end
}

// compactLocked keeps a queue that is never empty from growing for ever at its front.
func (o *outbox) compactLocked() {
	if o.taken < 64 || o.taken < len(o.frames)/2 {
		return
	}
	rest := copy(o.frames, o.frames[o.taken:])
	clear(o.frames[rest:])
	o.frames, o.taken = o.frames[:rest], 0
}

func (o *outbox) ring() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}
