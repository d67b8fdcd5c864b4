package model

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cenkalti/backoff/v5"

	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/schema"
)

const (
	firstPause    = 250 * time.Millisecond
	longestPause  = 5 * time.Second
	triesOfOthers = 2        // of a provider that is not the last one, while it is not there
	thoughtBytes  = 1 << 10  // of reasoning that is shown at a time
	maxReplyBytes = 63 << 10 // of what is said in a turn, a little below schema.MaxMessageBytes
	minContext    = 500      // tokens, below which a context is not made smaller
	maxHeard      = 1 << 20  // bytes that a model may yield in a step, so that one that goes on for ever is stopped
	maxCalls      = 64       // in a step
	maxBreaks     = 50       // of a step: so often the last provider may break off in the middle, and go on
)

// answer is what came of a step.
type answer struct {
	text     string
	calls    []schema.ToolCall
	stop     schema.StopReason
	state    []byte
	answered bool // by a brain of the host's own, completely
}

// ask has the next step taken: by who thinks now; again while that is not there; by the next one when that is of no use.
func (t *turn) ask(tools []schema.Tool) (answer, error) {
	var a answer
	var failures []string
	r := t.retries()
	t.mused.Reset()
	t.again = ""
	for {
		c, said := t.chain[t.at], len(a.text)
		if t.own[t.at] != nil {
			return answer{answered: true}, t.handOver()
		}
		err := t.attempt(c, tools, &a)
		if err == nil {
			return a, nil
		}
		if t.ctx.Err() != nil {
			return a, context.Cause(t.ctx)
		}
		if isOver(err) || schema.CodeOf(err) == schema.CodeBudgetExceeded { // which is to stop the run, and not to be got round by another
			return a, err
		}
		again, wait := r.again(err, t.at == len(t.chain)-1, len(a.text) > said)
		if schema.CodeOf(err) == schema.CodeTooLarge && t.shrink() {
			again, wait = true, 0
		}
		text := shown(err)
		if again {
			if wait > 0 {
				if err := t.pause(c, text, wait); err != nil {
					return a, err
				}
			}
			continue
		}
		failures = append(failures, c.provider+": "+text)
		if t.at == len(t.chain)-1 {
			return a, failed(failures, err)
		}
		t.at++
		r = t.retries()
		t.translate()
		if err := t.note("%s: %s I go on with %s.", c.provider, sentence(text), t.chain[t.at].provider); err != nil {
			return a, err
		}
	}
}

// translate makes what was said in this turn readable for another provider: it knows no state but its own, and may not take the
// ids that another one gives to calls.
func (t *turn) translate() {
	for i := range t.messages {
		m := &t.messages[i]
		m.State = nil
		for j := range m.Calls {
			m.Calls[j].ID = fmt.Sprintf("call_%d_%d", i, j)
		}
		for j := range m.Results { // of the calls of the message before
			m.Results[j].CallID = fmt.Sprintf("call_%d_%d", i-1, j)
		}
	}
}

// failed says why a turn cannot go on.
func failed(failures []string, last error) error {
	return &schema.Error{Code: schema.CodeOf(last), Message: strings.Join(failures, "; "), RetryAfter: schema.AsError(last).RetryAfter, Cause: last}
}

// shown is the text of an error without its code.
func shown(err error) string { return schema.AsError(err).Message }

func sentence(s string) string {
	if s == "" || strings.ContainsAny(s[len(s)-1:], ".!?") {
		return s
	}
	return s + "."
}

// attempt asks c once. What it says goes to the turn at once, and to a; if a has text already, c goes on where that ends. Calls
// count only when the step has ended well.
func (t *turn) attempt(c candidate, tools []schema.Tool, a *answer) error {
	brains := t.options.Brains()
	if brains == nil {
		return schema.Errorf(schema.CodeNotFound, "there is no brain %.80q; this host has: %s", c.provider, names(nil, t.options.Hosts))
	}
	messages := t.messages
	goesOn := a.text != ""
	if goesOn {
		messages = append(messages[:len(messages):len(messages)], schema.ThinkMessage{Role: schema.ThinkAgent, Text: a.text})
	}
	ctx, cancel := context.WithCancel(schema.WithCaller(t.ctx, schema.Caller{Principal: t.Principal}))
	defer cancel()
	var calls []schema.ToolCall
	t.again = t.mused.String()
	t.mused.Reset()
	heard := 0
	for e, err := range brains.Think(ctx, schema.ThinkRequest{
		ID: fmt.Sprintf("%s.%d", t.Message.RunID, t.steps+1), Provider: c.provider, Options: c.options,
		System: t.system, Messages: messages, Tools: tools, MaxTokens: t.settings.MaxTokens,
		AgentID: t.Agent.ID, ConversationID: t.Message.ConversationID, RunID: t.Message.RunID,
	}) {
		heard += len(e.Thought) + len(e.Text)
		switch {
		case err == nil && (heard > maxHeard || len(calls) > maxCalls):
			return schema.Errorf(schema.CodeFailedPrecondition, "the model does not come to an end: it has yielded %d bytes and %d calls of tools", heard, len(calls))
		case err != nil:
			if over := t.flushThought(); over != nil {
				return over
			}
			return err
		case e.Thought != "":
			err = t.muse(e.Thought)
		case e.Text != "":
			room := maxReplyBytes - t.said.Len()
			if err = t.utter(a, cut(e.Text, room)); err == nil && len(e.Text) > room {
				a.stop = schema.StopLength
				return t.flushThought()
			}
		case e.Call != nil:
			calls = append(calls, sound(*e.Call, calls))
		case e.Done != nil:
			return t.conclude(c, a, calls, *e.Done, goesOn)
		}
		if err != nil {
			return err
		}
	}
	return schema.Errorf(schema.CodeUnavailable, "the brain ended without saying how")
}

// cut returns the beginning of s that fits into so many bytes, without cutting a character apart.
func cut(s string, bytes int) string {
	if len(s) <= bytes {
		return s
	}
	bytes = max(bytes, 0)
	for bytes > 0 && !utf8.RuneStart(s[bytes]) {
		bytes--
	}
	return s[:bytes]
}

// sound returns a call with an id that none of the calls before has, for some providers give none, or always the same, and with a name
// that a provider takes back, for some models make names up.
func sound(c schema.ToolCall, before []schema.ToolCall) schema.ToolCall {
	taken := func(x schema.ToolCall) bool { return x.ID == c.ID }
	for n := len(before) + 1; c.ID == "" || slices.ContainsFunc(before, taken); n++ {
		c.ID = fmt.Sprintf("call_%d", n)
	}
	if !schema.ValidToolName(c.Name) {
		c.Name = cut(strings.Map(func(r rune) rune {
			if schema.ValidToolName(string(r)) {
				return r
			}
			return '_'
		}, c.Name+"_"), 64)
	}
	return c
}

// conclude takes note of how a step ended.
func (t *turn) conclude(c candidate, a *answer, calls []schema.ToolCall, d schema.ThinkDone, goesOn bool) error {
	if err := t.flushThought(); err != nil {
		return err
	}
	if err := t.do(brain.Step{Usage: &brain.Usage{Provider: c.provider, Model: d.Model, Tokens: d.Usage}}); err != nil {
		return err
	}
	a.calls, a.stop = calls, d.Stop
	if !goesOn {
		a.state = d.State
	}
	switch {
	case a.text != "" || len(calls) > 0:
		return nil
	case d.Stop == schema.StopFilter:
		return schema.Errorf(schema.CodeFailedPrecondition, "the provider does not let the model answer this (its content filter)")
	case d.Stop == schema.StopLength:
		return schema.Errorf(schema.CodeFailedPrecondition, "the model has used up its bound of tokens before it said anything; raise maxTokens")
	case t.said.Len() > 0:
		return nil // it has nothing to add
	}
	return schema.Errorf(schema.CodeUnavailable, "the model has answered nothing")
}

// utter says the next piece of a step, below what was said in the steps before.
func (t *turn) utter(a *answer, piece string) error {
	if err := t.flushThought(); err != nil {
		return err
	}
	if a.text == "" && strings.TrimSpace(piece) == "" {
		return nil
	}
	if a.text == "" && t.said.Len() > 0 {
		if err := t.say("\n\n"); err != nil {
			return err
		}
	}
	a.text += piece
	return t.say(piece)
}

// muse gathers reasoning, and shows it a paragraph or so at a time.
func (t *turn) muse(piece string) error {
	t.mused.WriteString(piece)
	if piece = t.news(piece); piece == "" {
		return nil
	}
	t.thinking.WriteString(piece)
	text := t.thinking.String()
	cut := strings.LastIndex(text, "\n\n")
	if cut <= 0 && len(text) >= thoughtBytes {
		cut = strings.LastIndexAny(text, " \n")
	}
	if cut <= 0 && len(text) < 4*thoughtBytes {
		return nil
	}
	if cut <= 0 {
		cut = len(text)
	}
	t.thinking.Reset()
	t.thinking.WriteString(text[cut:])
	return t.reveal(text[:cut])
}

// news returns what of a piece of reasoning was not shown already, before its step broke off.
func (t *turn) news(piece string) string {
	switch {
	case strings.HasPrefix(t.again, piece):
		t.again = t.again[len(piece):]
		return ""
	case strings.HasPrefix(piece, t.again):
		piece = piece[len(t.again):]
	}
	t.again = ""
	return piece
}

func (t *turn) flushThought() error {
	text := t.thinking.String()
	t.thinking.Reset()
	return t.reveal(text)
}

func (t *turn) reveal(text string) error {
	if text = strings.TrimSpace(text); text == "" {
		return nil
	}
	return t.do(brain.Step{Thought: text})
}

// pause waits before a provider is asked again, and says so.
func (t *turn) pause(c candidate, why string, wait time.Duration) error {
	if err := t.note("%s: %s I ask again.", c.provider, sentence(why)); err != nil {
		return err
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-t.ctx.Done():
		return context.Cause(t.ctx)
	}
}

// retries decides how often one provider is asked for one step.
type retries struct {
	pauses   *backoff.ExponentialBackOff
	tries    int
	failing  time.Time // since when it has not said anything; zero = it has
	patience time.Duration
}

func (t *turn) retries() *retries {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval = firstPause, longestPause
	return &retries{pauses: b, patience: t.options.Patience}
}

// again reports whether, and after what pause, a provider is asked again after err: while it is not there or has too much to do;
// the last one for as long as there is patience, which begins anew when it has said something, the others a second time.
func (r *retries) again(err error, last, progress bool) (bool, time.Duration) {
	r.tries++
	switch schema.CodeOf(err) {
	case schema.CodeUnavailable, schema.CodeRateLimited, schema.CodeBusy, schema.CodeDeadlineExceeded:
	default:
		return false, 0
	}
	if progress {
		r.pauses.Reset()
	}
	if progress || r.failing.IsZero() {
		r.failing = time.Now()
	}
	wait := max(r.pauses.NextBackOff(), schema.AsError(err).RetryAfter)
	if !last {
		return r.tries < triesOfOthers && schema.AsError(err).RetryAfter <= firstPause, wait
	}
	return r.tries < maxBreaks && time.Since(r.failing)+wait <= r.patience, wait
}
