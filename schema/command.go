package schema

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// GrantCommands is what an extension is granted, beside services, so that agents have its commands.
const GrantCommands = "commands"

// Bounds of a command. Its input and its result have at most MaxObjectBytes.
const (
	DefaultCommandTimeout = 30 * time.Second
	MaxCommandTimeout     = 10 * time.Minute
	maxCommandName        = 64
)

// Command is something that an extension lets agents do: a tool, as models call it.
type Command struct {
	Name         string          `json:"name"`         // 1 to 64 of a-z 0-9 _ -, a letter first
	Description  string          `json:"description"`  // what it does and when it is of use, for a person or a model
	InputSchema  json.RawMessage `json:"inputSchema"`  // JSON Schema 2020-12 of an object
	OutputSchema json.RawMessage `json:"outputSchema"` // the same, of what comes of it
	Scope        Scope           `json:"scope"`        // that whoever speaks to the agent must have
	TimeoutMs    int64           `json:"timeoutMs"`    // after which it has failed
}

// Timeout returns how long the command may take.
func (c Command) Timeout() time.Duration { return time.Duration(c.TimeoutMs) * time.Millisecond }

// Validate returns nil or what is wrong with the command.
func (c Command) Validate() error {
	switch {
	case !ValidCommandName(c.Name):
		return Errorf(CodeInvalidArgument, "%.80q cannot be the name of a command; use 1 to %d of a-z, 0-9, _ and -, a letter first", c.Name, maxCommandName)
	case strings.TrimSpace(c.Description) == "" || len(c.Description) > MaxDescriptionBytes:
		return Errorf(CodeInvalidArgument, "the command %s needs a description of at most %d bytes", c.Name, MaxDescriptionBytes)
	case !isObject(c.InputSchema) || !isObject(c.OutputSchema):
		return Errorf(CodeInvalidArgument, "the command %s has an input or an output that is not described by a JSON Schema", c.Name)
	case !slices.Contains(Scopes(), c.Scope):
		return Errorf(CodeInvalidArgument, "the command %s needs the scope %q; the scopes are %v", c.Name, c.Scope, Scopes())
	case c.TimeoutMs < 1 || c.Timeout() > MaxCommandTimeout:
		return Errorf(CodeInvalidArgument, "the command %s may take %v; that must be more than nothing and at most %v", c.Name, c.Timeout(), MaxCommandTimeout)
	}
	return nil
}

// ValidCommandName reports whether s can be the name of a command. Models take it as the name of a tool, too.
func ValidCommandName(s string) bool {
	return s != "" && len(s) <= maxCommandName && 'a' <= s[0] && s[0] <= 'z' && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_-") == ""
}

func isObject(b json.RawMessage) bool {
	var o Object
	return json.Unmarshal(b, &o) == nil && o != nil
}

// CommandCall is one command to be carried out, for the turn of an agent. The caller of its context is who speaks to the agent.
type CommandCall struct {
	ID             string // of the call: unlike that of any other one
	Name           string
	Input          Object
	AgentID        string
	ConversationID string
	RunID          string
}

// Commands is what extensions let agents do. The host offers it to a runtime.
type Commands interface {
	// List returns the commands that the caller may have carried out, by name. It changes when extensions do.
	List(ctx context.Context) ([]Command, error)
	// Run carries a command out. CodeNotFound if there is none of that name, CodePermissionDenied if the caller lacks its
	// scope, CodeInvalidArgument with the places of what does not fit its input schema, CodeDeadlineExceeded after its time.
	// CodeUnavailable says that its extension is not there, or went away; then it may have been carried out or not, if the
	// message says so. A command that is under way when its extension is replaced ends where it began.
	Run(ctx context.Context, c CommandCall) (Object, error)
}
