package openaitest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"
)

type object = map[string]any

// stream writes one answer. Whoever has left ends it.
type stream struct {
	s     *Server
	w     http.ResponseWriter
	ctx   context.Context
	asked Request
	reply Reply
	id    string
	sent  int
	wrote int // tokens
}

// stream answers with the chunks of a reply.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, asked Request, reply Reply) {
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	out := &stream{s: s, w: w, ctx: r.Context(), asked: asked, reply: reply, id: "chatcmpl-" + w.Header().Get("X-Request-Id")}
	ok := out.delta(object{"role": "assistant", "content": "", "refusal": nil}) && out.reasoning() && out.text(reply.Content)
	for i, c := range reply.Calls {
		ok = ok && out.call(i, c)
	}
	ok = ok && out.chunk([]object{{"index": 0, "delta": object{}, "logprobs": nil, "finish_reason": out.stop()}}, nil)
	if ok && asked.StreamOptions != nil && asked.StreamOptions.IncludeUsage && !s.Habits.NoUsage {
		ok = out.chunk([]object{}, out.usage())
	}
	_ = ok && out.write("[DONE]")
}

func (o *stream) stop() string {
	if o.s.Habits.StopsForAll {
		return "stop"
	}
	return o.reply.stop()
}

func (o *stream) reasoning() bool {
	text := o.reply.Reasoning
	switch {
	case text == "":
		return true
	case o.s.Habits.ThinkTags:
		return o.text("\n<think>" + text + "</think>\n\n")
	case o.s.Habits.ReasoningKey == "":
		o.wrote += len(text)/4 + 1
		return true
	}
	ok := true
	for _, piece := range pieces(text) {
		ok = ok && o.wait() && o.delta(object{"content": nil, o.s.Habits.ReasoningKey: piece})
	}
	return ok
}

func (o *stream) text(text string) bool {
	ok := true
	for _, piece := range pieces(text) {
		ok = ok && o.wait() && o.delta(object{"content": piece})
	}
	return ok
}

// call writes one call.
func (o *stream) call(index int, c Call) bool {
	h := o.s.Habits
	if h.NoCallIDs {
		c.ID = ""
	}
	parts := append([]string{""}, pieces(c.Arguments)...)
	if h.WholeCalls {
		parts = []string{c.Arguments}
	}
	ok := true
	for i, part := range parts {
		function, whole := object{"arguments": part}, object{"index": index}
		if h.Objects {
			function["arguments"] = json.RawMessage(part)
		}
		if i == 0 || h.RepeatsNames {
			function["name"], whole["type"] = c.Name, "function"
		}
		if c.ID != "" && (i == 0 || h.RepeatsIDs) {
			whole["id"] = c.ID
		}
		switch {
		case h.NoIndices:
			delete(whole, "index")
		case h.SameIndex:
			whole["index"] = 0
		}
		whole["function"] = function
		ok = ok && o.wait() && o.delta(object{"tool_calls": []object{whole}})
	}
	return ok
}

func (o *stream) delta(d object) bool {
	o.wrote++
	return o.chunk([]object{{"index": 0, "delta": d, "logprobs": nil, "finish_reason": nil}}, nil)
}

// usage returns what was used so far: about a token for four bytes that were read, and one for each piece.
func (o *stream) usage() object {
	read := 3
	for _, m := range o.asked.Messages {
		read += len(m.Text())/4 + 4
	}
	read += o.reply.CacheRead
	return object{
		"prompt_tokens": read, "completion_tokens": o.wrote, "total_tokens": read + o.wrote,
		"prompt_tokens_details":     object{"cached_tokens": o.reply.CacheRead, "audio_tokens": 0},
		"completion_tokens_details": object{"reasoning_tokens": len(o.reply.Reasoning) / 4, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0},
	}
}

// chunk writes one chunk, or what goes wrong in its place, and reports whether there is more.
func (o *stream) chunk(choices []object, usage object) bool {
	if o.sent == o.reply.After {
		if !awaited(o.ctx, o.reply.Gate) {
			return false
		}
		if o.reply.Fault != "" {
			o.fail()
			return false
		}
	}
	o.sent++
	whole := object{
		"id": o.id, "object": "chat.completion.chunk", "created": 1_700_000_000, "model": o.asked.Model,
		"service_tier": "default", "system_fingerprint": "fp_standin", "choices": choices,
	}
	switch {
	case o.s.Habits.UsageAlways:
		whole["usage"] = o.usage()
	case o.asked.StreamOptions != nil && o.asked.StreamOptions.IncludeUsage:
		whole["usage"] = nil
	}
	if usage != nil {
		whole["usage"] = usage
	}
	raw, err := json.Marshal(whole)
	if err != nil {
		panic(err) // arguments of the test that are to be an object, and are none
	}
	return o.write(string(raw))
}

func (o *stream) write(data string) bool {
	_, err := fmt.Fprintf(o.w, "data: %s\n\n", data)
	return err == nil && http.NewResponseController(o.w).Flush() == nil && o.ctx.Err() == nil
}

func (o *stream) fail() {
	switch o.reply.Fault {
	case Cut:
		panic(http.ErrAbortHandler)
	case Stall:
		_ = http.NewResponseController(o.w).Flush() // who has left is seen below
		<-o.ctx.Done()
	case Garbage:
		o.write(`{"id": "chatcmpl-1", "choi`)
	case Failing:
		o.write(`{"error": {"message": "The server had an error while processing your request. Sorry about that!", "type": "server_error", "param": null, "code": null}}`)
	case Limited:
		o.write(`{"error": {"message": "Rate limit reached", "type": "tokens", "param": null, "code": "rate_limit_exceeded"}}`)
	case Ends:
	default:
		panic("there is no fault " + o.reply.Fault)
	}
}

// pieces cuts a text into pieces of a few bytes, and in the middle of words.
func pieces(text string) []string {
	var all []string
	for text = strings.ToValidUTF8(text, "?"); text != ""; {
		n := min(5, len(text))
		for n < len(text) && !utf8.RuneStart(text[n]) {
			n++
		}
		all = append(all, text[:n])
		text = text[n:]
	}
	return all
}

// wait waits for the pace, and reports whether somebody still listens.
func (o *stream) wait() bool {
	if o.s.Pace == 0 {
		return true
	}
	t := time.NewTimer(o.s.Pace)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-o.ctx.Done():
		return false
	}
}
