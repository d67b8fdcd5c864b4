package main

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	schedules "github.com/robfig/cron/v3"

	"github.com/stagehouse/stagehouse/sdk"
)

const (
	stateName  = "done.json"
	lookAgain  = time.Minute // at the clock, which may be set, or stand still while a computer sleeps
	late       = time.Minute // after which a time has been missed
	mostMissed = 1000        // times that are made up for, the last ones
	retryMin   = time.Second
	retryMax   = time.Minute
)

// done says what was last said of a job, and by which schedule.
type done struct {
	Schedule string    `json:"schedule"`
	Last     time.Time `json:"last"`
}

// keeper keeps time.
type keeper struct {
	*cron
	host  *sdk.Host
	begin time.Time // when the extension was started

	mu   sync.Mutex
	done map[string]done // by job
}

// run says what is to be said until ctx ends.
func (k *keeper) run(ctx context.Context) error {
	k.done = map[string]done{}
	if _, err := k.host.State.Load(stateName, &k.done); err != nil {
		return err
	}
	var jobs sync.WaitGroup
	for _, j := range k.Jobs {
		s, err := k.schedule(j)
		if err != nil {
			return err // which Validate has ruled out
		}
		last := k.place(j)
		k.save(j, last) // so that what comes before the first time counts, too
		jobs.Go(func() { k.keep(ctx, j, s, last) })
	}
	jobs.Wait()
	return nil
}

// place returns up to when a job is done: a new one, or one with another schedule, begins now.
func (k *keeper) place(j job) time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	if d, ok := k.done[j.Name]; ok && d.Schedule == k.written(j) {
		return d.Last
	}
	return k.begin
}

func (k *keeper) written(j job) string { return k.zone(j) + " " + j.Schedule }

// keep has a job done at its times, which come after last.
func (k *keeper) keep(ctx context.Context, j job, s schedules.Schedule, last time.Time) {
	for {
		for _, tick := range due(s, last, time.Now(), j.Missed) {
			if !k.say(ctx, j, tick, s.Next(tick)) {
				return
			}
			last = tick
			k.save(j, last)
		}
		if next := s.Next(last); next.IsZero() { // the thirtieth of February, say
			k.host.Log.Warn("there is no such time", "job", j.Name, "schedule", j.Schedule)
			<-ctx.Done()
			return
		} else if !sleep(ctx, min(time.Until(next), lookAgain)) {
			return
		}
	}
}

// due returns the times after last that have come, as far as those that were missed are made up for. The last one is always
// among them: it is the place from which to go on.
func due(s schedules.Schedule, last, now time.Time, policy missed) []time.Time {
	var ticks []time.Time
	for t := s.Next(last); !t.IsZero() && !t.After(now); t = s.Next(t) {
		if ticks = append(ticks, t); len(ticks) > mostMissed {
			ticks = ticks[1:]
		}
	}
	if n := len(ticks); n > 0 && policy != missedAll {
		ticks = ticks[n-1:]
	}
	return ticks
}

// say says what a job has to say at a time, once however often it is tried, until next, when the next thing is to be said. It returns
// false if ctx has ended before that was decided.
func (k *keeper) say(ctx context.Context, j job, tick, next time.Time) bool {
	log := k.host.Log.With("job", j.Name, "time", tick.Format(time.RFC3339))
	if j.Missed == missedSkip && time.Since(tick) > late {
		log.Info("the time has passed, and is not made up for")
		return true
	}
	pauses := backoff.ExponentialBackOff{
		InitialInterval: retryMin, MaxInterval: retryMax, Multiplier: 2, RandomizationFactor: backoff.DefaultRandomizationFactor,
	}
	for {
		err := k.send(ctx, j, tick)
		switch code := sdk.CodeOf(err); {
		case err == nil:
			return true
		case code == sdk.CodeAlreadyExists:
			return true // it was said before, by a process that did not live to keep that
		case ctx.Err() != nil:
			return false
		case !code.Retryable() && code != sdk.CodeAgentNotRunning:
			log.Error("what was to be said is refused, and not tried again", "agent", j.Agent, "error", err.Error())
			return true
		case j.Missed != missedAll && !next.IsZero() && time.Now().After(next):
			log.Error("what was to be said could not be said before it is time for the next", "agent", j.Agent, "error", err.Error())
			return true
		default:
			pause := pauses.NextBackOff()
			log.Warn("what was to be said could not be said; trying again", "agent", j.Agent, "pause", pause.String(), "error", err.Error())
			if !sleep(ctx, pause) {
				return false
			}
		}
	}
}

// send begins a turn, and leaves it to its agent. The id of its run is that of the job and the time, so that there is one of it.
func (k *keeper) send(ctx context.Context, j job, tick time.Time) error {
	r := sdk.SendRequest{
		RunID: runID(k.host.Name, j.Name, tick), AgentID: j.Agent, ConversationID: cmp.Or(j.Conversation, "cron-"+j.Name),
		Message: j.Prompt, Context: sdk.Object{"job": j.Name, "time": tick.UTC().Format(time.RFC3339)},
	}
	for e, err := range k.host.Chat.Send(k.host.Self(ctx, sdk.ScopeChat), r) {
		if err != nil || e.Accepted != nil {
			return err
		}
	}
	return nil
}

func (k *keeper) save(j job, last time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.done[j.Name] = done{Schedule: k.written(j), Last: last}
	if err := k.host.State.Save(stateName, k.done); err != nil {
		k.host.Log.Error("save what was said; after a restart it is tried again, and refused as a double", "job", j.Name, "error", err.Error())
	}
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
