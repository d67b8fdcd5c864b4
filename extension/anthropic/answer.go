package anthropic

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	api "github.com/anthropics/anthropic-sdk-go"

	"github.com/stagehouse/stagehouse/extension/internal/provider"
	"github.com/stagehouse/stagehouse/sdk"
)

// maxPauses is how often a server may pause an answer that is then asked to go on.
const maxPauses = 16

// attempt asks for one answer and tells it.
type attempt struct {
	x      *Extension
	params api.MessageNewParams
	seam   *provider.Seam
	yield  func(sdk.ThinkEvent, error) bool
	left   bool // nobody listens any more

	content []api.ContentBlockUnion
	usage   sdk.TokenUsage
}

// run asks, tells what comes, and asks again while the server has only paused. The error is nil if nobody listens any more.
func (a *attempt) run(ctx context.Context) error {
	for range maxPauses {
		answer, err := a.ask(ctx)
		if err != nil || a.left {
			return err
		}
		a.content = append(a.content, answer.Content...)
		a.usage = a.usage.Add(usageOf(answer.Usage))
		if answer.StopReason != api.StopReasonPauseTurn {
			return a.finish(answer)
		}
		a.params.Messages = append(slices.Clone(a.params.Messages), answer.ToParam())
	}
	return a.x.client.Broken("the answer was paused %d times and did not end", maxPauses)
}

// ask makes one request and tells what comes. It returns the whole answer.
func (a *attempt) ask(ctx context.Context) (answer api.Message, err error) {
	stream := a.x.api.NewStreaming(ctx, a.params)
	defer stream.Close()
	for stream.Next() {
		e := stream.Current()
		if err := answer.Accumulate(e); err != nil {
			return answer, a.x.client.Broken("the answer is out of order: %v", err)
		}
		if e.Type == "message_stop" {
			return answer, nil
		}
		if !a.tell(e) {
			a.left = true
			return answer, nil
		}
	}
	return answer, a.broken(stream.Err(), answer.ID != "")
}

// broken returns the error of an answer that did not come to its end.
func (a *attempt) broken(err error, begun bool) error {
	var said *api.Error
	var unread *json.SyntaxError
	switch {
	case errors.As(err, &said): // in the middle of the stream
		return a.x.client.Failed(provider.ReadFailure([]byte(said.RawJSON())))
	case errors.As(err, &unread):
		return a.x.client.Broken("a part of the answer cannot be read")
	case err != nil:
		return err
	case !begun:
		return a.x.client.Broken("the answer is none of the Messages API; is extensions.%s.baseUrl right?", a.x.block)
	}
	return a.x.client.Broken("the answer broke off")
}

// tell tells what an event adds, and reports whether somebody still listens.
func (a *attempt) tell(e api.MessageStreamEventUnion) bool {
	thought, text := "", ""
	switch {
	case e.Type == "content_block_start":
		thought, text = e.ContentBlock.Thinking, e.ContentBlock.Text
	case e.Delta.Type == "thinking_delta":
		thought = e.Delta.Thinking
	case e.Delta.Type == "text_delta":
		text = e.Delta.Text
	}
	if text != "" {
		text = a.seam.Next(text)
	}
	return (thought == "" || a.yield(sdk.ThinkEvent{Thought: thought}, nil)) && (text == "" || a.yield(sdk.ThinkEvent{Text: text}, nil))
}

// finish tells the calls, if the model has come so far, and the end.
func (a *attempt) finish(answer api.Message) error {
	done := &sdk.ThinkDone{Model: answer.Model, Usage: a.usage}
	var calls []*sdk.ToolCall
	var err error
	switch answer.StopReason {
	case "":
		return a.x.client.Broken("the answer does not say why it ends")
	case api.StopReasonMaxTokens, api.StopReasonModelContextWindowExceeded:
		done.Stop = sdk.StopLength
	case api.StopReasonRefusal:
		done.Stop = sdk.StopFilter
	default:
		if calls, err = a.calls(); err != nil {
			return err
		}
		done.Stop = sdk.StopEnd
	}
	if len(calls) > 0 {
		done.Stop = sdk.StopCalls
	}
	if done.State, err = stateOf(a.params.Model, a.content); err != nil {
		return a.x.client.Broken("the answer cannot be kept: %v", err)
	}
	for _, c := range calls {
		if !a.yield(sdk.ThinkEvent{Call: c}, nil) {
			a.left = true
			return nil
		}
	}
	a.left = !a.yield(sdk.ThinkEvent{Done: done}, nil)
	return nil
}

// calls returns the calls of the answer.
func (a *attempt) calls() ([]*sdk.ToolCall, error) {
	var all []*sdk.ToolCall
	for _, b := range a.content {
		if b.Type != "tool_use" {
			continue
		}
		call := &sdk.ToolCall{ID: b.ID, Name: b.Name}
		if len(b.Input) > 0 && json.Unmarshal(b.Input, &call.Input) != nil {
			return nil, a.x.client.Useless("the input that it has for the tool %s is no JSON object", b.Name)
		}
		all = append(all, call)
	}
	return all, nil
}

// usageOf returns what an answer has used. The API counts what is read from the cache, and written to it, beside the rest.
func usageOf(u api.Usage) sdk.TokenUsage {
	return sdk.TokenUsage{
		InputTokens: u.InputTokens + u.CacheCreationInputTokens + u.CacheReadInputTokens, CachedTokens: u.CacheReadInputTokens,
		OutputTokens: u.OutputTokens, ReasoningTokens: u.OutputTokensDetails.ThinkingTokens,
	}
}
