package model

import (
	"fmt"
	"strings"

	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/schema"
)

// aside asks the model that thinks now something of which nothing is said, and returns what it answers.
func (t *turn) aside(system, message string, tokens int) (string, error) {
	c := t.chain[t.at]
	brains := t.options.Brains()
	if brains == nil || t.own[t.at] != nil {
		return "", schema.Errorf(schema.CodeUnavailable, "no model is there")
	}
	var text strings.Builder
	ctx := schema.WithCaller(t.ctx, schema.Caller{Principal: t.Principal})
	for e, err := range brains.Think(ctx, schema.ThinkRequest{
		ID: fmt.Sprintf("%s.aside", t.Message.RunID), Provider: c.provider, Options: c.options, System: system, MaxTokens: tokens,
		Messages: []schema.ThinkMessage{{Role: schema.ThinkUser, Text: message}},
		AgentID:  t.Agent.ID, ConversationID: t.Message.ConversationID, RunID: t.Message.RunID,
	}) {
		switch {
		case err != nil:
			return "", err
		case e.Done != nil:
			if err := t.do(brain.Step{Usage: &brain.Usage{Provider: c.provider, Model: e.Done.Model, Tokens: e.Done.Usage}}); err != nil {
				return "", err
			}
		}
		text.WriteString(e.Text)
	}
	return strings.TrimSpace(text.String()), nil
}

func clipped(s string, bytes int) string {
	if len(s) <= bytes {
		return s
	}
	return strings.ToValidUTF8(s[:bytes], "") + "…"
}
