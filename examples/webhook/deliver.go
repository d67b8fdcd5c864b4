package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/stagehouse/stagehouse/sdk"
)

const (
	stateName  = "delivered.json"
	laneDepth  = 64               // events that wait for one lane
	again      = time.Second      // before the log is read again after an error
	finishTime = 3 * time.Second  // that a request under way gets when the extension is to end
	mostAfter  = 24 * time.Hour   // of a Retry-After
	saveAgain  = 30 * time.Second // after the state could not be saved
)

// delivery delivers the log of events.
type delivery struct {
	host   *sdk.Host
	begin  sdk.Cursor // where to begin if nothing was delivered before
	client client
	lanes  int
	now    atomic.Pointer[settings] // may become others at any time

	burying sync.Mutex // of the file of dead letters

	delivered, failed, dead atomic.Int64 // events, attempts, events
	waiting                 atomic.Int64 // events that were read and are neither

	mu   sync.Mutex
	hold time.Time // nothing is posted before, because the endpoint has asked for it
}

// settings are what a block says.
type settings struct {
	*webhook
	key      []byte
	replaced chan struct{} // closed when others count
}

// use has a block count from now on.
func (d *delivery) use(x *webhook) error {
	key, err := parseSecret(x.Secret)
	if err != nil {
		return err
	}
	if before := d.now.Swap(&settings{webhook: x, key: key, replaced: make(chan struct{})}); before != nil {
		close(before.replaced)
	}
	return nil
}

// run delivers until ctx ends. Then what is under way is finished, and the place in the log is saved.
func (d *delivery) run(ctx context.Context) error {
	defer d.client.CloseIdleConnections()
	from := d.begin
	found, err := d.host.State.Load(stateName, &from)
	if err != nil {
		return err
	}
	if !found {
		if err := d.host.State.Save(stateName, from); err != nil {
			return err
		}
	}
	p := newProgress(from)
	lanes := make([]chan *place, d.lanes)
	var working sync.WaitGroup
	for i := range lanes {
		lanes[i] = make(chan *place, laneDepth)
		working.Go(func() { d.work(ctx, lanes[i], p) })
	}
	var saving sync.WaitGroup
	saving.Go(func() { d.save(ctx, p) })
	d.read(ctx, p, lanes)
	working.Wait()
	saving.Wait()
	return d.host.State.Save(stateName, p.upTo())
}

// read gives the events of the log to the lanes, until ctx ends: all of one agent to the same lane, so that they stay in order.
func (d *delivery) read(ctx context.Context, p *progress, lanes []chan *place) {
	turns := map[string]int{} // agent → its lane; agents take turns
	for ctx.Err() == nil {
		// The types are chosen here and not by the host, so that the place in the log goes on where nothing is wanted.
		query := sdk.EventQuery{Since: p.read()}
		for e, err := range d.host.Events.Subscribe(d.host.Self(ctx, sdk.ScopeAdmin), query) {
			if err != nil {
				if ctx.Err() == nil {
					d.host.Log.Warn("read the log of events; trying again", "error", err.Error())
				}
				break
			}
			if !d.now.Load().wants(e) {
				p.skip(e.Cursor)
				continue
			}
			lane, known := turns[e.AgentID]
			if !known {
				lane = len(turns) % len(lanes)
				turns[e.AgentID] = lane
			}
			d.waiting.Add(1)
			select {
			case lanes[lane] <- p.add(e):
			case <-ctx.Done():
			}
		}
		sleep(ctx, again)
	}
}

// work delivers what comes, in order, until ctx ends.
func (d *delivery) work(ctx context.Context, lane <-chan *place, p *progress) {
	for {
		select {
		case at := <-lane:
			if !d.deliver(ctx, at.event) {
				return // and nothing that follows is delivered before it
			}
			d.waiting.Add(-1)
			p.done(at)
		case <-ctx.Done():
			return
		}
	}
}

// deliver posts an event until that has worked or it is a dead letter, and reports whether one of both has come to be.
func (d *delivery) deliver(ctx context.Context, e sdk.Event) bool {
	body, err := json.Marshal(e)
	if err != nil { // its payload is no object, which the contract rules out; that it happened is told all the same
		body = fmt.Appendf(nil, `{"type":%q,"id":%q}`, e.Type, e.Cursor)
	}
	var now *settings
	var pauses *backoff.ExponentialBackOff
	for attempt := 1; ; attempt++ {
		if !d.await(ctx) {
			return false
		}
		if latest := d.now.Load(); latest != now {
			now, pauses = latest, latest.pauses()
		}
		after, err := d.post(ctx, now, webhookID(e), body)
		switch {
		case err == nil:
			d.delivered.Add(1)
			return true
		case ctx.Err() != nil:
			return false // the next generation delivers it
		case attempt >= now.MaxAttempts:
			if err = d.bury(e, body, attempt, err); err == nil {
				d.failed.Add(1)
				d.dead.Add(1)
				return true
			}
		}
		d.failed.Add(1)
		pause := pauses.NextBackOff()
		d.wait(after)
		d.host.Log.Warn("deliver an event; trying again", "event", e.Cursor.String(), "attempt", attempt,
			"pause", max(pause, after).Round(time.Millisecond).String(), "error", err.Error())
		if !now.sleep(ctx, pause) {
			return false
		}
	}
}

// sleep waits, but no longer than the settings count, and reports whether ctx still holds.
func (s *settings) sleep(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.replaced:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

func (x *webhook) pauses() *backoff.ExponentialBackOff {
	return &backoff.ExponentialBackOff{
		InitialInterval: time.Duration(x.RetryMinMs) * time.Millisecond, MaxInterval: time.Duration(x.RetryMaxMs) * time.Millisecond,
		Multiplier: 2, RandomizationFactor: backoff.DefaultRandomizationFactor,
	}
}

// webhookID returns what an event is called, however often it is delivered. A gap has the cursor of another event.
func webhookID(e sdk.Event) string {
	if e.Type == sdk.EventGap {
		return "gap-" + e.Cursor.String()
	}
	return e.Cursor.String()
}

// wait has nobody post anything for that long.
func (d *delivery) wait(after time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if until := time.Now().Add(after); until.After(d.hold) {
		d.hold = until
	}
}

// await waits until something may be posted, and reports whether that came to be before ctx ended.
func (d *delivery) await(ctx context.Context) bool {
	d.mu.Lock()
	until := d.hold
	d.mu.Unlock()
	return sleep(ctx, time.Until(until))
}

// sleep waits, and reports whether ctx still holds.
func sleep(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// save keeps the state up with p until ctx ends.
func (d *delivery) save(ctx context.Context, p *progress) {
	for {
		select {
		case <-p.changed:
		case <-ctx.Done():
			return
		}
		if err := d.host.State.Save(stateName, p.upTo()); err != nil {
			d.host.Log.Error("save what was delivered; after a restart it would be delivered again", "error", err.Error())
			sleep(ctx, saveAgain)
			p.tell()
		}
	}
}
