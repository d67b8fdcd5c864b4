package model

import (
	"fmt"
	"strings"

	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/schema"
)

// Rehearses reports whether a turn asks nobody, and says what would be asked.
func (b *Brain) Rehearses(t brain.Turn) bool { return b.settings.DryRun || t.Dry() }

// rehearse says what would be asked, of whom, and what about that would cost, and asks nobody.
func (t *turn) rehearse() error {
	c := t.chain[t.at]
	if t.own[t.at] != nil {
		return t.say(brain.DryReply(c.provider))
	}
	if err := t.gather(); err != nil {
		return err
	}
	model, _ := c.options["model"].(string)
	whom := c.provider
	if model != "" {
		whom += " (" + model + ")"
	}
	total := tokensOf(t.system) + tokensOfTools(t.tools)
	for _, m := range t.messages {
		total += tokensOfMessage(m)
	}
	var tools []string
	for _, x := range t.tools {
		tools = append(tools, x.Name)
	}
	text := fmt.Sprintf("This is a dry run, and nobody was asked. I would ask %s with about %d tokens of at most %d: %d of the messages of the conversation, a system text of %d tokens",
		whom, total, t.budget, len(t.messages), tokensOf(t.system))
	if len(tools) > 0 {
		text += ", and the tools " + strings.Join(tools, ", ")
	}
	return t.say(text + "." + t.priced(c.provider, model, total))
}

// usualAnswer is how many tokens an answer is priced with that has no bound.
const usualAnswer = 1000

// priced says what a step of so many tokens would cost, "" if nothing has a price.
func (t *turn) priced(provider, model string, tokens int) string {
	if t.options.Cost == nil {
		return ""
	}
	read := t.options.Cost(provider, model, schema.TokenUsage{InputTokens: int64(tokens)})
	if read == "" {
		return ""
	}
	size, answer := "at most", t.settings.MaxTokens
	if answer == 0 {
		size, answer = "say", usualAnswer
	}
	written := t.options.Cost(provider, model, schema.TokenUsage{OutputTokens: int64(answer)})
	if written == read { // there is no price
		return " That would cost " + read + "."
	}
	return fmt.Sprintf(" To read that would cost about %s, and an answer of %s %d tokens %s more; each step after a tool as much again.", read, size, answer, written)
}
