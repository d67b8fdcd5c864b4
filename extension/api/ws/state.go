package ws

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/stagehouse/stagehouse/schema"
)

// stateVersion is the version of what is said between two generations about a session. One that knows only another version
// has the client come again.
const stateVersion = 1

// state is a session on its way to another process. Events have their names in it, because the two processes may have
// numbered them differently.
type state struct {
	Version  int            `json:"version"`
	Address  string         `json:"address"`
	Caller   schema.Caller  `json:"caller"`
	Token    string         `json:"token,omitempty"`
	Authed   bool           `json:"authed"`
	Subs     subsState      `json:"subs"`
	Runs     []string       `json:"runs,omitempty"`
	Last     schema.Cursor  `json:"last"`
	At       schema.Cursor  `json:"at"` // up to where the hub had come
	Earlier  earlierState   `json:"earlier"`
	Replay   *replayState   `json:"replay,omitempty"`
	History  *historyState  `json:"history,omitempty"` // nil = it is not known, as it comes from an earlier version
	Backlogs []backlogState `json:"backlogs,omitempty"`
	Unsent   []byte         `json:"unsent,omitempty"` // of the stream to the client; it may begin within a frame
	Refusals int32          `json:"refusals,omitempty"`
}

type subsState struct {
	All    []schema.EventType    `json:"all,omitempty"`
	Agents map[string]pairsState `json:"agents,omitempty"`
}

type pairsState struct {
	With    []schema.EventType `json:"with,omitempty"`
	Without []schema.EventType `json:"without,omitempty"`
}

type earlierState struct {
	Closed    bool          `json:"closed,omitempty"`
	Runs      []string      `json:"runs,omitempty"`
	Forgotten schema.Cursor `json:"forgotten"`
}

type replayState struct {
	Every  bool               `json:"every,omitempty"` // agent
	Agents []string           `json:"agents,omitempty"`
	Events []schema.EventType `json:"events,omitempty"`
	Pos    schema.Cursor      `json:"pos"`
	Told   []string           `json:"told,omitempty"`
	Began  uint64             `json:"began"`
}

type historyState struct {
	Base    subsState     `json:"base"`
	From    uint64        `json:"from"`
	Changes []changeState `json:"changes,omitempty"`
}

type changeState struct {
	After  uint64             `json:"after"`
	Add    bool               `json:"add,omitempty"`
	Every  bool               `json:"every,omitempty"` // agent
	Agents []string           `json:"agents,omitempty"`
	Events []schema.EventType `json:"events,omitempty"`
}

type backlogState struct {
	Run     string        `json:"run"`
	Pos     schema.Cursor `json:"pos"`
	Until   schema.Cursor `json:"until"`
	Evicted bool          `json:"evicted,omitempty"`
}

// state returns what another process has to know of the session, whose goroutines have ended and which the hub has left at
// the place at.
func (s *session) state(at schema.Cursor) state {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.srv.catalogue
	out := state{
		Version: stateVersion, Address: s.address, Caller: s.caller, Token: s.token, Authed: s.authed,
		Subs: c.subsState(s.subs), History: c.historyState(s.history),
		Runs: s.runs, Last: s.last, At: at, Unsent: s.rest, Refusals: s.refusals.Load(),
		Earlier: earlierState{Closed: s.earlier.closed, Runs: s.earlier.runs, Forgotten: s.earlier.forgotten},
	}
	for _, p := range s.backlogs {
		out.Backlogs = append(out.Backlogs, backlogState{Run: p.run, Pos: p.pos, Until: p.until, Evicted: p.evicted})
	}
	if r := s.replay; r != nil {
		out.Replay = &replayState{
			Every: r.named == nil, Agents: r.named, Events: c.list(r.set), Pos: r.pos, Told: r.told, Began: r.began,
		}
	}
	return out
}

func parseState(b []byte) (state, error) {
	var st state
	if err := json.Unmarshal(b, &st); err != nil {
		return st, fmt.Errorf("read the state of a socket: %w", err)
	}
	if st.Version != stateVersion {
		return st, fmt.Errorf("the state of a socket has version %d, and this server knows %d", st.Version, stateVersion)
	}
	return st, nil
}

// adopt makes the session the one that st describes. It is called before anybody knows the session.
func (s *session) adopt(st state) {
	c := s.srv.catalogue
	s.address, s.caller, s.token, s.authed = st.Address, st.Caller, st.Token, st.Authed
	s.log = s.srv.opts.Logger.With("client", s.address)
	s.runs, s.last = st.Runs, st.Last
	s.subs, s.history = c.subscription(st.Subs), c.history(st)
	for _, p := range st.Backlogs {
		s.backlogs = append(s.backlogs, &backlog{run: p.Run, pos: p.Pos, until: p.Until, evicted: p.Evicted})
	}
	s.earlier = earlier{closed: st.Earlier.Closed, runs: st.Earlier.Runs, forgotten: st.Earlier.Forgotten}
	s.refusals.Store(st.Refusals)
	if r := st.Replay; r != nil {
		s.replay = &replay{named: namedIn(r.Every, r.Agents), set: c.setOf(r.Events), pos: r.Pos, told: r.Told, began: r.Began}
	}
	if len(st.Unsent) > 0 {
		s.out.put(st.Unsent)
	}
}

// namedIn returns the agents that a list means, of which nil means every one.
func namedIn(every bool, agents []string) []string {
	switch {
	case every:
		return nil
	case agents == nil:
		return []string{}
	}
	return agents
}

func (c *catalogue) subsState(s subscription) subsState {
	out := subsState{All: c.list(s.all), Agents: map[string]pairsState{}}
	for id, p := range s.agents {
		out.Agents[id] = pairsState{With: c.list(p.with), Without: c.list(p.without)}
	}
	return out
}

func (c *catalogue) subscription(st subsState) subscription {
	s := subscription{all: c.setOf(st.All)}
	for id, p := range st.Agents {
		if s.agents == nil {
			s.agents = map[string]*pairs{}
		}
		s.agents[id] = &pairs{with: c.setOf(p.With), without: c.setOf(p.Without)}
	}
	return s
}

func (c *catalogue) historyState(h history) *historyState {
	out := &historyState{Base: c.subsState(h.base), From: h.from}
	for _, ch := range h.changes {
		out.Changes = append(out.Changes, changeState{
			After: ch.after, Add: ch.add, Every: ch.named == nil, Agents: ch.named, Events: c.list(ch.set),
		})
	}
	return out
}

// history returns that of a session. Where it is not known, it begins where the session is.
func (c *catalogue) history(st state) history {
	if st.History == nil {
		return history{base: c.subscription(st.Subs), from: max(st.At.Seq, st.Last.Seq)}
	}
	h := history{base: c.subscription(st.History.Base), from: st.History.From}
	for _, ch := range st.History.Changes {
		h.add(change{after: ch.After, add: ch.Add, named: namedIn(ch.Every, ch.Agents), set: c.setOf(ch.Events)})
	}
	return h
}

// setOf returns the events of that list which this server knows.
func (c *catalogue) setOf(types []schema.EventType) (set events) {
	for _, t := range types {
		set |= c.bits[t]
	}
	return set
}

// since has the session, which is not in the hub yet, sent what the hub has had after the place at: from what the hub still
// holds, or else by a replay from the log. hub.mu is held.
func (h *hub) since(s *session, at schema.Cursor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	head := h.head()
	switch {
	case s.replay != nil: // which goes on from where it is
	case at.Epoch == head.Epoch && at.Seq >= head.Seq:
	case at.Epoch == head.Epoch && h.recent.holds(at.Seq):
		for _, e := range h.recent.after(at.Seq) {
			s.passLocked(e)
		}
	default:
		s.replay = &replay{set: h.catalogue.all, pos: at}
	}
}

// recent is the last events that a hub has had, for sockets that come over from another process.
type recent struct {
	events []*event
	bytes  int
}

// Bounds of recent.
const (
	recentEvents = 1024
	recentBytes  = 1 << 20
)

func (r *recent) add(e *event) {
	r.events = append(r.events, e)
	r.bytes += len(e.json)
	for len(r.events) > recentEvents || r.bytes > recentBytes && len(r.events) > 1 {
		r.bytes -= len(r.events[0].json)
		r.events[0] = nil
		r.events = r.events[1:]
	}
}

// holds reports whether every event after a number is there.
func (r *recent) holds(after uint64) bool {
	return len(r.events) > 0 && r.events[0].Cursor.Seq <= after+1
}

func (r *recent) after(seq uint64) []*event {
	i, _ := slices.BinarySearchFunc(r.events, seq+1, func(e *event, n uint64) int {
		return cmp.Compare(e.Cursor.Seq, n)
	})
	return r.events[i:]
}
