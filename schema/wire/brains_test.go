package wire_test

import (
	"context"
	"fmt"
	"iter"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/wire"
)

// minds are brains of which a test says what they think.
type minds struct {
	list  []schema.BrainInfo
	think func(context.Context, schema.ThinkRequest) iter.Seq2[schema.ThinkEvent, error]
}

func (m minds) List(context.Context) ([]schema.BrainInfo, error) { return m.list, nil }

func (m minds) Think(ctx context.Context, r schema.ThinkRequest) iter.Seq2[schema.ThinkEvent, error] {
	return m.think(ctx, r)
}

func (m minds) Embed(_ context.Context, r schema.EmbedRequest) (schema.Embeddings, error) {
	if r.Provider != "openai" {
		return schema.Embeddings{}, schema.Errorf(schema.CodeNotFound, "who?")
	}
	return schema.Embeddings{Model: "e", Vectors: [][]float32{{1, 2}}, Usage: schema.TokenUsage{InputTokens: 3}}, nil
}

func aStep() schema.ThinkRequest {
	return schema.ThinkRequest{
		ID: "run_1.2", Provider: "openai", Options: schema.Object{"model": "ü"}, System: "You are.", MaxTokens: 7,
		Messages: []schema.ThinkMessage{
			{Role: schema.ThinkUser, Text: "七"},
			{Role: schema.ThinkAgent, Calls: []schema.ToolCall{{ID: "c", Name: "roll", Input: schema.Object{"x": "y"}}}, State: []byte{0, 255}},
			{Role: schema.ThinkTools, Results: []schema.ToolResult{{CallID: "c", Name: "roll", Output: "6", Failed: true}}},
		},
		Tools:   []schema.Tool{{Name: "roll", Description: "Rolls.", InputSchema: []byte(`{"type":"object"}`)}},
		AgentID: "nyx", ConversationID: "conv_1", RunID: "run_1",
	}
}

func TestARuntimeHasTheBrainsOfItsHost(t *testing.T) {
	info := schema.BrainInfo{Provider: "openai", Description: "Thinks.", OptionsSchema: []byte(`{"type":"object"}`), Embeds: true}
	want := []schema.ThinkEvent{
		{Thought: "Hm."}, {Text: "一"}, {Call: &schema.ToolCall{ID: "d", Name: "roll", Input: schema.Object{"n": "1"}}},
		{Done: &schema.ThinkDone{Stop: schema.StopCalls, Model: "m", Usage: schema.TokenUsage{InputTokens: 1, CachedTokens: 2, OutputTokens: 3, ReasoningTokens: 4}, State: []byte("s")}},
	}
	var caller schema.Caller
	h := dialHost(t, schema.HostServices{Brains: minds{list: []schema.BrainInfo{info}, think: func(ctx context.Context, r schema.ThinkRequest) iter.Seq2[schema.ThinkEvent, error] {
		caller = schema.CallerFrom(ctx)
		if got, want := fmt.Sprintf("%+v", r), fmt.Sprintf("%+v", aStep()); got != want { // nil or empty is the same
			t.Errorf("the host is asked %s, want %s", got, want)
		}
		return func(yield func(schema.ThinkEvent, error) bool) {
			for _, e := range want {
				if !yield(e, nil) {
					return
				}
			}
		}
	}}})
	if list, err := h.Brains.List(t.Context()); err != nil || !reflect.DeepEqual(list, []schema.BrainInfo{info}) {
		t.Errorf("listed %+v, %v", list, err)
	}
	var got []schema.ThinkEvent
	for e, err := range h.Brains.Think(as(t, "ann", schema.ScopeChat), aStep()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e)
	}
	if !reflect.DeepEqual(got, want) || caller.Principal != "ann" {
		t.Errorf("%s hears %+v, want %+v", caller.Principal, got, want)
	}
	e, err := h.Brains.Embed(t.Context(), schema.EmbedRequest{Provider: "openai", Texts: []string{"x"}})
	if err != nil || e.Model != "e" || len(e.Vectors) != 1 || e.Usage.InputTokens != 3 {
		t.Errorf("embedded %+v, %v", e, err)
	}
	_, err = h.Brains.Embed(t.Context(), schema.EmbedRequest{Provider: "nobody", Texts: []string{"x"}})
	wantCode(t, err, schema.CodeNotFound)
	_, err = h.Brains.Embed(t.Context(), schema.EmbedRequest{Provider: "openai", Texts: []string{"x", "y"}})
	wantCode(t, err, schema.CodeInternal) // one vector for two texts
	_, err = wire.DialHost(serving(t, func(r grpc.ServiceRegistrar) { wire.RegisterHost(r, schema.HostServices{}) }), []string{schema.ServiceBrains}).Brains.List(t.Context())
	wantCode(t, err, schema.CodeUnimplemented)
}

// TestErrorsOfTheBrainsOfAHost: what was said before an error arrives, an error keeps what it says, and who breaks off stops the brain.
func TestErrorsOfTheBrainsOfAHost(t *testing.T) {
	stopped := make(chan struct{})
	h := dialHost(t, schema.HostServices{Brains: minds{think: func(ctx context.Context, r schema.ThinkRequest) iter.Seq2[schema.ThinkEvent, error] {
		return func(yield func(schema.ThinkEvent, error) bool) {
			if !yield(schema.ThinkEvent{Text: "so far"}, nil) {
				return
			}
			if r.System == "wait" {
				<-ctx.Done()
				close(stopped)
				return
			}
			yield(schema.ThinkEvent{}, &schema.Error{Code: schema.CodeRateLimited, Message: "too much", RetryAfter: 7 * time.Second})
		}
	}}})
	said := ""
	var last error
	for e, err := range h.Brains.Think(t.Context(), aStep()) {
		said, last = said+e.Text, err
	}
	if e := schema.AsError(last); said != "so far" || e == nil || e.Code != schema.CodeRateLimited || e.RetryAfter != 7*time.Second || wire.NotBegun(last) || !wire.Answered(last) {
		t.Errorf("it says %q and fails with %#v", said, last)
	}
	q := aStep()
	q.System = "wait"
	for range h.Brains.Think(t.Context(), q) {
		break
	}
	select {
	case <-stopped:
	case <-time.After(10 * time.Second):
		t.Error("the brain thinks on although nobody listens")
	}
	q.Messages = nil
	for _, err := range h.Brains.Think(t.Context(), q) {
		wantCode(t, err, schema.CodeInvalidArgument)
		if !strings.Contains(err.Error(), "messages") {
			t.Errorf("no messages: %v", err)
		}
	}
}
