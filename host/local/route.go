package local

import (
	"context"

	"github.com/stagehouse/stagehouse/host/fault"
	"github.com/stagehouse/stagehouse/host/routing"
	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

const (
	routedMemories = 20     // memories that are looked at to find out who should answer
	maxAgents      = 10_000 // agents that are routed among
)

// route scores the running agents as package routing documents it.
func (r *Runtime) route(ctx context.Context, q schema.RouteRequest) (schema.RouteDecision, error) {
	memories, err := r.routedMemories(ctx, q.Message)
	if err != nil {
		return schema.RouteDecision{}, fault.Of(r.log, "route message", err)
	}
	all := r.registry.after("", maxAgents, r.now(), func(*schema.Agent) bool { return true })
	return routing.Route(q, all, r.chat.Unfinished, memories)
}

// routedMemories returns what each agent remembers that has to do with the message, as far as the caller may see it.
func (r *Runtime) routedMemories(ctx context.Context, message string) (map[string][]string, error) {
	byAgent := map[string][]string{}
	err := r.store.View(ctx, func(rd store.Reader) error {
		hits, err := rd.SearchMemories(store.MemoryQuery{Viewer: fault.Viewer(ctx), Text: message, Limit: routedMemories, Now: r.now()})
		for _, h := range hits {
			byAgent[h.Memory.AgentID] = append(byAgent[h.Memory.AgentID], h.Memory.Content)
		}
		return err
	})
	return byAgent, err
}
