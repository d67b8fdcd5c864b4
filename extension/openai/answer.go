package openai

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	api "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/packages/ssestream"

	"github.com/stagehouse/stagehouse/extension/internal/provider"
	"github.com/stagehouse/stagehouse/sdk"
)

// attempt asks for one answer and tells it.
type attempt struct {
	x      *Extension
	params api.ChatCompletionNewParams
	seam   *provider.Seam
	yield  func(sdk.ThinkEvent, error) bool
	left   bool // nobody listens any more

	begun  bool
	model  string
	stop   string // why the answer ends; "" = it has not, yet
	usage  sdk.TokenUsage
	calls  calls
	tags   tags
	key    string // of the reasoning
	reason strings.Builder
}

// run asks, and tells what comes. The error is nil if nobody listens any more.
func (a *attempt) run(ctx context.Context) error {
	stream := a.x.chat.NewStreaming(ctx, a.params)
	defer stream.Close()
	for stream.Next() {
		if !a.take(stream.Current()) {
			a.left = true
			return nil
		}
	}
	if a.stop == "" {
		return a.broken(stream.Err())
	}
	return a.finish() // whatever went wrong since then
}

// broken returns the error of an answer that did not come to its end.
func (a *attempt) broken(err error) error {
	var said *ssestream.StreamError
	var unread *json.SyntaxError
	var mistaken *json.UnmarshalTypeError
	switch {
	case errors.As(err, &said): // in the middle of the stream
		return a.x.client.Failed(provider.ReadFailure(said.Event.Data))
	case errors.As(err, &unread), errors.As(err, &mistaken):
		return a.x.client.Broken("a part of the answer cannot be read")
	case err != nil:
		return err
	case !a.begun:
		return a.x.client.Broken("the answer is none of the Chat Completions API; is extensions.%s.baseUrl right?", a.x.block)
	}
	return a.x.client.Broken("the answer broke off")
}

// take tells what a piece of the answer adds, and reports whether somebody still listens.
func (a *attempt) take(c api.ChatCompletionChunk) bool {
	a.begun = true
	if c.Model != "" {
		a.model = c.Model
	}
	if c.JSON.Usage.Valid() {
		a.usage = usageOf(c.Usage)
	}
	for _, choice := range c.Choices {
		if choice.Index != 0 {
			continue
		}
		key, thought := reasoningOf(choice.Delta)
		if key != "" {
			a.key = key
			a.reason.WriteString(thought)
		}
		more, text := a.tags.next(choice.Delta.Content + choice.Delta.Refusal)
		if !a.tell(thought+more, text) {
			return false
		}
		for _, piece := range choice.Delta.ToolCalls {
			a.calls.add(piece)
		}
		if choice.FinishReason != "" {
			a.stop = choice.FinishReason
		}
	}
	return true
}

func (a *attempt) tell(thought, text string) bool {
	if text != "" {
		text = a.seam.Next(text)
	}
	return (thought == "" || a.yield(sdk.ThinkEvent{Thought: thought}, nil)) && (text == "" || a.yield(sdk.ThinkEvent{Text: text}, nil))
}

// finish tells the rest, the calls, if the model has come so far, and the end.
func (a *attempt) finish() error {
	done := &sdk.ThinkDone{Stop: sdk.StopEnd, Model: a.model, Usage: a.usage}
	if done.Model == "" {
		done.Model = a.params.Model
	}
	var all []*sdk.ToolCall
	var err error
	switch a.stop {
	case "length":
		done.Stop = sdk.StopLength
	case "content_filter":
		done.Stop = sdk.StopFilter
	default: // not all servers say tool_calls
		if all, err = a.calls.whole(); err != nil {
			return a.x.client.Useless("%v", err)
		}
	}
	if len(all) > 0 {
		done.Stop = sdk.StopCalls
		if done.State, err = a.state(); err != nil {
			return err
		}
	}
	ok := a.tell(a.tags.rest())
	for _, c := range all {
		ok = ok && a.yield(sdk.ThinkEvent{Call: c}, nil)
	}
	a.left = !ok || !a.yield(sdk.ThinkEvent{Done: done}, nil)
	return nil
}

func (a *attempt) state() ([]byte, error) {
	if a.key == "" {
		return nil, nil
	}
	return json.Marshal(state{Model: a.params.Model, Key: a.key, Text: a.reason.String()})
}

// usageOf returns what an answer has used. The API counts what is read from the cache with what is read, and reasoning with
// what is written.
func usageOf(u api.CompletionUsage) sdk.TokenUsage {
	return sdk.TokenUsage{
		InputTokens: u.PromptTokens, CachedTokens: u.PromptTokensDetails.CachedTokens,
		OutputTokens: u.CompletionTokens, ReasoningTokens: u.CompletionTokensDetails.ReasoningTokens,
	}
}
