package model

import (
	"unicode/utf8"

	"github.com/stagehouse/stagehouse/schema"
)

const (
	perMessage    = 4 // tokens that a message takes beside its text
	bytesPerToken = 4 // of English text
)

// tokensOf estimates how many tokens a text has, on the safe side for the tokenizers of today: a token for four ASCII characters,
// which is what English text has on average, and one for each other character, which holds for Chinese and overestimates most
// scripts. Each provider counts in its own way; what was really used is in schema.TokenUsage afterwards.
func tokensOf(s string) int {
	ascii, others := 0, 0
	for _, r := range s {
		if r < utf8.RuneSelf {
			ascii++
		} else {
			others++
		}
	}
	return (ascii+3)/4 + others
}

func tokensOfMessage(m schema.ThinkMessage) int {
	n := perMessage + tokensOf(m.Text)
	for _, c := range m.Calls {
		raw, err := c.Input.MarshalJSON()
		if err == nil {
			n += tokensOf(c.Name) + tokensOf(string(raw))
		}
	}
	for _, r := range m.Results {
		n += perMessage + tokensOf(r.Output)
	}
	return n
}

func tokensOfTools(all []schema.Tool) int {
	n := 0
	for _, t := range all {
		n += perMessage + tokensOf(t.Name) + tokensOf(t.Description) + tokensOf(string(t.InputSchema))
	}
	return n
}
