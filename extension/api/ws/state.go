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
	Version  int           `json:"version"`
	Address  string        `json:"address"`
	Caller   schema.Caller `json:"caller"`
	Token    string        `json:"token,omitempty"`
	Authed   bool          `json:"authed"`
	Subs     subsState     `json:"subs"`
	Runs     []string      `json:"runs,omitempty"`
	Last     schema.Cursor `json:"last"`
	At       schema.Cursor `json:"at"` // up to where the hub had come
	Earlier  earlierState  `json:"earlier"`
	Replay   *replayState  `json:"replay,omitempty"`
	Unsent   []byte        `json:"unsent,omitempty"` // of the stream to the client; it may begin within a frame
	Refusals int32         `json:"refusals,omitempty"`
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

// state returns what another process has to know of the session, whose goroutines have ended and which the hub has left at
// the place at.
func (s *session) state(at schema.Cursor) state {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.srv.catalogue
	out := state{
		Version: stateVersion, Address: s.address, Caller: s.caller, Token: s.token, Authed: s.authed,
		Subs: subsState{All: c.list(s.subs.all), Agents: map[string]pairsState{}},
		Runs: s.runs, Last: s.last, At: at, Unsent: s.rest, Refusals: s.refusals.Load(),
		Earlier: earlierState{Closed: s.earlier.closed, Runs: s.earlier.runs, Forgotten: s.earlier.forgotten},
	}
	for id, p := range s.subs.agents {
		out.Subs.Agents[id] = pairsState{With: c.list(p.with), Without: c.list(p.without)}
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
	s.subs.all = c.setOf(st.Subs.All)
	for id, p := range st.Subs.Agents {
		if s.subs.agents == nil {
			s.subs.agents = map[string]*pairs{}
		}
		s.subs.agents[id] = &pairs{with: c.setOf(p.With), without: c.setOf(p.Without)}
	}
	s.earlier = earlier{closed: st.Earlier.Closed, runs: st.Earlier.Runs, forgotten: st.Earlier.Forgotten}
	s.refusals.Store(st.Refusals)
	if r := st.Replay; r != nil {
		s.replay = &replay{named: r.Agents, set: c.setOf(r.Events), pos: r.Pos, told: r.Told, began: r.Began}
		if r.Every {
			s.replay.named = nil
		} else if r.Agents == nil {
			s.replay.named = []string{}
		}
	}
	if len(st.Unsent) > 0 {
		s.out.put(st.Unsent)
	}
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
