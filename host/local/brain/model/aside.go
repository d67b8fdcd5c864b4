package model

import (
	"fmt"
	"strings"

	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/schema"
)

// triesAside is how often something is asked aside: nobody has seen the half of an answer, so that it begins anew.
const triesAside = 2

// aside asks the model that thinks now something of which nothing is said, and returns what it answers.
func (t *turn) aside(system, message string, tokens int) (text string, err error) {
	for range triesAside {
		text, err = t.askAside(system, message, tokens)
		if schema.CodeOf(err) != schema.CodeUnavailable || t.ctx.Err() != nil {
			break
		}
	}
	return text, err
}

func (t *turn) askAside(system, message string, tokens int) (string, error) {
	c := t.chain[t.at]
	brains := t.options.Brains()
	if brains == nil || t.own[t.at] != nil {
		return "", schema.Errorf(schema.CodeFailedPrecondition, "no model is there")
	}
	t.asides++
	var text strings.Builder
	ctx := schema.WithCaller(t.ctx, schema.Caller{Principal: t.Principal})
	for e, err := range brains.Think(ctx, schema.ThinkRequest{
		ID: fmt.Sprintf("%s.aside.%d", t.Message.RunID, t.asides), Provider: c.provider, Options: c.options, System: system, MaxTokens: tokens,
		Messages: []schema.ThinkMessage{{Role: schema.ThinkUser, Text: message}},
		AgentID:  t.Agent.ID, ConversationID: t.Message.ConversationID, RunID: t.Message.RunID,
	}) {
		if err != nil {
			return "", err
		}
		text.WriteString(e.Text)
		if e.Done != nil {
			return strings.TrimSpace(text.String()), t.do(brain.Step{Usage: &brain.Usage{Provider: c.provider, Model: e.Done.Model, Tokens: e.Done.Usage}})
		}
		if text.Len() > maxOutputBytes {
			return strings.TrimSpace(text.String()), nil
		}
	}
	return "", schema.Errorf(schema.CodeUnavailable, "the brain ended without saying how")
}

// clipped bounds a text, and shows that there was more.
func clipped(s string, bytes int) string {
	if len(s) <= bytes {
		return s
	}
	const more = "…"
	return cut(s, bytes-len(more)) + more
}
