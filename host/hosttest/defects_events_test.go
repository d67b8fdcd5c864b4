package hosttest_test

import (
	"context"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

func inMemory() map[string]service {
	store := func(change func(n *schema.NewMemory)) func(*broken, schema.Services) {
		return func(b *broken, s schema.Services) {
			b.memory.store = func(ctx context.Context, n schema.NewMemory) (schema.MemoryItem, error) {
				change(&n)
				return s.Memory.Store(ctx, n)
			}
		}
	}
	search := func(change func(q *schema.MemoryQuery, hits []schema.MemoryHit) []schema.MemoryHit) func(*broken, schema.Services) {
		return func(b *broken, s schema.Services) {
			b.memory.search = func(ctx context.Context, q schema.MemoryQuery) ([]schema.MemoryHit, error) {
				change(&q, nil)
				hits, err := s.Memory.Search(ctx, q)
				return change(new(schema.MemoryQuery), hits), err
			}
		}
	}
	return map[string]service{
		"memories are trimmed":  {"memory/store-keeps-content", store(func(n *schema.NewMemory) { n.Content = strings.TrimSpace(n.Content) })},
		"metadata is forgotten": {"memory/store-get-search-delete", store(func(n *schema.NewMemory) { n.Metadata = nil })},
		"tags are forgotten":    {"memory/store-tags-importance-expiry memory/search-filters", store(func(n *schema.NewMemory) { n.Tags = nil })},
		"nothing expires":       {"memory/store-already-expired memory/store-tags-importance-expiry", store(func(n *schema.NewMemory) { n.ExpiresAt = nil })},
		"all matters as much":   {"memory/search-importance-weighs", store(func(n *schema.NewMemory) { n.Importance = nil })},
		"nothing is shared":     {"memory/shared", store(func(n *schema.NewMemory) { n.Shared = false })},
		"the worst hit is first": {
			"memory/search-orders memory/search-without-text memory/search-importance-weighs",
			search(func(_ *schema.MemoryQuery, hits []schema.MemoryHit) []schema.MemoryHit {
				slices.Reverse(hits)
				return hits
			}),
		},
		"the limit of a search is ignored": {
			"memory/search-limits", search(func(q *schema.MemoryQuery, hits []schema.MemoryHit) []schema.MemoryHit { q.Limit = 100; return hits }),
		},
		"filters of a search are ignored": {
			"memory/search-filters memory/get-of-another-agent",
			search(func(q *schema.MemoryQuery, hits []schema.MemoryHit) []schema.MemoryHit {
				if q.Text != "" {
					*q = schema.MemoryQuery{Text: q.Text}
				}
				return hits
			}),
		},
		"what is new is found later": {
			"memory/store-is-found-at-once",
			search(func(_ *schema.MemoryQuery, hits []schema.MemoryHit) []schema.MemoryHit {
				return slices.DeleteFunc(hits, func(h schema.MemoryHit) bool { return time.Since(h.Memory.CreatedAt) < time.Second })
			}),
		},
		"a minus excludes": {
			"memory/search-finds-among-operators",
			search(func(q *schema.MemoryQuery, hits []schema.MemoryHit) []schema.MemoryHit {
				q.Text = strings.ReplaceAll(q.Text, "-ocelot", "-")
				return hits
			}),
		},
		"letters are ASCII": {
			"memory/search-unicode",
			search(func(q *schema.MemoryQuery, hits []schema.MemoryHit) []schema.MemoryHit {
				q.Text = strings.Map(func(r rune) rune {
					if r > 0x7f {
						return 'x'
					}
					return r
				}, q.Text)
				return hits
			}),
		},
		"quotes are syntax": {"memory/search-text-is-no-syntax memory/search-finds-among-operators", func(b *broken, s schema.Services) {
			b.memory.search = func(ctx context.Context, q schema.MemoryQuery) ([]schema.MemoryHit, error) {
				if strings.Contains(q.Text, `"`) {
					return nil, schema.Errorf(schema.CodeInternal, "unterminated string")
				}
				return s.Memory.Search(ctx, q)
			}
		}},
		"something is always found": {"memory/search-nothing", func(b *broken, s schema.Services) {
			b.memory.search = func(ctx context.Context, q schema.MemoryQuery) ([]schema.MemoryHit, error) {
				hits, err := s.Memory.Search(ctx, q)
				if len(hits) == 0 {
					hits = []schema.MemoryHit{{Score: 1}}
				}
				return hits, err
			}
		}},
	}
}

// asking returns what asks the log for something else, and telling what keeps events back.
func asking(change func(q *schema.EventQuery)) func(*broken, schema.Services) {
	return func(b *broken, s schema.Services) {
		b.events.subscribe = func(ctx context.Context, q schema.EventQuery) iter.Seq2[schema.Event, error] {
			change(&q)
			return s.Events.Subscribe(ctx, q)
		}
	}
}

func telling(tell func(e schema.Event) bool) func(*broken, schema.Services) {
	return func(b *broken, s schema.Services) {
		b.events.subscribe = func(ctx context.Context, q schema.EventQuery) iter.Seq2[schema.Event, error] {
			return func(yield func(schema.Event, error) bool) {
				for e, err := range s.Events.Subscribe(ctx, q) {
					if (err != nil || tell(e)) && !yield(e, err) {
						return
					}
				}
			}
		}
	}
}

func inEvents() map[string]service {
	without := func(types ...schema.EventType) func(*broken, schema.Services) {
		return telling(func(e schema.Event) bool { return !slices.Contains(types, e.Type) })
	}
	return map[string]service{
		"the head stands still": {"events/head", func(b *broken, s schema.Services) {
			once := sync.OnceValues(func() (schema.Cursor, error) { return s.Events.Head(context.Background()) })
			b.events.head = func(context.Context) (schema.Cursor, error) { return once() }
		}},
		"creation is not told":  {"agents/create-delete-events", without(schema.EventCreated)},
		"the start is not told": {"events/follow events/many-at-once", without(schema.EventStarted)},
		"thoughts are not told": {"events/thoughts-and-emotions events/follow", without(schema.EventThought)},
		"states are not told":   {"events/status-and-updates", without(schema.EventStatus)},
		"gaps are not told":     {"events/other-epoch-yields-a-gap events/stretches-end", without(schema.EventGap)},
		"the last event seen comes again": {"events/replay-from-anywhere events/resume-while-it-happens", asking(func(q *schema.EventQuery) {
			if q.Since.Seq > 1 {
				q.Since.Seq--
			}
		})},
		"a subscription does not end":  {"events/stretches-end", asking(func(q *schema.EventQuery) { q.Until = schema.Cursor{} })},
		"events are about every agent": {"events/filters", asking(func(q *schema.EventQuery) { q.Agents = nil })},
		"now is the beginning": {"events/follow-from-now", func(b *broken, s schema.Services) {
			b.events.subscribe = func(ctx context.Context, q schema.EventQuery) iter.Seq2[schema.Event, error] {
				if q.Since == (schema.Cursor{}) {
					head, _ := s.Events.Head(ctx)
					q.Since = schema.Cursor{Epoch: head.Epoch}
				}
				return s.Events.Subscribe(ctx, q)
			}
		}},
		"a subscription ends without a word": {"events/cancelled-context", func(b *broken, s schema.Services) {
			b.events.subscribe = func(ctx context.Context, q schema.EventQuery) iter.Seq2[schema.Event, error] {
				return func(yield func(schema.Event, error) bool) {
					for e, err := range s.Events.Subscribe(ctx, q) {
						if err != nil || !yield(e, nil) {
							return
						}
					}
				}
			}
		}},
		"a slow reader misses something": {"events/slow-reader-is-told", dropping},
	}
}

// dropping keeps a few events for a reader that is slow, and drops the others.
func dropping(b *broken, s schema.Services) {
	b.events.subscribe = func(ctx context.Context, q schema.EventQuery) iter.Seq2[schema.Event, error] {
		return func(yield func(schema.Event, error) bool) {
			ctx, cancel := context.WithCancel(ctx)
			kept := make(chan schema.Event, 16)
			var reading sync.WaitGroup
			reading.Go(func() {
				defer close(kept)
				for e, err := range s.Events.Subscribe(ctx, q) {
					if err != nil {
						return
					}
					select {
					case kept <- e:
					default:
					}
				}
			})
			defer reading.Wait()
			defer cancel()
			for e := range kept {
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}
