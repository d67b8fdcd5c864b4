package local

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/host/local/mood"
	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// registry is what reads see of the agents: the committed state, and the brains of those that run. It is changed in the
// commit hooks of the store only, but for what is under way, so whoever has seen an event, or had an answer, sees the state that it tells of.
type registry struct {
	mu     sync.RWMutex
	agents map[string]*entry
	sorted []string                 // ids
	moves  map[string]chan struct{} // transitions under way, by agent
}

type entry struct {
	kept   store.Agent
	policy brain.MemoryPolicy
	brain  brain.Brain // nil unless the agent is running
}

func newRegistry() *registry {
	return &registry{agents: map[string]*entry{}, moves: map[string]chan struct{}{}}
}

// put makes a committed state visible. Emotions are changed by feel alone.
func (g *registry) put(a store.Agent) {
	g.mu.Lock()
	defer g.mu.Unlock()
	e, ok := g.agents[a.ID]
	if !ok {
		e = &entry{kept: a, policy: policyOf(a)}
		g.agents[a.ID] = e
		at, _ := slices.BinarySearch(g.sorted, a.ID)
		g.sorted = slices.Insert(g.sorted, at, a.ID)
	}
	if !bytes.Equal(a.Declaration, e.kept.Declaration) {
		e.policy = policyOf(a)
	}
	feeling, at := e.kept.Emotion, e.kept.EmotionAt
	e.kept = a
	e.kept.Emotion, e.kept.EmotionAt = feeling, at
	if a.Status != schema.AgentRunning {
		e.brain = nil
	}
}

// remove has an agent seen no more.
func (g *registry) remove(id string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.agents, id)
	if at, found := slices.BinarySearch(g.sorted, id); found {
		g.sorted = slices.Delete(g.sorted, at, at+1)
	}
}

func (g *registry) feel(id string, e schema.Emotion, at time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if a, ok := g.agents[id]; ok {
		a.kept.Emotion, a.kept.EmotionAt = e, at
	}
}

func (g *registry) setBrain(id string, b brain.Brain) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if a, ok := g.agents[id]; ok && a.kept.Status == schema.AgentRunning {
		a.brain = b
	}
}

func (g *registry) brain(id string) brain.Brain {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if a, ok := g.agents[id]; ok {
		return a.brain
	}
	return nil
}

// policy returns what an agent may remember by itself.
func (g *registry) policy(id string) brain.MemoryPolicy {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if a, ok := g.agents[id]; ok {
		return a.policy
	}
	return brain.MemoryPolicy{}
}

// policyOf reads the policy out of the declaration of an agent.
func policyOf(a store.Agent) brain.MemoryPolicy {
	var spec AgentSpec
	if a.Declaration == nil || json.Unmarshal(a.Declaration, &spec) != nil || spec.Memory == nil {
		return brain.MemoryPolicy{} // what is kept was encoded here, and can be read
	}
	return *spec.Memory
}

// claim marks a transition as under way, with a channel of its own that is closed when it is over. It reports false, and does
// nothing, if another one is. It is called in the transaction that begins the transition, so that what comes after it in the same
// commit sees it; whoever has claimed calls release, also where that transaction came to nothing.
func (g *registry) claim(id string, over chan struct{}) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if other := g.moves[id]; other != nil && other != over {
		return false
	}
	g.moves[id] = over
	return true
}

// release ends what claim has begun with that channel, if it has.
func (g *registry) release(id string, over chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.moves[id] == over {
		delete(g.moves, id)
		close(over)
	}
}

// moving returns a channel that is closed when the transition under way is over, or nil if there is none.
func (g *registry) moving(id string) <-chan struct{} {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if over := g.moves[id]; over != nil {
		return over
	}
	return nil
}

// get returns an agent as clients see it at that moment.
func (g *registry) get(id string, now time.Time) (schema.Agent, bool) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	e, ok := g.agents[id]
	if !ok {
		return schema.Agent{}, false
	}
	return present(e.kept, now), true
}

// after returns up to limit agents with an id above id that f accepts, ordered by id.
func (g *registry) after(id string, limit int, now time.Time, f func(*schema.Agent) bool) []schema.Agent {
	g.mu.RLock()
	defer g.mu.RUnlock()
	from, found := slices.BinarySearchFunc(g.sorted, id, cmp.Compare[string])
	if found {
		from++
	}
	page := []schema.Agent{}
	for _, id := range g.sorted[from:] {
		if len(page) == limit {
			break
		}
		if e := g.agents[id]; f(&e.kept.Agent) {
			page = append(page, present(e.kept, now))
		}
	}
	return page
}

// temper returns that of an agent, whose brain's options were looked at before they were kept.
func temper(a store.Agent) mood.Temper { return mood.Kept(a.Brain.Options) }

// settle has a change of an agent's temper begin with what it feels now, in the transaction that keeps the change.
func (g *registry) settle(tx store.Tx, before store.Agent, a *store.Agent, now time.Time) error {
	if before.Emotion.Name == "" || temper(before) == temper(*a) {
		return nil
	}
	a.Emotion, a.EmotionAt = temper(before).Decay(before.Emotion, now.Sub(before.EmotionAt)), now
	id, e := a.ID, a.Emotion
	tx.OnCommit(func() { g.feel(id, e, now) })
	return tx.SetEmotion(id, e, now)
}

// present returns the agent with its emotion decayed to now, and nothing in it shared with what is kept.
func present(a store.Agent, now time.Time) schema.Agent {
	out := a.Agent
	out.Declared = a.Declaration != nil
	out.Emotion = temper(a).Decay(a.Emotion, now.Sub(a.EmotionAt))
	out.Skills = slices.Clone(a.Skills)
	if out.Skills == nil {
		out.Skills = []string{}
	}
	out.Metadata = a.Metadata.Clone()
	out.Brain.Options = a.Brain.Options.Clone()
	return out
}
