package schema

import "encoding/json"

// Description is what an extension says about itself without being run.
type Description struct {
	Name         string          `json:"name"`
	Version      string          `json:"version"`
	Summary      string          `json:"summary,omitempty"`
	Protocol     int             `json:"protocol"`         // major version of the boundary that it speaks
	Requires     []string        `json:"requires"`         // services that it cannot do without
	Offers       []string        `json:"offers,omitempty"` // services that it has, if it is a runtime
	ConfigSchema json.RawMessage `json:"configSchema"`     // JSON Schema 2020-12 of its config block
	Commands     []Command       `json:"commands,omitempty"`
	Brain        *BrainInfo      `json:"brain,omitempty"` // that agents may think with; its provider is empty
}

// Severity says how bad a problem is.
type Severity string

// The severities.
const (
	SeverityError   Severity = "error"   // nothing starts with it
	SeverityWarning Severity = "warning" // it starts, and somebody should know
)

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	Severity   Severity `json:"severity"`
	Pointer    string   `json:"pointer"`              // RFC 6901, relative to the document that was checked; "" = all of it
	Message    string   `json:"message"`              // what is wrong
	Suggestion string   `json:"suggestion,omitempty"` // what to do
}

// CheckResult is what an extension answers when it is asked to check a config block.
type CheckResult struct {
	Description Description `json:"description"`
	Problems    []Problem   `json:"problems"`
}
