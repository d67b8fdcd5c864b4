package ws

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stagehouse/stagehouse/extension/api/internal/strictjson"
	"github.com/stagehouse/stagehouse/schema"
)

// maxClientID bounds the id that a client gives a command, in bytes.
const maxClientID = 128

// command is one frame of a client. Members that the type does not have are zero.
type command struct {
	Type           string          `json:"type"`
	ID             json.RawMessage `json:"id,omitempty"` // a string or a number; nil = none
	Token          string          `json:"token,omitempty"`
	Agents         list            `json:"agents,omitzero"`
	Events         list            `json:"events,omitzero"`
	Since          place           `json:"since,omitzero"`
	AgentID        string          `json:"agentId,omitempty"`
	Message        string          `json:"message,omitempty"`
	ConversationID string          `json:"conversationId,omitempty"`
	Context        schema.Object   `json:"context,omitempty"`
	OnBusy         schema.OnBusy   `json:"onBusy,omitempty"`
	RunID          string          `json:"runId,omitempty"`
	IdempotencyKey string          `json:"idempotencyKey,omitempty"`
}

// list is a list of names that may be absent, which is not the same as empty.
type list struct {
	present bool
	names   []string
}

func (l list) IsZero() bool                 { return !l.present }
func (l list) MarshalJSON() ([]byte, error) { return json.Marshal(l.names) }

// place is a cursor; zero = none was given.
type place struct{ schema.Cursor }

func (p place) MarshalJSON() ([]byte, error) { return json.Marshal(p.String()) }

// parser reads commands. It holds no state and may be shared.
type parser struct {
	grammar map[string]form
	types   string
}

func newParser() *parser {
	g := grammar()
	return &parser{grammar: g, types: strings.Join(slices.Sorted(maps.Keys(g)), ", ")}
}

// parse reads one frame. With an error of CodeMalformed it is not a frame at all; with CodeInvalidArgument it is one
// that is wrong, the error names everything that is, and the command has the frame's id if that can be read.
func (p *parser) parse(data []byte) (command, *schema.Error) {
	members, wrong, err := object(data)
	if err != nil {
		return command{}, err
	}
	var c command
	if raw, ok := members["id"]; ok {
		wrong.check("id", readID(&c.ID, raw))
	}
	raw, ok := members["type"]
	if !ok {
		wrong.add("type", "is missing; every frame has one: %s", p.types)
		return c, wrong.err()
	}
	if wrong.check("type", readText(&c.Type, raw)); c.Type == "" {
		return c, wrong.err()
	}
	known, ok := p.grammar[c.Type]
	if !ok {
		wrong.add("type", "%.80q is not a type of frame; there are %s", c.Type, p.types)
		return c, wrong.err()
	}
	delete(members, "id")
	delete(members, "type")
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if m, ok := known.members[name]; ok {
			wrong.check(name, m.read(&c, members[name]))
			continue
		}
		wrong.add(limited(name), "%s", unknownMember(c.Type, name, known.members))
	}
	for _, name := range slices.Sorted(maps.Keys(known.members)) {
		if _, there := members[name]; known.members[name].required && !there {
			wrong.add(name, "is missing")
		}
	}
	return c, wrong.err()
}

// object reads the members of a frame, and finds those that are there twice. An id that is there twice is none.
func object(data []byte) (members map[string]json.RawMessage, wrong fields, malformed *schema.Error) {
	duplicates, err := strictjson.Check(data, "")
	if err == nil {
		err = strictjson.CheckText(data)
	}
	if err != nil {
		return nil, nil, schema.Errorf(schema.CodeMalformed, "%w", err)
	}
	if err := json.Unmarshal(data, &members); err != nil || members == nil {
		return nil, nil, schema.Errorf(schema.CodeMalformed, "a frame is a JSON object with a member \"type\"")
	}
	for _, d := range duplicates {
		wrong.add(limited(d), "appears more than once")
		if d == "id" {
			delete(members, d)
		}
	}
	return members, wrong, nil
}

func unknownMember(frame, name string, known map[string]member) string {
	if len(known) == 0 {
		return fmt.Sprintf("is not known; a %s has no members but type and id", frame)
	}
	return fmt.Sprintf("is not known; a %s has id, %s", frame, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
}

// fields collects what is wrong with a frame.
type fields []schema.FieldError

func (f *fields) add(location, format string, args ...any) {
	*f = append(*f, schema.FieldError{Location: location, Message: fmt.Sprintf(format, args...)})
}

func (f *fields) check(location string, err error) {
	if err != nil {
		f.add(location, "%s", err.Error())
	}
}

func (f fields) err() *schema.Error {
	if len(f) == 0 {
		return nil
	}
	msg := f[0].Location + " " + f[0].Message
	if len(f) > 1 {
		msg += fmt.Sprintf(" (and %d more)", len(f)-1)
	}
	return &schema.Error{Code: schema.CodeInvalidArgument, Message: msg, Fields: f}
}

func limited(name string) string {
	if len(name) > 80 {
		return strings.ToValidUTF8(name[:80], "") + "…"
	}
	return name
}
