package schema

import (
	"context"
	"encoding/json"
	"iter"
	"slices"
	"strings"
)

// GrantBrain is what an extension is granted, beside services, so that it thinks for agents.
const GrantBrain = "brain"

// Bounds of a brain. What is asked of one has at most MaxThinkBytes of text in all.
const (
	MaxThinkBytes    = 8 << 20
	MaxEmbedTexts    = 256
	maxToolNameBytes = 64
)

// Brains is what thinks for agents: chat models, each offered by an extension, which keeps nothing of what it is asked. The host
// offers them to a runtime. Whoever calls it carries in the context the caller on whose behalf it does.
type Brains interface {
	// List returns the brains that are offered now, by provider. It changes when extensions do.
	List(ctx context.Context) ([]BrainInfo, error)
	// Think takes one step: the brain reads the request and yields what comes of it, piece by piece; the last event, and no
	// other, has Done. Breaking out of it, and the end of ctx, stop the brain and cost no more.
	//
	// CodeNotFound says that there is no such brain, CodeUnavailable that its extension is not there, or went away in the middle,
	// or that nobody answers behind it; CodeInvalidArgument that the options or the request cannot be, CodeTooLarge that the
	// model takes no text as long as that, CodeRateLimited and CodeBusy that it must wait (Error.RetryAfter),
	// CodeUnauthenticated and CodePermissionDenied that its provider does not accept the key, CodeDeadlineExceeded that it took
	// too long. A step that is under way when its extension is replaced ends where it began.
	Think(ctx context.Context, r ThinkRequest) iter.Seq2[ThinkEvent, error]
	// Embed returns one vector for each text, in order. CodeUnimplemented, if the brain has no embeddings.
	Embed(ctx context.Context, r EmbedRequest) (Embeddings, error)
}

// BrainInfo is a brain that is offered.
type BrainInfo struct {
	Provider      string          `json:"provider,omitempty"` // by which agents name it: its extension's name in the configuration
	Description   string          `json:"description"`        // for a person
	OptionsSchema json.RawMessage `json:"optionsSchema"`      // JSON Schema 2020-12 of the object of its options, in Brain.Options
	Embeds        bool            `json:"embeds"`             // whether Embed works
}

// Validate returns nil or what is wrong with the offer.
func (b BrainInfo) Validate() error {
	switch {
	case strings.TrimSpace(b.Description) == "" || len(b.Description) > MaxDescriptionBytes:
		return Errorf(CodeInvalidArgument, "the brain needs a description of at most %d bytes", MaxDescriptionBytes)
	case !isObject(b.OptionsSchema):
		return Errorf(CodeInvalidArgument, "the options of the brain are not described by a JSON Schema")
	}
	return nil
}

// ThinkRequest is one step that a brain is to take.
type ThinkRequest struct {
	ID        string         // of the step: unlike that of any other one, and the same when it is asked for again
	Provider  string         // who is to think
	Options   Object         // its own ones, such as the model; what an agent's brain says to the host is not among them
	System    string         // who the model is to be, and what it should know
	Messages  []ThinkMessage // oldest first, and at least one
	Tools     []Tool         // that it may call
	MaxTokens int            // that it may answer; 0 = as the options, or the provider, have it

	AgentID, ConversationID, RunID string // what for; may be empty
}

// ThinkRole says whose a message is.
type ThinkRole string

// The roles.
const (
	ThinkUser  ThinkRole = "user"
	ThinkAgent ThinkRole = "agent" // of the model itself
	ThinkTools ThinkRole = "tools" // the results of the calls in the message before
)

// ThinkMessage is one message as a model has it.
//
// A last message that is the agent's own, and has no calls, was broken off: the model goes on where it ends, repeating nothing.
type ThinkMessage struct {
	Role    ThinkRole
	Text    string
	Calls   []ToolCall   // of the agent
	Results []ToolResult // for ThinkTools, one for each call
	State   []byte       // of the agent: ThinkDone.State, for the same provider and run only, or nothing
}

// Tool is something that a model may have done.
type Tool struct {
	Name        string // 1 to 64 of a-z A-Z 0-9 _ -
	Description string
	InputSchema json.RawMessage // JSON Schema of an object
}

// ToolCall is a call that a model makes. It is whole: a provider gathers its pieces.
type ToolCall struct {
	ID    string // the provider's
	Name  string
	Input Object // which may not fit the schema
}

// ToolResult is what came of a call.
type ToolResult struct {
	CallID string
	Name   string
	Output string // JSON, or a text for the model
	Failed bool
}

// ThinkEvent is one thing that comes of a step: exactly one field is set.
type ThinkEvent struct {
	Thought string // the next piece of its reasoning, as far as the provider shows it
	Text    string // the next piece of what it says
	Call    *ToolCall
	Done    *ThinkDone // the last
}

// ThinkDone ends a step.
type ThinkDone struct {
	Stop  StopReason
	Model string // that answered, as the provider calls it
	Usage TokenUsage
	State []byte // what the provider wants to have again in ThinkMessage.State, such as signed reasoning
}

// StopReason says why a model stopped.
type StopReason string

// The reasons.
const (
	StopEnd    StopReason = "end"    // it has said all
	StopCalls  StopReason = "calls"  // it waits for the results of its calls
	StopLength StopReason = "length" // it may answer no more tokens
	StopFilter StopReason = "filter" // its provider does not let it answer
)

// TokenUsage is what a step has used, as its provider counts it.
type TokenUsage struct {
	InputTokens     int64 `json:"inputTokens" doc:"Read, those from a cache included"`
	CachedTokens    int64 `json:"cachedTokens" doc:"Of them, those that were read from the provider's cache"`
	OutputTokens    int64 `json:"outputTokens" doc:"Written, those of reasoning included"`
	ReasoningTokens int64 `json:"reasoningTokens" doc:"Of them, those of reasoning"`
}

// Add returns the sum of both.
func (u TokenUsage) Add(v TokenUsage) TokenUsage {
	return TokenUsage{
		InputTokens: u.InputTokens + v.InputTokens, CachedTokens: u.CachedTokens + v.CachedTokens,
		OutputTokens: u.OutputTokens + v.OutputTokens, ReasoningTokens: u.ReasoningTokens + v.ReasoningTokens,
	}
}

// EmbedRequest is texts to be embedded.
type EmbedRequest struct {
	Provider string
	Model    string   // "" = the provider's own choice
	Texts    []string // 1 to MaxEmbedTexts
}

// Embeddings are vectors of one length, which compare with those of the same model only.
type Embeddings struct {
	Model   string // that made them, as the provider calls it
	Vectors [][]float32
	Usage   TokenUsage
}

// Validate returns nil or what is wrong with the request.
func (r ThinkRequest) Validate() error {
	if r.Provider == "" {
		return Invalid("provider", "must not be empty")
	}
	if len(r.Messages) == 0 {
		return Invalid("messages", "must not be empty")
	}
	if r.MaxTokens < 0 {
		return Invalid("maxTokens", "must not be negative")
	}
	for _, t := range r.Tools {
		if !ValidToolName(t.Name) || !isObject(t.InputSchema) {
			return Invalid("tools", "%.80q needs a name of 1 to %d of a-z, A-Z, 0-9, _ and -, and a JSON Schema", t.Name, maxToolNameBytes)
		}
	}
	size := len(r.System)
	for i, m := range r.Messages {
		if err := m.validate(i, r.Messages); err != nil {
			return err
		}
		size += m.size()
	}
	if size > MaxThinkBytes {
		return Errorf(CodeTooLarge, "the messages have %d bytes; at most %d are allowed", size, MaxThinkBytes)
	}
	return nil
}

func (m ThinkMessage) validate(i int, all []ThinkMessage) error {
	own := m.Role == ThinkAgent
	switch {
	case !slices.Contains([]ThinkRole{ThinkUser, ThinkAgent, ThinkTools}, m.Role):
		return Invalid("messages", "number %d is of nobody that there is: %.80q", i+1, m.Role)
	case !own && (len(m.Calls) > 0 || len(m.State) > 0), m.Role != ThinkTools && len(m.Results) > 0:
		return Invalid("messages", "number %d has what is not of the role %s", i+1, m.Role)
	case m.Role == ThinkTools && (i == 0 || len(m.Results) == 0 || len(m.Results) != len(all[i-1].Calls)):
		return Invalid("messages", "number %d needs one result for each call of the message before", i+1)
	case own && len(m.Calls) > 0 && i == len(all)-1:
		return Invalid("messages", "the calls of the last message have no results")
	}
	return nil
}

func (m ThinkMessage) size() int {
	n := len(m.Text) + len(m.State)
	for _, r := range m.Results {
		n += len(r.Output)
	}
	return n
}

// ValidToolName reports whether every model takes s as the name of a tool.
func ValidToolName(s string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
	return s != "" && len(s) <= maxToolNameBytes && strings.Trim(s, letters) == ""
}

// Validate returns nil or what is wrong with the request.
func (r EmbedRequest) Validate() error {
	size := 0
	for _, t := range r.Texts {
		size += len(t)
	}
	switch {
	case r.Provider == "":
		return Invalid("provider", "must not be empty")
	case len(r.Texts) == 0 || len(r.Texts) > MaxEmbedTexts:
		return Invalid("texts", "must be 1 to %d", MaxEmbedTexts)
	case size > MaxThinkBytes:
		return Errorf(CodeTooLarge, "the texts have %d bytes; at most %d are allowed", size, MaxThinkBytes)
	}
	return nil
}
