package sdk

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"reflect"

	"github.com/stagehouse/stagehouse/schema"
)

// Thinker is implemented by an extension that thinks for agents: a model, or a provider of models. An agent has it as its brain if
// its field "brain" names the extension, as the configuration calls it, so that two blocks with the same program are two brains.
// Brain is called on a struct that nothing has been started of, too, when the host asks what the extension is: it says what
// there is and does nothing. What it returns is called after Start has returned, several at a time.
type Thinker interface {
	Brain() Brain
}

// ThinkRequest and the others are what a brain is asked, and what it answers. See package schema for each.
type (
	ThinkRequest = schema.ThinkRequest
	ThinkMessage = schema.ThinkMessage
	ThinkEvent   = schema.ThinkEvent
	ThinkDone    = schema.ThinkDone
	ToolCall     = schema.ToolCall
	ToolResult   = schema.ToolResult
	Tool         = schema.Tool
	TokenUsage   = schema.TokenUsage
	EmbedRequest = schema.EmbedRequest
	Embeddings   = schema.Embeddings
)

// Whose a ThinkMessage is, and why a model stopped.
const (
	ThinkUser  = schema.ThinkUser
	ThinkAgent = schema.ThinkAgent
	ThinkTools = schema.ThinkTools

	StopEnd    = schema.StopEnd
	StopCalls  = schema.StopCalls
	StopLength = schema.StopLength
	StopFilter = schema.StopFilter
)

// Brain is what an extension thinks with. NewBrain makes it.
type Brain struct {
	info  schema.BrainInfo
	think func(ctx context.Context, r ThinkRequest) iter.Seq2[ThinkEvent, error]
	embed func(ctx context.Context, r EmbedRequest) (Embeddings, error)
	err   error // what is wrong with it
}

// BrainOption changes what NewBrain makes.
type BrainOption func(*Brain)

// Embeds is for a brain that makes vectors of texts, too. It returns one for each, all of one length.
func Embeds(embed func(ctx context.Context, r EmbedRequest) (Embeddings, error)) BrainOption {
	return func(b *Brain) { b.embed, b.info.Embeds = embed, true }
}

// NewBrain returns a brain. Options is a struct: what an agent may say beside the provider's name in its field "brain", such as
// a model. Its JSON Schema is derived with the tags that [ConfigSchema] knows, so that what think is called with fits.
//
// think takes one step: it yields pieces of reasoning and of text as they come, whole calls of tools, and last, once, how the
// step ended. It keeps nothing of it: the host has the conversation, carries the tools out, and asks again, in another process
// if this one dies. If the last message is the agent's own, the model goes on where it ends. The context ends when nobody
// wants the answer any more; then a request to a server is cut off. See schema.Brains for the errors. A step that is under
// way when the extension drains is waited for.
func NewBrain[Options any](
	description string, think func(ctx context.Context, r ThinkRequest, o Options) iter.Seq2[ThinkEvent, error], opts ...BrainOption,
) Brain {
	b := Brain{info: schema.BrainInfo{Description: description}}
	for _, o := range opts {
		o(&b)
	}
	if b.info.OptionsSchema, b.err = typeSchema(reflect.TypeFor[Options]()); b.err != nil {
		b.err = fmt.Errorf("the options of the brain: %w", b.err)
		return b
	}
	b.err = b.info.Validate()
	b.think = func(ctx context.Context, r ThinkRequest) iter.Seq2[ThinkEvent, error] {
		var o Options
		if err := decodeOptions(b.info.OptionsSchema, r.Options, &o); err != nil {
			return func(yield func(ThinkEvent, error) bool) { yield(ThinkEvent{}, err) }
		}
		return think(ctx, r, o)
	}
	return b
}

func decodeOptions(raw json.RawMessage, options Object, into any) error {
	err := schema.AsError(decodeInput(raw, options, into))
	if err == nil {
		return nil
	}
	for i := range err.Fields {
		err.Fields[i].Location = "/brain" + err.Fields[i].Location
	}
	err.Message = "the options of the brain do not fit: " + fieldTexts(err.Fields)
	return err
}

// brainOf returns the brain of an extension, nil if it has none, or what is wrong with it.
func brainOf(log *slog.Logger, ext Extension) (*Brain, error) {
	x, ok := ext.(Thinker)
	if !ok {
		return nil, nil
	}
	var b Brain
	if err := contain(log, "Brain", func() error { b = x.Brain(); return nil }); err != nil {
		return nil, err
	}
	switch {
	case b.err != nil:
		return nil, b.err
	case b.think == nil:
		return nil, fmt.Errorf("the brain was not made by sdk.NewBrain")
	}
	return &b, nil
}
