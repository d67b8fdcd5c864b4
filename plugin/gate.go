package plugin

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/stagehouse/stagehouse/schema"
)

// Bounds of the calls that wait for the runtime's process.
const (
	awayWait   = 5 * time.Second // for one that has died to be there again
	maxWaiting = 10_000          // calls
	retryAfter = time.Second     // what a caller is told that was not let in
)

// gate decides which process of the runtime a call goes to, and has calls wait while there is none. A process that has its turn
// serves for one term; the next turn of the same one is another term.
//
// Before a process is released its gate is held: calls that change something wait, those that are under way come to their
// end, and calls that only read go on.
type gate struct {
	mu       sync.Mutex
	serving  *generation   // nil = none
	term     uint64        // grows with every change of serving
	held     bool          // while something serves: calls that change something wait
	swapping bool          // another term begins soon, whichever process has it
	refusal  *schema.Error // why nothing is let in, and nothing waits; nil = it does
	news     chan struct{} // closed, and replaced, when any of this changes
	waiting  int
	changes  int           // calls that change something, under way
	quiet    chan struct{} // closed when changes comes to 0; nil = nobody waits for that
}

func newGate() *gate { return &gate{news: make(chan struct{})} }

// visit says what a call wants of the gate.
type visit struct {
	change  bool   // it changes something
	patient bool   // it waits for a process that has died as long as it takes
	after   uint64 // it has been in this term, and in vain
}

// pass is a call that was let in.
type pass struct {
	g     *generation
	term  uint64
	leave func() // is called when the call is over, once or more
}

// enter lets a call in, or has it wait. The error is of the schema.
func (t *gate) enter(ctx context.Context, v visit) (pass, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var late <-chan time.Time
	for {
		switch {
		case t.refusal != nil:
			return pass{}, t.refusal
		case t.serving != nil && t.term != v.after && !(v.change && t.held):
			return t.admit(v), nil
		case t.waiting == maxWaiting:
			return pass{}, away("too many calls wait for the runtime, which is away")
		case late == nil && !v.patient && !t.swapping:
			late = time.After(awayWait)
		case t.swapping:
			late = nil // a swap has its own bounds
		}
		news := t.news
		t.waiting++
		t.mu.Unlock()
		var err error
		select {
		case <-news:
		case <-late:
			err = away("the runtime is away and is being started anew; try again")
		case <-ctx.Done():
			err = schema.Errorf(schema.CodeOf(ctx.Err()), "the call waited for the runtime: %w", ctx.Err())
		}
		t.mu.Lock()
		t.waiting--
		if err != nil {
			return pass{}, err
		}
	}
}

// admit lets a call in. t.mu is held.
func (t *gate) admit(v visit) pass {
	p := pass{g: t.serving, term: t.term, leave: func() {}}
	if v.change {
		t.changes++
		p.leave = sync.OnceFunc(t.left)
	}
	return p
}

// left takes note of the end of a call that changed something.
func (t *gate) left() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.changes--; t.changes == 0 && t.quiet != nil {
		close(t.quiet)
		t.quiet = nil
	}
}

func away(text string) *schema.Error {
	return &schema.Error{Code: schema.CodeUnavailable, Message: text, RetryAfter: retryAfter}
}

// lost reports whether a call that was let in has failed because its process went away, or goes. That news may come a little
// later than the failure. Of a process that goes, only what it does not say itself counts against a call that changes something.
func (t *gate) lost(ctx context.Context, p pass, change bool, err error) bool {
	ours, bare := false, false
	if st, ok := status.FromError(err); ok {
		bare = len(st.Details()) == 0
		switch st.Code() {
		case codes.Unavailable, codes.Canceled, codes.Internal, codes.Unknown:
			ours = true
		}
	} else {
		ours = schema.CodeOf(err) == schema.CodeUnavailable
	}
	if !ours || change && !bare || ctx.Err() != nil {
		return false
	}
	var late <-chan time.Time
	if bare {
		late = time.After(brokenNotice)
	}
	for {
		t.mu.Lock()
		gone, news := t.term != p.term || t.held, t.news
		t.mu.Unlock()
		if gone || late == nil {
			return gone
		}
		select {
		case <-news:
		case <-late:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// change changes the gate and tells everybody who waits.
func (t *gate) change(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f()
	close(t.news)
	t.news = make(chan struct{})
}

// open begins a term of g.
func (t *gate) open(g *generation) {
	t.change(func() {
		t.serving, t.held, t.swapping, t.refusal = g, false, false, nil
		t.term++
	})
}

// shut ends the term, if there is one. With swapping, another one begins soon.
func (t *gate) shut(swapping bool) {
	t.change(func() {
		t.serving, t.held, t.swapping = nil, false, swapping
		t.term++
	})
}

// refuse ends the term and lets nobody in any more, until it is opened again.
func (t *gate) refuse(e *schema.Error) {
	t.shut(false)
	t.change(func() { t.refusal = e })
}

// hold has calls wait that change something, and returns a channel that is closed when those are over that are under way.
func (t *gate) hold() <-chan struct{} {
	quiet := make(chan struct{})
	t.change(func() {
		t.held, t.swapping = true, true
		if t.changes == 0 {
			close(quiet)
		} else {
			t.quiet = quiet
		}
	})
	return quiet
}
