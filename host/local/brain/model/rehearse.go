package model

import (
	"fmt"
	"strings"
)

// rehearse says what would be asked, and of whom, and asks nobody.
func (t *turn) rehearse() error {
	c := t.chain[t.at]
	whom := c.provider
	if m, ok := c.options["model"].(string); ok {
		whom += " (" + m + ")"
	}
	total := tokensOf(t.system) + tokensOfTools(t.tools)
	for _, m := range t.messages {
		total += tokensOfMessage(m)
	}
	var tools []string
	for _, x := range t.tools {
		tools = append(tools, x.Name)
	}
	text := fmt.Sprintf("This is a dry run, and nobody was asked. I would ask %s with about %d tokens of at most %d: %d messages, a system text of %d tokens",
		whom, total, t.budget, len(t.messages), tokensOf(t.system))
	if len(tools) > 0 {
		text += ", and the tools " + strings.Join(tools, ", ")
	}
	return t.say(text + ".")
}
