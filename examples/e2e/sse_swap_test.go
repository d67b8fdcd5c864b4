//go:build linux

package e2e

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/schema"
)

// TestStreamSurvivesSwaps replaces the API process under streams again and again: a stream ends at once, so that it holds
// no swap up, and goes on at the next generation without loss.
func TestStreamSurvivesSwaps(t *testing.T) {
	m, services, api := managed(t)
	s := &server{t: t, base: "http://" + m.Status()[0].Listeners[0]}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := newClient(t)
	c.Timeout = 0
	x := &stream{s: s, query: "?events=updated&agents=nyx"}
	if err := x.open(ctx, c); err != nil {
		t.Fatal(err)
	}
	const swaps, each = 5, 20
	admin := schema.WithCaller(ctx, schema.Caller{Principal: "root", Scopes: []schema.Scope{schema.ScopeAdmin}})
	var writing sync.WaitGroup
	defer writing.Wait()
	lead := make(chan struct{}, each/2)
	writing.Go(func() {
		for n := range swaps * each {
			select {
			case lead <- struct{}{}:
			case <-ctx.Done():
				return
			}
			if _, err := services.Agents.Update(admin, "nyx", schema.AgentPatch{Metadata: schema.Set(schema.Object{"n": n})}); err != nil {
				t.Error(err)
				cancel()
				return
			}
		}
	})
	revision := 0.0
	for n := range swaps * each {
		f, err := x.next()
		for err != nil { // the swap has ended it
			x.resp.Body.Close()
			if err = x.open(ctx, c); err != nil {
				t.Fatalf("open a stream again: %v", err)
			}
			f, err = x.next()
		}
		if got := f["revision"].(float64); f.str("type") != "agent:updated" || n > 0 && got != revision+1 {
			t.Fatalf("behind revision %v came %v", revision, f)
		}
		revision = f["revision"].(float64)
		<-lead
		if n%each != each/2 {
			continue
		}
		old := m.Status()[0].PID
		if err := m.Reload(ctx, api); err != nil {
			t.Fatal(err)
		}
		begin := time.Now() // how long a process takes to start is up to the machine
		eventually(t, "the old generation to be gone", func() error { return gone(old) })
		if took := time.Since(begin); took > plugin.DefaultDrainTimeout/2 {
			t.Errorf("the drain took %v: the stream has held it up", took)
		}
	}
	x.resp.Body.Close()
	if a, err := s.try(newClient(t), "", http.MethodGet, "/api/events", nil); err != nil || a.StatusCode != http.StatusOK {
		t.Errorf("GET /api/events = %v, %v", a.Response, err)
	}
}
