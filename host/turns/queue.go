package turns

import (
	"context"
	"slices"
	"sync"
)

// scheduler queues what is accepted: the turns of one conversation one at a time and in order, those of different conversations
// at the same time, up to a bound. It has one goroutine for each turn at work and none else.
type scheduler struct {
	work          func(*Turn)
	maxRunning    int
	maxUnfinished int

	mu       sync.Mutex
	reserved int              // places of turns that are being accepted
	byRun    map[string]*Turn // accepted and not over
	queues   map[int64]*queue // of conversations that have a turn waiting or at work
	ready    []*queue         // those with a turn waiting and none at work, in the order in which they became so
	running  int              // turns at work that do not rest
	back     []chan struct{}  // turns that have rested and wait for a place, each closed when there is one
	perAgent map[string]int   // accepted and not over
	atWork   map[string]int   // agent → brains at work
	changed  chan struct{}    // closed and replaced whenever a turn is over or let go of
}

type queue struct {
	conversation int64
	waiting      []*Turn
	atWork       bool // otherwise it is in ready
}

func newScheduler(maxRunning, maxUnfinished int, work func(*Turn)) *scheduler {
	return &scheduler{
		work: work, maxRunning: maxRunning, maxUnfinished: maxUnfinished,
		byRun: map[string]*Turn{}, queues: map[int64]*queue{}, perAgent: map[string]int{}, atWork: map[string]int{},
		changed: make(chan struct{}),
	}
}

// reserve keeps a place for a turn that is about to be accepted, and returns how many are taken. ok is false if that is all.
// Whoever has a place gives it to add, or back with release.
func (ts *scheduler) reserve() (taken int, ok bool) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if taken = len(ts.byRun) + ts.reserved; taken >= ts.maxUnfinished {
		return taken, false
	}
	ts.reserved++
	return taken, true
}

func (ts *scheduler) release() {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.reserved--
}

// add queues a turn, which takes the place that was reserved for it. It is called in the order of acceptance.
func (ts *scheduler) add(t *Turn) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.reserved--
	ts.byRun[t.Run.ID] = t
	ts.perAgent[t.Run.AgentID]++
	q, ok := ts.queues[t.conversation]
	if !ok {
		q = &queue{conversation: t.conversation}
		ts.queues[t.conversation] = q
		ts.ready = append(ts.ready, q)
	}
	q.waiting = append(q.waiting, t)
	ts.dispatch()
}

// dispatch puts turns to work while there is room, those first that were at work before. The lock is held.
func (ts *scheduler) dispatch() {
	for ts.running < ts.maxRunning && len(ts.back) > 0 {
		close(ts.back[0])
		ts.back = slices.Delete(ts.back, 0, 1)
		ts.running++
	}
	for ts.running < ts.maxRunning && len(ts.ready) > 0 {
		q := ts.ready[0]
		ts.ready = slices.Delete(ts.ready, 0, 1)
		t := q.waiting[0]
		q.waiting = slices.Delete(q.waiting, 0, 1)
		q.atWork = true
		ts.running++
		ts.atWork[t.Run.AgentID]++
		go func() {
			defer ts.letGo(t, q)
			ts.work(t)
		}()
	}
}

// rest gives up the place of a turn that is at work until wait returns and there is a place again; after the end of ctx it goes on
// without one, as it is about to end.
func (ts *scheduler) rest(ctx context.Context, wait func()) {
	ts.mu.Lock()
	ts.running--
	ts.dispatch()
	ts.mu.Unlock()
	wait()
	ts.mu.Lock()
	defer ts.mu.Unlock()
	place := make(chan struct{})
	ts.back = append(ts.back, place)
	ts.dispatch()
	ts.mu.Unlock()
	select {
	case <-place:
	case <-ctx.Done():
	}
	ts.mu.Lock()
	if i := slices.Index(ts.back, place); i >= 0 {
		ts.back = slices.Delete(ts.back, i, i+1)
		ts.running++
	}
}

// letGo frees the place of a turn whose work is done and goes on with its conversation.
func (ts *scheduler) letGo(t *Turn, q *queue) {
	t.end()
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.running--
	decrement(ts.atWork, t.Run.AgentID)
	q.atWork = false
	if len(q.waiting) > 0 {
		ts.ready = append(ts.ready, q)
	} else {
		delete(ts.queues, q.conversation)
	}
	ts.dispatch()
	ts.tell()
}

// over says that a run has ended. If it was still waiting, nothing of it is left in here; otherwise its brain is told to stop,
// and it is gone when that lets go.
func (ts *scheduler) over(runID string) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	t, ok := ts.byRun[runID]
	if !ok {
		return
	}
	delete(ts.byRun, runID)
	decrement(ts.perAgent, t.Run.AgentID)
	t.end()
	ts.leave(t)
	ts.tell()
}

// leave takes a turn out of the queue if it waits there, and the queue out of ready if that leaves nothing in it. The lock is
// held.
func (ts *scheduler) leave(t *Turn) {
	q, ok := ts.queues[t.conversation]
	if !ok {
		return
	}
	q.waiting = slices.DeleteFunc(q.waiting, func(w *Turn) bool { return w == t })
	if len(q.waiting) == 0 && !q.atWork {
		delete(ts.queues, q.conversation)
		ts.ready = slices.DeleteFunc(ts.ready, func(r *queue) bool { return r == q })
	}
}

// tell wakes those who wait for a change. The lock is held.
func (ts *scheduler) tell() {
	close(ts.changed)
	ts.changed = make(chan struct{})
}

func decrement(m map[string]int, key string) {
	if m[key]--; m[key] <= 0 {
		delete(m, key)
	}
}

// unfinished returns how many turns of an agent are accepted and not over.
func (ts *scheduler) unfinished(agentID string) int {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return ts.perAgent[agentID]
}

// released waits until no brain of the agent ("" = of any) is at work, and reports whether that came to be before ctx ended.
func (ts *scheduler) released(ctx context.Context, agentID string) bool {
	return ts.await(ctx, func() bool {
		if agentID == "" {
			return len(ts.atWork) == 0
		}
		return ts.atWork[agentID] == 0
	})
}

// drained waits until every accepted turn is over.
func (ts *scheduler) drained(ctx context.Context) bool {
	return ts.await(ctx, func() bool { return len(ts.byRun) == 0 && len(ts.atWork) == 0 })
}

func (ts *scheduler) await(ctx context.Context, done func() bool) bool {
	for {
		ts.mu.Lock()
		ok, changed := done(), ts.changed
		ts.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}
