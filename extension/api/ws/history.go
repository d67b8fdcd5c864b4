package ws

import "slices"

// Bounds of a history.
const (
	maxChanges      = 32   // commands that it knows one by one
	maxChangedNames = 1024 // agents in them
)

// history is what a client has asked for, command by command, so that it can be said of an event that lies in the past
// whether its subscription let it through then. What is too old to be known one by one is known as what it came to. The zero
// history is that of a socket that has never subscribed.
type history struct {
	base    subscription // what the commands that are forgotten came to
	from    uint64       // nothing is known of the events up to this number; 0 = of none
	changes []change     // in the order of the commands
	names   int          // agents in changes
}

// change is one command.
type change struct {
	after uint64 // the number of the last event that it does not concern
	add   bool
	named []string // agents; nil = every one
	set   events
}

func (h *history) add(c change) {
	h.changes = append(h.changes, c)
	h.names += len(c.named)
	for len(h.changes) > maxChanges || h.names > maxChangedNames {
		oldest := h.changes[0]
		h.base.change(oldest.add, oldest.named, oldest.set)
		h.from = max(h.from, oldest.after)
		h.names -= len(oldest.named)
		h.changes = slices.Delete(h.changes, 0, 1)
	}
}

// had reports whether the subscription let an event through that lies behind the place where the client is. Where that is not
// known, it says no: a frame that comes twice does less harm than one that does not come.
func (h *history) had(agent string, bit events, seq uint64) bool {
	had := seq > h.from && h.base.matches(agent, bit)
	for _, c := range h.changes {
		if seq > c.after && seq > h.from && c.set&bit != 0 && (c.named == nil || slices.Contains(c.named, agent)) {
			had = c.add
		}
	}
	return had
}
