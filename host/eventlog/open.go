package eventlog

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/stagehouse/stagehouse/host/fault"
	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// DefaultRetainEvents is how many events are kept for replay unless somebody says otherwise.
const DefaultRetainEvents = 1_000_000

// retention is what is kept for replay.
type retention struct {
	events int
	age    time.Duration // 0 = no event is too old
	now    func() time.Time
	log    *slog.Logger
}

// WithRetention bounds what Open keeps for replay: the newest events, a few more at times, and how old one may be, to within a
// tenth; 0 = as old as it likes. Default: DefaultRetainEvents, and no age.
func WithRetention(events int, age time.Duration) Option {
	return func(l *Log) { l.retention.events, l.retention.age = events, age }
}

// WithClock has Open tell by now how old an event is. Default: time.Now.
func WithClock(now func() time.Time) Option { return func(l *Log) { l.retention.now = now } }

// WithLogger has Open say in log what of the store fails. Default: nowhere.
func WithLogger(log *slog.Logger) Option { return func(l *Log) { l.retention.log = log } }

// Open returns the log of a store, from which it deletes what shall not be retained. It follows the store (see
// store.Store.Follow), so that whoever commits an event need not publish it. It is opened before the first Update, and closed
// before the store.
func Open(ctx context.Context, s store.Store, opts ...Option) (*Log, error) {
	at := State{Epoch: s.Epoch()}
	err := s.View(ctx, func(r store.Reader) (err error) {
		at.First, at.Last, err = r.EventBounds()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the bounds of the event log: %w", err)
	}
	l := New(nil, at, opts...)
	l.store = StoreFunc(func(ctx context.Context, after uint64, limit int) (page []schema.Event, err error) {
		err = s.View(ctx, func(r store.Reader) error {
			page, err = r.Events(after, limit)
			return err
		})
		return page, fault.Of(l.retention.log, "read events", err)
	})
	l.evictor = newEvictor(s, l, at, l.retention)
	s.Follow(func(events []schema.Event) {
		l.Publish(events)
		l.evictor.grown(events[len(events)-1].Cursor.Seq)
	})
	return l, nil
}
