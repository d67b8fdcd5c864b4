package memory

import (
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// PutAgent inserts or replaces an agent.
func (t *tx) PutAgent(a store.Agent) error {
	a = cloned(a)
	if before, ok := t.agents[a.ID]; ok {
		a.CreatedAt = before.CreatedAt
	}
	var err, err2 error
	a.Metadata, err = copied(a.Metadata)
	a.Brain.Options, err2 = copied(a.Brain.Options)
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	a.Declared = a.Declaration != nil
	set(t, t.agents, a.ID, a)
	return nil
}

// DeleteAgent deletes an agent and its memories.
func (t *tx) DeleteAgent(id string) error {
	if _, ok := t.agents[id]; !ok {
		return store.ErrNotFound
	}
	for _, m := range t.memories {
		if m.AgentID == id {
			t.forget(m.ID)
		}
	}
	unset(t, t.agents, id)
	return nil
}

// SetEmotion changes what an agent feels and nothing else.
func (t *tx) SetEmotion(agentID string, e schema.Emotion, at time.Time) error {
	a, ok := t.agents[agentID]
	if !ok {
		return store.ErrNotFound
	}
	a.Emotion, a.EmotionAt = e, at
	set(t, t.agents, agentID, a)
	return nil
}

// InsertConversation inserts a conversation without messages.
func (t *tx) InsertConversation(c schema.ConversationSummary) (int64, error) {
	n := name{c.Principal, c.ID}
	if _, ok := t.byName[n]; ok {
		return 0, store.ErrExists
	}
	key := t.next()
	c.MessageCount, c.Revision, c.Archived = 0, 1, false
	set(t, t.byName, n, key)
	set(t, t.conversations, key, &conversation{ConversationSummary: c, key: key, changed: t.next()})
	return key, nil
}

// touch changes a conversation and counts the change.
func (t *tx) touch(key int64, at time.Time, f func(*conversation)) error {
	before, ok := t.conversations[key]
	if !ok {
		return store.ErrNotFound
	}
	c := *before
	f(&c)
	c.Revision++
	c.UpdatedAt, c.changed = at, t.next()
	set(t, t.conversations, key, &c)
	return nil
}

// UpdateConversation changes what changes in a conversation beside its messages.
func (t *tx) UpdateConversation(key int64, to schema.ConversationSummary) error {
	return t.touch(key, to.UpdatedAt, func(c *conversation) { c.Title, c.AgentID, c.Archived = to.Title, to.AgentID, to.Archived })
}

// PutSummary keeps what was said, in short.
func (t *tx) PutSummary(key int64, s store.Summary) error {
	before, ok := t.conversations[key]
	if !ok {
		return store.ErrNotFound
	}
	c := *before
	c.summary = s
	set(t, t.conversations, key, &c)
	return nil
}

// InsertMessage appends a message to a conversation.
func (t *tx) InsertMessage(key int64, m schema.Message) error {
	if _, ok := t.messages[m.ID]; ok {
		return store.ErrExists
	}
	return t.touch(key, m.CreatedAt, func(c *conversation) {
		m.ConversationID = c.ID
		kept := message{m, t.next(), key}
		set(t, t.messages, m.ID, kept)
		c.messages = append(c.messages, kept)
		c.MessageCount++
	})
}

// DeleteConversation deletes a conversation with everything that refers to it.
func (t *tx) DeleteConversation(key int64) error {
	c, ok := t.conversations[key]
	if !ok {
		return store.ErrNotFound
	}
	for _, m := range c.messages {
		unset(t, t.messages, m.ID)
	}
	for _, r := range among(t.runs, func(r *run) bool { return r.conversation == key }) {
		unset(t, t.runs, r.ID)
		unset(t, t.unfinished, r.ID)
	}
	unset(t, t.byName, name{c.Principal, c.ID})
	unset(t, t.conversations, key)
	return nil
}

// PutOutcome keeps what came of a request, in the place of what is there.
func (t *tx) PutOutcome(o store.Outcome) error {
	entry := aged{outcomeKey{o.Principal, o.Scope, o.Key}, o.At}
	set(t, t.outcomes, entry.outcomeKey, o)
	i, _ := slices.BinarySearchFunc(t.aged, o.At, func(a aged, at time.Time) int { return cmp.Or(a.at.Compare(at), -1) })
	if i == len(t.aged) {
		change(t, &t.aged, append(t.aged, entry))
	} else { // the clock was set back
		change(t, &t.aged, slices.Concat(t.aged[:i], []aged{entry}, t.aged[i:]))
	}
	return nil
}

// EvictOutcomes deletes what is old, oldest first.
func (t *tx) EvictOutcomes(before time.Time, limit int) (int, error) {
	n := 0
	for n < limit && len(t.aged) > 0 && t.aged[0].at.Before(before) {
		oldest := t.aged[0]
		change(t, &t.aged, t.aged[1:])
		if o, ok := t.outcomes[oldest.outcomeKey]; ok && o.At.Equal(oldest.at) { // otherwise it was replaced
			unset(t, t.outcomes, oldest.outcomeKey)
			n++
		}
	}
	return n, nil
}

// InsertMemory keeps a memory.
func (t *tx) InsertMemory(m schema.MemoryItem) error {
	_, known := t.agents[m.AgentID]
	_, taken := t.memories[m.ID]
	switch {
	case !known:
		return store.ErrNotFound
	case taken:
		return store.ErrExists
	}
	var err error
	if m.Metadata, err = copied(m.Metadata); err != nil {
		return err
	}
	m.Tags = slices.Clone(m.Tags)
	if m.Tags == nil {
		m.Tags = []string{}
	}
	set(t, t.memories, m.ID, memory{m, t.next()})
	return nil
}

// DeleteMemory forgets a memory.
func (t *tx) DeleteMemory(id string) error {
	if _, ok := t.memories[id]; !ok {
		return store.ErrNotFound
	}
	t.forget(id)
	return nil
}

// forget deletes a memory with its vectors.
func (t *tx) forget(id string) {
	unset(t, t.memories, id)
	for _, sp := range t.spaces {
		if _, ok := sp.vectors[id]; ok {
			unset(t, sp.vectors, id)
		}
	}
}

// EvictMemories deletes what has expired.
func (t *tx) EvictMemories(now time.Time, limit int) (int, error) {
	var old []memory
	for _, m := range t.memories {
		if expired(m.MemoryItem, now) {
			old = append(old, m)
		}
	}
	slices.SortFunc(old, func(a, b memory) int { return cmp.Compare(a.number, b.number) })
	old = old[:min(limit, len(old))]
	for _, m := range old {
		t.forget(m.ID)
	}
	return len(old), nil
}

// copied returns an object of its own, as it is when it has been encoded and decoded.
func copied(o schema.Object) (own schema.Object, err error) {
	if o == nil {
		return nil, nil
	}
	b, err := json.Marshal(o)
	if err == nil {
		err = json.Unmarshal(b, &own)
	}
	return own, err
}

func expired(m schema.MemoryItem, now time.Time) bool {
	return m.ExpiresAt != nil && !m.ExpiresAt.After(now)
}
