package ws

import (
	"slices"
	"strings"

	"github.com/stagehouse/stagehouse/schema"
)

// everything stands for all agents or all events in a list of them.
const everything = "*"

// events is a set of event types: bit i is the i-th of schema.EventTypes.
type events uint32

// catalogue knows the event types by number and by every name that a client may use: in full ("agent:thought"), short
// ("thought"), and by family ("agent:*").
type catalogue struct {
	types []schema.EventType
	bits  map[schema.EventType]events
	names map[string]events
	all   events
}

func newCatalogue() *catalogue {
	c := &catalogue{types: schema.EventTypes(), bits: map[schema.EventType]events{}, names: map[string]events{}}
	for i, t := range c.types {
		bit := events(1) << i
		family, short, _ := strings.Cut(string(t), ":")
		c.all |= bit
		c.bits[t] = bit
		c.names[string(t)] |= bit
		c.names[short] |= bit
		c.names[family+":*"] |= bit
	}
	c.names[everything] = c.all
	return c
}

// set returns the events of the names, and the indexes of the names that it does not know.
func (c *catalogue) set(names []string) (set events, unknown []int) {
	for i, n := range names {
		bits, ok := c.names[n]
		if !ok {
			unknown = append(unknown, i)
		}
		set |= bits
	}
	return set, unknown
}

// ofTurn reports whether the event is a chat event of a turn.
func (c *catalogue) ofTurn(e *event) bool { return e.RunID != "" && e.bit&c.names["chat:*"] != 0 }

// list returns the full names of the events in their documented order.
func (c *catalogue) list(set events) []schema.EventType {
	out := make([]schema.EventType, 0, len(c.types))
	for i, t := range c.types {
		if set&(1<<i) != 0 {
			out = append(out, t)
		}
	}
	return out
}

// EventTypes returns the types that a client means by names, in their documented order. The error, which is of
// CodeInvalidArgument, names those that are not known.
func (s *Server) EventTypes(names []string) ([]schema.EventType, error) {
	var wrong fields
	set, unknown := s.catalogue.set(names)
	for _, i := range unknown {
		wrong.add("events", "%.80q is not an event; there are %s", names[i], s.catalogue.known())
	}
	return s.catalogue.list(set), asError(wrong.err())
}

// known lists what may be asked for, for an error message.
func (c *catalogue) known() string {
	names := make([]string, 0, len(c.types)+3)
	for _, t := range c.types {
		names = append(names, string(t))
	}
	return strings.Join(slices.Concat(names, []string{"agent:*", "chat:*", "extension:*"}), ", ")
}
