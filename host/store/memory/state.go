package memory

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// state is everything that is kept. Its methods read.
type state struct {
	epoch string
	first uint64 // number of events[0]; that of the next event if there is none
	log   []schema.Event

	agents        map[string]store.Agent
	conversations map[int64]*conversation
	byName        map[name]int64
	messages      map[string]message
	runs          map[string]run
	unfinished    map[string]run // those of runs that are not over
	outcomes      map[outcomeKey]store.Outcome
	aged          []aged // an entry for every outcome that was put, oldest first
	memories      map[string]memory
	spaces        []*space // oldest first
	usage         []store.Usage

	count int64 // of everything that was inserted, and of changes: it gives the numbers, which only grow
}

type (
	name       struct{ principal, id string }
	outcomeKey struct{ principal, scope, key string }
	aged       struct {
		outcomeKey
		at time.Time
	}
	conversation struct {
		schema.ConversationSummary
		key      int64
		changed  int64
		messages []message // in the order of their numbers
		summary  store.Summary
	}
	message struct {
		schema.Message
		number, conversation int64
	}
	run struct {
		schema.Run
		number, conversation int64
	}
	memory struct {
		schema.MemoryItem
		number int64
	}
)

var _ store.Reader = (*state)(nil)

func newState(epoch string) state {
	return state{
		epoch: epoch, first: 1, agents: map[string]store.Agent{}, conversations: map[int64]*conversation{}, byName: map[name]int64{},
		messages: map[string]message{}, runs: map[string]run{}, unfinished: map[string]run{},
		outcomes: map[outcomeKey]store.Outcome{}, memories: map[string]memory{},
	}
}

// next gives the next number.
func (t *tx) next() int64 {
	change(t, &t.count, t.count+1)
	return t.count
}

// Agents returns all agents, ordered by id.
func (s *state) Agents() ([]store.Agent, error) {
	var all []store.Agent
	for _, id := range slices.Sorted(maps.Keys(s.agents)) {
		all = append(all, cloned(s.agents[id]))
	}
	return all, nil
}

// Agent returns one agent.
func (s *state) Agent(id string) (store.Agent, error) {
	a, ok := s.agents[id]
	if !ok {
		return a, store.ErrNotFound
	}
	return cloned(a), nil
}

func cloned(a store.Agent) store.Agent {
	a.Skills, a.Declaration = slices.Clone(a.Skills), slices.Clone(a.Declaration)
	return a
}

// ConversationKey returns the key of the principal's conversation of that id.
func (s *state) ConversationKey(principal, id string) (int64, error) {
	key, ok := s.byName[name{principal, id}]
	if !ok {
		return 0, store.ErrNotFound
	}
	return key, nil
}

// ConversationOf returns the viewer's own conversation of that id, or one that it may look at.
func (s *state) ConversationOf(v store.Viewer, id string) (int64, schema.ConversationSummary, error) {
	if key, ok := s.byName[name{v.Principal, id}]; ok {
		return key, s.conversations[key].ConversationSummary, nil
	}
	var last *conversation
	for _, c := range s.conversations {
		if v.Everything && c.ID == id && (last == nil || c.changed > last.changed) {
			last = c
		}
	}
	if last == nil {
		return 0, schema.ConversationSummary{}, store.ErrNotFound
	}
	return last.key, last.ConversationSummary, nil
}

// Conversations returns the last changed first, with the number of each one's last change.
func (s *state) Conversations(q store.ConversationsQuery) (page []schema.ConversationSummary, numbers []int64, err error) {
	words := wordsOf(q.Text)
	if q.Text != "" && len(words) == 0 {
		return nil, nil, nil
	}
	var all []*conversation
	for _, c := range s.conversations {
		if (q.Viewer.Everything || c.Principal == q.Viewer.Principal) && (q.AgentID == "" || c.AgentID == q.AgentID) &&
			(q.Archived == schema.ArchivedAny || c.Archived == (q.Archived == schema.ArchivedOnly)) &&
			(q.Before == 0 || c.changed < q.Before) && c.says(words) {
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b *conversation) int { return cmp.Compare(b.changed, a.changed) })
	for _, c := range all[:min(q.Limit, len(all))] {
		page, numbers = append(page, c.ConversationSummary), append(numbers, c.changed)
	}
	return page, numbers, nil
}

// says reports whether every word is in the title or in a message.
func (c *conversation) says(words []string) bool {
	for _, w := range words {
		if !contains(wordsOf(c.Title), w) && !slices.ContainsFunc(c.messages, func(m message) bool { return contains(wordsOf(m.Content), w) }) {
			return false
		}
	}
	return true
}

// Messages returns a page of messages that ends before a number.
func (s *state) Messages(key, before int64, limit int) (page []schema.Message, first int64, err error) {
	all := s.messagesOf(key)
	end := len(all)
	if before > 0 {
		end, _ = slices.BinarySearchFunc(all, before, byNumber)
	}
	all = all[max(0, end-limit):end]
	for _, m := range all {
		page = append(page, m.Message)
	}
	if len(all) > 0 {
		first = all[0].number
	}
	return page, first, nil
}

// MessagesAfter returns a page of messages that begins after a number.
func (s *state) MessagesAfter(key, after int64, limit int) (page []schema.Message, last int64, err error) {
	all := s.messagesOf(key)
	from, _ := slices.BinarySearchFunc(all, after+1, byNumber)
	for _, m := range all[from:min(from+limit, len(all))] {
		page, last = append(page, m.Message), m.number
	}
	return page, last, nil
}

// Summary returns what was said, in short.
func (s *state) Summary(key int64) (store.Summary, error) {
	c, ok := s.conversations[key]
	if !ok {
		return store.Summary{}, store.ErrNotFound
	}
	return c.summary, nil
}

func byNumber(m message, n int64) int { return cmp.Compare(m.number, n) }

func (s *state) messagesOf(key int64) []message {
	if c, ok := s.conversations[key]; ok {
		return c.messages
	}
	return nil
}

// MessageNumber returns the number of a message.
func (s *state) MessageNumber(key int64, id string) (int64, error) {
	m, ok := s.messages[id]
	if !ok || m.conversation != key {
		return 0, store.ErrNotFound
	}
	return m.number, nil
}

// Message returns one message.
func (s *state) Message(id string) (schema.Message, error) {
	m, ok := s.messages[id]
	if !ok {
		return schema.Message{}, store.ErrNotFound
	}
	return m.Message, nil
}

// Outcome returns what came of a request.
func (s *state) Outcome(principal, scope, key string) (store.Outcome, error) {
	o, ok := s.outcomes[outcomeKey{principal, scope, key}]
	if !ok {
		return o, store.ErrNotFound
	}
	return o, nil
}
