package schema

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds of what reaches a runtime; host/guard keeps them in front of every one. Lengths are in bytes of UTF-8.
const (
	MaxIDBytes          = 128
	MaxNameBytes        = 200
	MaxTitleBytes       = 400
	MaxDescriptionBytes = 4 << 10
	MaxPersonaBytes     = 32 << 10
	MaxMessageBytes     = 64 << 10
	MaxMemoryBytes      = 64 << 10
	MaxObjectBytes      = 64 << 10 // as JSON
	MaxSkills           = 64
	MaxSkillBytes       = 100
	MaxSearchBytes      = 4 << 10
	MaxTags             = 64
	MaxTagBytes         = 100

	MaxOnceBytes   = 255  // of a key that makes a change happen once, of its scope and its digest
	MaxCursorBytes = 512  // of a list
	MaxFilters     = 1000 // agents in one EventQuery

	DefaultPageSize    = 50
	MaxPageSize        = 200
	DefaultSearchLimit = 10
)

// ValidID reports whether s can be an id: 1 to MaxIDBytes ASCII letters, digits and . _ ~ : - characters, and not "." or
// "..", which mean something else in a path.
func ValidID(s string) bool {
	if s == "" || len(s) > MaxIDBytes || s == "." || s == ".." {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("._~:-", c) >= 0:
		default:
			return false
		}
	}
	return true
}

// PageSize returns the number of items that a page of limit has: the default for 0, else limit bounded to 1…MaxPageSize.
func PageSize(limit int) int {
	if limit == 0 {
		return DefaultPageSize
	}
	return min(max(limit, 1), MaxPageSize)
}

// check collects what is wrong with an input.
type check struct{ fields []FieldError }

func (c *check) add(location, format string, args ...any) {
	c.fields = append(c.fields, FieldError{location, fmt.Sprintf(format, args...)})
}

func (c *check) text(location, s string, required bool, limit int) {
	switch {
	case !utf8.ValidString(s):
		c.add(location, "is not valid UTF-8")
	case len(s) > limit:
		c.add(location, "has %d bytes; at most %d are allowed", len(s), limit)
	case required && strings.TrimSpace(s) == "":
		c.add(location, "must not be empty")
	}
}

func (c *check) id(location, s string, required bool) {
	if (s != "" || required) && !ValidID(s) {
		c.add(location, "must be 1 to %d letters, digits or . _ ~ : - characters", MaxIDBytes)
	}
}

func (c *check) cursor(location, s string) { c.text(location, s, false, MaxCursorBytes) }

func (c *check) object(location string, o Object) {
	b, err := json.Marshal(o)
	switch {
	case err != nil:
		c.add(location, "is not a JSON object: %v", err)
	case len(b) > MaxObjectBytes:
		c.add(location, "has %d bytes as JSON; at most %d are allowed", len(b), MaxObjectBytes)
	}
}

func (c *check) err(what string) error {
	if len(c.fields) == 0 {
		return nil
	}
	msg := what + ": " + c.fields[0].Location + " " + c.fields[0].Message
	if n := len(c.fields) - 1; n > 0 {
		msg += fmt.Sprintf(" (and %d more)", n)
	}
	return &Error{Code: CodeInvalidArgument, Message: msg, Fields: c.fields}
}

// Validate returns nil or one CodeInvalidArgument error that names every wrong value.
func (n NewAgent) Validate() error {
	var c check
	c.id("id", n.ID, true)
	c.text("name", n.Name, n.Name != "", MaxNameBytes)
	c.profile(n.Description, n.Persona, n.Skills)
	if n.Brain.Provider != "" || len(n.Brain.Options) > 0 {
		c.brain(n.Brain)
	}
	c.object("metadata", n.Metadata)
	return c.err("create agent")
}

// Validate returns nil or one CodeInvalidArgument error that names every wrong value.
func (p AgentPatch) Validate() error {
	var c check
	c.text("name", p.Name.Value, p.Name.Present && !p.Name.Null, MaxNameBytes)
	c.profile(p.Description.Value, p.Persona.Value, p.Skills.Value)
	if p.Brain.Present && !p.Brain.Null {
		c.brain(p.Brain.Value)
	}
	c.object("metadata", p.Metadata.Value)
	return c.err("update agent")
}

// profile checks what may be empty of what an agent is.
func (c *check) profile(description, persona string, skills []string) {
	c.text("description", description, false, MaxDescriptionBytes)
	c.text("persona", persona, false, MaxPersonaBytes)
	if len(skills) > MaxSkills {
		c.add("skills", "has %d entries; at most %d are allowed", len(skills), MaxSkills)
	}
	for i, s := range skills {
		c.text(fmt.Sprintf("skills[%d]", i), s, true, MaxSkillBytes)
	}
}

func (c *check) brain(b Brain) {
	c.text("brain", b.Provider, true, MaxNameBytes)
	c.object("brain", b.Options)
}

// Validate returns nil or one CodeInvalidArgument error that names every wrong value.
func (r SendRequest) Validate() error {
	var c check
	c.id("runId", r.RunID, false)
	c.id("agentId", r.AgentID, false)
	c.id("conversationId", r.ConversationID, false)
	c.text("message", r.Message, true, MaxMessageBytes)
	c.object("context", r.Context)
	if !slices.Contains([]OnBusy{"", BusyEnqueue, BusyReject, BusyInterrupt}, r.OnBusy) {
		c.add("onBusy", "must be %q, %q or %q", BusyEnqueue, BusyReject, BusyInterrupt)
	}
	return c.err("send message")
}

// Validate returns nil or one CodeInvalidArgument error that names every wrong value.
func (r RouteRequest) Validate() error {
	var c check
	c.text("message", r.Message, true, MaxMessageBytes)
	c.object("context", r.Context)
	return c.err("route message")
}

// Validate returns nil or one CodeInvalidArgument error that names every wrong value.
func (m NewMemory) Validate() error {
	var c check
	c.id("agentId", m.AgentID, true)
	c.text("content", m.Content, true, MaxMemoryBytes)
	c.object("metadata", m.Metadata)
	c.tags("tags", m.Tags)
	if m.Importance != nil {
		c.importance("importance", *m.Importance)
	}
	return c.err("store memory")
}

func (c *check) tags(location string, tags []string) {
	if len(tags) > MaxTags {
		c.add(location, "has %d entries; at most %d are allowed", len(tags), MaxTags)
	}
	for i, t := range tags[:min(len(tags), MaxTags)] {
		c.text(fmt.Sprintf("%s[%d]", location, i), t, true, MaxTagBytes)
	}
}

func (c *check) importance(location string, n float64) {
	if !(n >= 0 && n <= 1) { // which NaN is not, either
		c.add(location, "must be a number from 0 to 1")
	}
}

// Validate returns nil or one CodeInvalidArgument error that names every wrong value.
func (q MemoryQuery) Validate() error {
	var c check
	c.id("agentId", q.AgentID, false)
	c.text("q", q.Text, q.AgentID == "" && len(q.Tags) == 0 && len(q.Metadata) == 0 && q.MinImportance == 0, MaxSearchBytes)
	c.tags("tag", q.Tags)
	if len(q.Metadata) > MaxTags {
		c.add("metadata", "has %d entries; at most %d are allowed", len(q.Metadata), MaxTags)
	}
	for _, m := range q.Metadata[:min(len(q.Metadata), MaxTags)] {
		c.text("metadata", m.Key, true, MaxSearchBytes)
		c.text("metadata."+m.Key, m.Value, false, MaxSearchBytes)
	}
	c.importance("minImportance", q.MinImportance)
	return c.err("search memory")
}

// Validate returns nil or one CodeInvalidArgument error that names every wrong value.
func (q AgentQuery) Validate() error {
	var c check
	if q.Status != "" && !slices.Contains(AgentStatuses(), q.Status) {
		c.add("status", "must be one of %v", AgentStatuses())
	}
	c.text("skill", q.Skill, false, MaxSkillBytes)
	c.cursor("cursor", q.Cursor)
	return c.err("list agents")
}

// Validate returns nil or one CodeInvalidArgument error that names every wrong value.
func (q ConversationQuery) Validate() error {
	var c check
	c.id("conversationId", q.ID, true)
	c.cursor("cursor", q.Cursor)
	c.id("since", q.Since, false)
	if q.Since != "" && q.Cursor != "" {
		c.add("since", "cannot stand beside cursor: begin with since, and go on with the cursors of its page")
	}
	return c.err("get conversation")
}

// Validate returns nil or one CodeInvalidArgument error that names every wrong value.
func (q ConversationsQuery) Validate() error {
	var c check
	c.text("q", q.Text, false, MaxSearchBytes)
	c.id("agentId", q.AgentID, false)
	if !slices.Contains([]Archived{ArchivedNone, ArchivedOnly, ArchivedAny}, q.Archived) {
		c.add("archived", "must be %q, %q or absent", ArchivedOnly, ArchivedAny)
	}
	c.cursor("cursor", q.Cursor)
	return c.err("list conversations")
}

// Validate returns nil or one CodeInvalidArgument error that names every wrong value.
func (n NewConversation) Validate() error {
	var c check
	c.id("id", n.ID, false)
	c.text("title", n.Title, false, MaxTitleBytes)
	c.id("agentId", n.AgentID, false)
	return c.err("create conversation")
}

// Validate returns nil or one CodeInvalidArgument error that names every wrong value.
func (p ConversationPatch) Validate() error {
	var c check
	c.text("title", p.Title.Value, p.Title.Present && !p.Title.Null, MaxTitleBytes)
	return c.err("update conversation")
}

// Validate returns nil or one CodeInvalidArgument error that names every wrong value.
func (q RunsQuery) Validate() error {
	var c check
	c.id("conversationId", q.ConversationID, false)
	c.id("agentId", q.AgentID, false)
	if q.Status != "" && !slices.Contains(RunStatuses(), q.Status) {
		c.add("status", "must be one of %v", RunStatuses())
	}
	c.cursor("cursor", q.Cursor)
	return c.err("list runs")
}

// Validate returns nil or one CodeInvalidArgument error that names every wrong value.
func (q UsageQuery) Validate() error {
	var c check
	c.id("agentId", q.AgentID, false)
	c.text("principal", q.Principal, false, MaxNameBytes)
	c.id("runId", q.RunID, false)
	if !q.Since.IsZero() && !q.Until.IsZero() && !q.Since.Before(q.Until) {
		c.add("until", "must be after since")
	}
	if q.GroupBy != "" && !slices.Contains(UsageGroupings(), q.GroupBy) {
		c.add("groupBy", "must be one of %v", UsageGroupings())
	}
	c.cursor("cursor", q.Cursor)
	return c.err("report usage")
}

// Validate returns nil or one CodeInvalidArgument error that names every wrong value.
func (q EventQuery) Validate() error {
	var c check
	if _, err := ParseCursor(q.Since.String()); err != nil {
		c.add("since", "must be a cursor that the server sent")
	}
	if _, err := ParseCursor(q.Until.String()); err != nil {
		c.add("until", "must be a cursor that the server sent")
	}
	if len(q.Agents) > MaxFilters {
		c.add("agents", "has %d entries; at most %d are allowed", len(q.Agents), MaxFilters)
	}
	for i, id := range q.Agents[:min(len(q.Agents), MaxFilters)] {
		c.id(fmt.Sprintf("agents[%d]", i), id, true)
	}
	for i, t := range q.Types {
		if !slices.Contains(EventTypes(), t) {
			c.add(fmt.Sprintf("events[%d]", i), "must be one of %v", EventTypes())
			break
		}
	}
	c.id("runId", q.RunID, false)
	return c.err("subscribe to events")
}
