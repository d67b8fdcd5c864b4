package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk/client"
)

// lostConnections counts what the client library logs: connections that it has lost, and gaps.
type lostConnections struct {
	slog.Handler
	load *load
}

func (h lostConnections) Handle(_ context.Context, r slog.Record) error {
	switch {
	case h.load.ending():
	case r.Level >= slog.LevelWarn:
		h.load.lostEvents.Add(1)
	default:
		h.load.closedSockets.Add(1)
	}
	return nil
}

// library follows the changes of an agent with the client library, which comes again by itself. Each change, of its state too, has the next
// revision, which is how it can be seen that nothing is lost and nothing comes twice.
func (l *load) library(ctx context.Context) error {
	c, err := client.New("http://"+l.host.address, client.WithToken(l.host.token), client.WithBackoff(50*time.Millisecond, 200*time.Millisecond),
		client.WithLogger(slog.New(lostConnections{slog.DiscardHandler, l})))
	if err != nil {
		return err
	}
	defer c.Close()
	events, err := c.Events(ctx, client.Filter{Agents: []string{"nyx"}, Events: []schema.EventType{schema.EventUpdated, schema.EventStatus}})
	if err != nil {
		return err
	}
	defer events.Close()
	last := int64(0)
	for e, err := range events.All(ctx) {
		if err != nil {
			return err
		}
		if e.Type == schema.EventGap {
			continue // it is logged
		}
		var now schema.Updated // of a StatusChange, too
		if err := json.Unmarshal(e.Payload, &now); err != nil {
			return fmt.Errorf("read event %s: %w", e.Cursor, err)
		}
		switch {
		case last != 0 && now.Revision <= last:
			l.doubledEvents.Add(1)
		case last != 0 && now.Revision != last+1:
			l.lostEvents.Add(1)
		}
		last = now.Revision
		l.events.Add(1)
	}
	return nil
}
