package handover

import "sync"

// mostArrivals is how many sessions are taken up at a time. They are thousands at once where there are thousands, and a
// goroutine for each would first of all have to grow its stack.
const mostArrivals = 8

// arrivals are the sessions that have moved and are to be taken up, in the order in which they came.
type arrivals struct {
	mu      sync.Mutex
	waiting []func()
	working int // goroutines
}

// add has f called, in a goroutine of running.
func (a *arrivals) add(running *sync.WaitGroup, f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting = append(a.waiting, f)
	if a.working < mostArrivals {
		a.working++
		running.Go(a.work)
	}
}

func (a *arrivals) work() {
	for f := a.next(); f != nil; f = a.next() {
		f()
	}
}

// next returns what is to be called next, or nil for a goroutine that is not needed any more.
func (a *arrivals) next() func() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.waiting) == 0 {
		a.working--
		return nil
	}
	f := a.waiting[0]
	a.waiting[0] = nil
	a.waiting = a.waiting[1:]
	return f
}
