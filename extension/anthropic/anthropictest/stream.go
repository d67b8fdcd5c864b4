package anthropictest

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
	w     http.ResponseWriter
	ctx   context.Context
	reply Reply
	sent  int
}

// stream answers with the events of a reply.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, asked Request, reply Reply) {
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	out := &stream{w: w, ctx: r.Context(), reply: reply}
	start := object{
		"id": "msg_" + w.Header().Get("Request-Id"), "type": "message", "role": "assistant", "content": []any{}, "model": asked.Model,
		"stop_reason": nil, "stop_sequence": nil,
		"usage": object{
			"input_tokens": tokens(asked), "cache_creation_input_tokens": reply.CacheWritten, "cache_read_input_tokens": reply.CacheRead, "output_tokens": 1,
		},
	}
	ok := out.event("message_start", object{"message": start}) && out.event("ping", nil)
	written, thought := 0, 0
	for i, b := range reply.Content {
		n := len(b.Text+b.Thinking+string(b.Input))/4 + 1
		written += n
		if b.Type == "thinking" {
			thought += n
		}
		ok = ok && s.block(out, i, b)
	}
	delta := object{"stop_reason": reply.stop(), "stop_sequence": nil}
	usage := object{"output_tokens": written, "output_tokens_details": object{"thinking_tokens": thought}}
	_ = ok && out.event("message_delta", object{"delta": delta, "usage": usage}) && out.event("message_stop", nil)
}

// tokens returns how many tokens a request has, more or less.
func tokens(r Request) int {
	n := len(r.System.Text())
	for _, m := range r.Messages {
		n += len(m.Content.Text())
	}
	return n/4 + 1
}

// block writes one block of content.
func (s *Server) block(out *stream, index int, b Block) bool {
	var shown object
	var deltas []object
	switch b.Type {
	case "text":
		shown = object{"type": "text", "text": ""}
		for _, piece := range pieces(b.Text) {
			deltas = append(deltas, object{"type": "text_delta", "text": piece})
		}
	case "thinking":
		shown = object{"type": "thinking", "thinking": "", "signature": ""}
		for _, piece := range pieces(b.Thinking) {
			deltas = append(deltas, object{"type": "thinking_delta", "thinking": piece})
		}
		deltas = append(deltas, object{"type": "signature_delta", "signature": s.sign(b.Thinking)})
	case "redacted_thinking":
		shown = object{"type": "redacted_thinking", "data": s.redact()}
	case "tool_use":
		shown = object{"type": "tool_use", "id": b.ID, "name": b.Name, "input": object{}}
		for _, piece := range append([]string{""}, pieces(string(b.Input))...) {
			deltas = append(deltas, object{"type": "input_json_delta", "partial_json": piece})
		}
	}
	ok := out.event("content_block_start", object{"index": index, "content_block": shown})
	for _, d := range deltas {
		ok = ok && out.wait(s.Pace) && out.event("content_block_delta", object{"index": index, "delta": d})
	}
	return ok && out.event("content_block_stop", object{"index": index})
}

// pieces cuts a text into pieces of a few bytes, and in the middle of words.
func pieces(text string) []string {
	var all []string
	for text != "" {
		n := min(5, len(text))
		for n < len(text) && !utf8.RuneStart(text[n]) {
			n++
		}
		all = append(all, text[:n])
		text = text[n:]
	}
	return all
}

// event writes one event, or what goes wrong in its place, and reports whether there is more.
func (o *stream) event(name string, data object) bool {
	if o.reply.Fault != "" && o.sent == o.reply.After {
		o.fail()
		return false
	}
	o.sent++
	whole := object{"type": name}
	for k, v := range data {
		whole[k] = v
	}
	raw, err := json.Marshal(whole)
	if err != nil {
		panic(err) // a block of the test that is no JSON
	}
	return o.write(name, string(raw))
}

func (o *stream) write(name, data string) bool {
	_, err := fmt.Fprintf(o.w, "event: %s\ndata: %s\n\n", name, strings.ReplaceAll(data, "\n", " "))
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
		o.write("content_block_delta", `{"type": "content_block_delta", "index`)
	case Overloaded:
		o.write("error", `{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}`)
	case Failing:
		o.write("error", `{"type": "error", "error": {"type": "api_error", "message": "Internal server error"}}`)
	case Ends:
	default:
		panic("there is no fault " + o.reply.Fault)
	}
}

// wait waits for d, and reports whether somebody still listens.
func (o *stream) wait(d time.Duration) bool {
	if d == 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-o.ctx.Done():
		return false
	}
}
