package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// load is everything that goes on while servers come and go.
type load struct {
	host   *host
	cancel context.CancelFunc
	over   atomic.Bool
	all    sync.WaitGroup

	number                                   atomic.Int64
	requests, refused, failed, closedSockets atomic.Int64
	events, lostEvents, doubledEvents, turns atomic.Int64
	said, unsaid                             atomic.Int64 // by the client library: messages with a memory each, and calls that failed
	longest                                  atomic.Int64 // of a request, in nanoseconds; of the phase
	tolerant                                 atomic.Bool  // failures are counted and not told of

	others []*other

	mu       sync.Mutex
	memories map[string]string // acknowledged, by id
	messages map[string]string // acknowledged, with their conversation
}

func newLoad(h *host) *load {
	return &load{host: h, memories: map[string]string{}, messages: map[string]string{}}
}

func (l *load) keep(f func(*load)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(l)
}

func (l *load) took(d time.Duration) {
	l.requests.Add(1)
	for {
		was := l.longest.Load()
		if int64(d) <= was || l.longest.CompareAndSwap(was, int64(d)) {
			return
		}
	}
}

func (l *load) ending() bool { return l.over.Load() }

// begin starts the clients. The sockets are shared out among raw ones, the client library, and clients in other languages.
func (l *load) begin(ctx context.Context, sockets int, others []string) error {
	ctx, l.cancel = context.WithCancel(ctx)
	for range 2 {
		kept, keptPost, once, oncePost := l.client(false), l.client(false), l.client(false), l.client(false)
		l.again(kept.get, kept)
		l.again(keptPost.post, keptPost)
		l.again(func() error { defer once.close(); return once.get() }, nil)
		l.again(func() error { defer oncePost.close(); return oncePost.post() }, nil)
		slow := l.client(true)
		l.again(slow.post, slow)
	}
	writer := l.client(false)
	l.again(func() error { time.Sleep(5 * time.Millisecond); return writer.touch() }, writer)
	share := sockets / (2 + len(others))
	for range share {
		l.all.Go(func() {
			if err := l.library(ctx); err != nil && !l.ending() && ctx.Err() == nil {
				l.failure("the client library gave up", err)
			}
		})
	}
	for range sockets - share*(1+len(others)) {
		s := &socket{load: l}
		l.reconnect(ctx, func() error { return s.follow(ctx) })
	}
	for i := range 4 {
		s := &socket{load: l}
		l.reconnect(ctx, func() error { return s.talk(ctx, fmt.Sprintf("swap-%d", i)) })
	}
	for i := range 2 {
		l.all.Go(func() {
			if err := l.says(ctx, fmt.Sprintf("swap-go-%d", i)); err != nil {
				l.failure("the client library cannot begin", err)
			}
		})
	}
	for _, language := range others {
		o, err := startOther(ctx, l.host, language, share)
		if err != nil {
			return err
		}
		l.others = append(l.others, o)
	}
	return nil
}

func (l *load) client(slow bool) *strict { return &strict{load: l, slow: slow} }

// again repeats f until the end, and closes s then.
func (l *load) again(f func() error, s *strict) {
	l.all.Go(func() {
		if s != nil {
			defer s.close()
		}
		for !l.ending() {
			if err := f(); err != nil {
				l.failure("a request failed", err)
				time.Sleep(20 * time.Millisecond)
			}
		}
	})
}

// reconnect repeats f, which returns when a socket is closed.
func (l *load) reconnect(ctx context.Context, f func() error) {
	l.all.Go(func() {
		for !l.ending() {
			err := f()
			if l.ending() || ctx.Err() != nil {
				return
			}
			l.closedSockets.Add(1)
			l.tell("a socket closed", err)
			time.Sleep(50 * time.Millisecond)
		}
	})
}

func (l *load) failure(what string, err error) {
	l.failed.Add(1)
	l.tell(what, err)
}

func (l *load) tell(what string, err error) {
	if !l.tolerant.Load() && !l.ending() {
		l.alarm(what, err)
	}
}

// alarm tells of what may never happen.
func (l *load) alarm(what string, err error) { fmt.Fprintf(os.Stderr, "%s: %v\n", what, err) }

// end stops the clients and waits for them.
func (l *load) end() error {
	var err error
	if !l.over.Swap(true) {
		time.AfterFunc(2*time.Second, l.cancel) // turns in flight may finish
		for _, o := range l.others {
			said, failed := o.end()
			l.keep(func(l *load) { maps.Copy(l.messages, said) })
			err = errors.Join(err, failed)
		}
	}
	l.all.Wait()
	l.cancel()
	return err
}

// settle waits until everything has happened a little.
func (l *load) settle(ctx context.Context) error {
	requests, events, turns, said := l.requests.Load(), l.events.Load(), l.turns.Load(), l.said.Load()
	err := poll(ctx, "traffic of every kind", func() error {
		if l.requests.Load() < requests+50 || l.events.Load() < events+200 || l.turns.Load() < turns+2 || l.said.Load() < said+2 {
			return fmt.Errorf("%d requests, %d events, %d turns, %d messages of the library",
				l.requests.Load()-requests, l.events.Load()-events, l.turns.Load()-turns, l.said.Load()-said)
		}
		return nil
	})
	for _, o := range l.others {
		err = errors.Join(err, o.settle(ctx))
	}
	return err
}

// phase is what the clients saw while one thing was done again and again.
type phase struct {
	name                                                     string
	times                                                    []time.Duration
	requests, refused, failed, closed, events, lost, doubled int64
	turns, said, unsaid                                      int64
	longest                                                  time.Duration
	sizes                                                    []sizes // after each
}

// phase does something n times, with traffic of every kind in between, and counts.
func (l *load) phase(ctx context.Context, name string, n int, do func(context.Context) (time.Duration, error)) (phase, error) {
	l.tolerant.Store(name != "swaps")
	p := phase{name: name}
	begin, err := l.counts()
	if err != nil {
		return p, err
	}
	l.longest.Store(0)
	for range n {
		took, err := do(ctx)
		if err == nil {
			err = l.settle(ctx)
		}
		if err != nil {
			return p, fmt.Errorf("%s: %w", name, err)
		}
		p.times = append(p.times, took)
		if p.sizes, err = l.host.measure(ctx, p.sizes); err != nil {
			return p, fmt.Errorf("%s: %w", name, err)
		}
	}
	end, err := l.counts()
	if err != nil {
		return p, err
	}
	slices.Sort(p.times)
	p.longest = time.Duration(l.longest.Load())
	for i, into := range []*int64{&p.requests, &p.refused, &p.failed, &p.closed, &p.events, &p.lost, &p.doubled, &p.turns, &p.said, &p.unsaid} {
		*into = end[i] - begin[i]
	}
	return p, nil
}

func (l *load) counts() (out [10]int64, err error) {
	for i, c := range []*atomic.Int64{
		&l.requests, &l.refused, &l.failed, &l.closedSockets, &l.events, &l.lostEvents, &l.doubledEvents, &l.turns, &l.said, &l.unsaid,
	} {
		out[i] = c.Load()
	}
	for _, o := range l.others {
		t, err := o.tally()
		if err != nil {
			return out, err
		}
		out[3], out[4], out[5], out[6] = out[3]+t.Closed, out[4]+t.Events, out[5]+t.Lost, out[6]+t.Doubled
		out[8], out[9] = out[8]+t.Said, out[9]+t.Unsaid
	}
	return out, nil
}

// losses are acknowledged things that are not there, or are there twice, in the end.
type losses struct {
	memories, messages         int
	lostMemories, lostMessages int
	doubledMessages            int
}

// audit looks for everything that was acknowledged.
func (l *load) audit(ctx context.Context) (losses, error) {
	client := &strict{load: l}
	defer client.close()
	out := losses{memories: len(l.memories), messages: len(l.messages)}
	for id, content := range l.memories {
		if b, err := client.ask(http.MethodGet, "/api/agents/aria/memories/"+id, ""); err != nil || !contains(b, content) {
			out.lostMemories++
		}
		if ctx.Err() != nil {
			return out, ctx.Err()
		}
	}
	there := map[string]int{}
	for _, conversation := range slices.Compact(slices.Sorted(maps.Values(l.messages))) {
		if err := l.read(client, conversation, there); err != nil {
			return out, err
		}
	}
	for text := range l.messages {
		switch n := there[text]; {
		case n == 0:
			out.lostMessages++
		case n > 1:
			out.doubledMessages++
		}
	}
	return out, nil
}

func contains(b []byte, content string) bool {
	var item struct{ Content string }
	return json.Unmarshal(b, &item) == nil && item.Content == content
}

// read counts the messages of a conversation.
func (l *load) read(client *strict, conversation string, there map[string]int) error {
	cursor := ""
	for {
		b, err := client.ask(http.MethodGet, "/api/chat/conversations/"+conversation+"?limit=200&cursor="+cursor, "")
		if err != nil {
			return err
		}
		var page struct {
			Messages   []struct{ Role, Content string }
			NextCursor string
		}
		if err := json.Unmarshal(b, &page); err != nil {
			return err
		}
		for _, m := range page.Messages {
			if m.Role == "user" {
				there[m.Content]++
			}
		}
		if cursor = page.NextCursor; cursor == "" {
			return nil
		}
	}
}
