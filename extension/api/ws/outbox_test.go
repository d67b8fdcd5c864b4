package ws

import (
	"fmt"
	"testing"
)

// taken takes everything, a little at a time, and returns it as one text.
func taken(o *outbox) (string, *farewell) {
	var all []byte
	for {
		items, end := o.take(nil, 2)
		for _, i := range items {
			all = i.appendTo(all)
		}
		if end != nil || len(items) == 0 {
			return string(all), end
		}
	}
}

func TestOutboxKeepsTheOrder(t *testing.T) {
	o := newOutbox(1 << 20)
	o.put([]byte("a"), []byte("b"))
	o.hold(item{bytes: []byte("d")})
	o.hold(item{bytes: []byte("e")})
	if got, end := taken(o); got != "ab" || end != nil {
		t.Errorf("took %s, %v", got, end)
	}
	o.release([]byte("c"))
	o.put([]byte("f"))
	o.finish(farewell{code: CloseRestart})
	o.put([]byte("late"))
	if got, end := taken(o); got != "cdef" || end == nil || end.code != CloseRestart {
		t.Errorf("took %s, %v", got, end)
	}
	o.finish(farewell{code: CloseShutdown}) // too late
	o.finish(farewell{silent: true})
	if got, end := taken(o); got != "" || !end.silent {
		t.Errorf("took %s, %v", got, end)
	}
}

// TestOutboxThatIsNeverEmpty takes and puts by turns: what has been taken does not stay in memory.
func TestOutboxThatIsNeverEmpty(t *testing.T) {
	o := newOutbox(1 << 20)
	next := 0
	for i := range 10_000 {
		o.put(fmt.Appendf(nil, "%05d", i), fmt.Appendf(nil, "%05d", i))
		for range 2 - i%2 { // one and a half of two
			frames, _ := o.take(nil, 1)
			if want := fmt.Sprintf("%05d", next/2); len(frames) != 1 || string(frames[0].bytes) != want {
				t.Fatalf("took %v, want %s", frames, want)
			}
			next++
		}
	}
	if left := len(o.frames) - o.taken; left != 5_000 || len(o.frames) > 2*left {
		t.Errorf("%d frames are left, and %d are kept", left, len(o.frames))
	}
}

func TestOutboxIsBounded(t *testing.T) {
	const limit = 1000
	for name, fill := range map[string]func(o *outbox){
		"by bytes": func(o *outbox) { o.put(make([]byte, limit)); o.put([]byte("x")) },
		"by frames": func(o *outbox) {
			for range limit/frameCost + 1 {
				o.put(nil)
			}
		},
		"by held frames":  func(o *outbox) { o.hold(item{bytes: make([]byte, limit)}); o.hold(item{}) },
		"by both":         func(o *outbox) { o.put(make([]byte, limit/2)); o.hold(item{bytes: make([]byte, limit/2)}) },
		"by what is left": func(o *outbox) { o.put([]byte("x"), make([]byte, limit)); o.take(nil, 1); o.put([]byte("x")) },
	} {
		o := newOutbox(limit)
		fill(o)
		o.finish(farewell{code: CloseRestart}) // too late
		if got, end := taken(o); got != "" || end == nil || end.code != CloseSlow || o.bytes != 0 {
			t.Errorf("%s: took %d bytes, %v", name, len(got), end)
		}
	}
	o := newOutbox(limit)
	o.put(make([]byte, 10*limit)) // alone, it fits
	if got, end := taken(o); len(got) != 10*limit || end != nil || o.bytes != 0 {
		t.Errorf("took %d bytes, %v; %d are counted", len(got), end, o.bytes)
	}
}

// TestOutboxLeavesRoomForEvents makes answers wait while half of the queue is full, and not longer than it must.
func TestOutboxLeavesRoomForEvents(t *testing.T) {
	o := newOutbox(1000)
	if o.put(make([]byte, 400)); o.busy() != nil {
		t.Error("busy at 464 of 1000")
	}
	o.put(make([]byte, 10))
	wait := o.busy()
	if wait == nil {
		t.Fatal("not busy at 538 of 1000")
	}
	o.take(nil, 1)
	<-wait
	if o.busy() != nil {
		t.Error("busy when it is almost empty")
	}
	o.put(make([]byte, 300))
	if wait = o.laden(); wait == nil || o.busy() != nil {
		t.Fatal("at 428 of 1000 what has happened must wait, and answers need not")
	}
	o.take(nil, 1)
	o.take(nil, 1)
	<-wait
	if o.laden() != nil {
		t.Error("laden when it is empty")
	}
	o.put(make([]byte, 600))
	wait = o.busy()
	o.finish(farewell{code: CloseRestart})
	<-wait
	<-o.ended
	if o.busy() != nil {
		t.Error("busy although it is over")
	}
}
