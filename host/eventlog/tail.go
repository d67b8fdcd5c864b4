package eventlog

import "github.com/stagehouse/stagehouse/schema"

// tail holds the newest events without a hole: those with the numbers last-len+1 … last.
type tail struct {
	events    []schema.Event // a ring; its oldest entry is at start
	start     int
	n         int
	bytes     int
	last      uint64
	maxEvents int
	maxBytes  int
}

func (t *tail) append(e schema.Event) {
	if t.maxEvents > 0 && t.n == t.maxEvents {
		t.drop()
	}
	if t.n == len(t.events) {
		t.grow()
	}
	t.events[(t.start+t.n)%len(t.events)] = e
	t.n++
	t.bytes += len(e.Payload)
	t.last = e.Cursor.Seq
	for t.bytes > t.maxBytes && t.n > 1 {
		t.drop()
	}
}

// drop forgets the oldest event.
func (t *tail) drop() {
	t.bytes -= len(t.events[t.start].Payload)
	t.events[t.start] = schema.Event{}
	t.start = (t.start + 1) % len(t.events)
	t.n--
}

func (t *tail) grow() {
	bigger := make([]schema.Event, max(64, 2*len(t.events)))
	for i := range t.n {
		bigger[i] = t.events[(t.start+i)%len(t.events)]
	}
	t.events, t.start = bigger, 0
}

// holds reports whether every event after seq is here.
func (t *tail) holds(after uint64) bool { return after+uint64(t.n) >= t.last }

// at returns the event of a number that is here.
func (t *tail) at(seq uint64) *schema.Event {
	i := t.n - 1 - int(t.last-seq)
	return &t.events[(t.start+i)%len(t.events)]
}
