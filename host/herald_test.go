package host_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/host"
	"github.com/stagehouse/stagehouse/host/config"
	"github.com/stagehouse/stagehouse/plugin/plugintest"
	"github.com/stagehouse/stagehouse/schema"
)

// hangs is a runtime that takes no event until it is told to, or nobody waits any more.
type hangs struct {
	nothing
	told   chan schema.Event
	answer chan struct{}
}

func (h hangs) Publish(ctx context.Context, e schema.Event) error {
	h.told <- e
	select {
	case <-h.answer:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TestARuntimeThatHangsHoldsUpNoReload: neither a reload, nor, longer than it may take, the end of the host.
func TestARuntimeThatHangsHoldsUpNoReload(t *testing.T) {
	rt := hangs{told: make(chan schema.Event, 10), answer: make(chan struct{})}
	data, err := host.OpenDataDir(shortDir(t))
	if err != nil {
		t.Fatal(err)
	}
	h := host.New(&config.Config{Extensions: []config.Extension{scripted(t, "a", plugintest.Good)}}, data, rt)
	if err := h.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := h.Reload(t.Context(), "a"); err != nil {
			t.Error(err)
		}
	}
	var got schema.Reloaded
	if e := <-rt.told; e.Type != schema.EventReloaded || json.Unmarshal(e.Payload, &got) != nil || got != (schema.Reloaded{Extension: "a", Generation: 2, Previous: 1}) {
		t.Errorf("the runtime is told %+v", e)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := h.Close(ctx); err != nil {
		t.Error(err)
	}
}
