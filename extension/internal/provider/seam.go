package provider

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/stagehouse/stagehouse/schema"
)

// maxTailBytes is how much of the end of what was said the model says again.
const maxTailBytes = 64

// BrokenOff returns what the agent had said when it was broken off, or "". There is at least one message.
func BrokenOff(all []schema.ThinkMessage) string {
	last := all[len(all)-1]
	if last.Role != schema.ThinkAgent || strings.TrimSpace(last.Text) == "" {
		return ""
	}
	return last.Text
}

// GoOn returns what makes a model go on where it was broken off. Few models and servers take a last message of the model's own to go
// on with, so the user asks for it; that works with all. Nor can a model be relied on to begin with the space, or in
// the middle of the word, that comes next. So it says the end again, and a Seam takes that away.
func GoOn(said string) string {
	return fmt.Sprintf("Your last message was cut off. It ends with <end>%s</end>. Write the rest of it now, and nothing else: begin with exactly "+
		"the text between the tags, without the tags, and go on from there as if it had never been cut. If nothing was missing, write only that text.", tail(said))
}

// tail returns the end of a text, without white space around it, and from the beginning of a word if it has one.
func tail(said string) string {
	said = strings.TrimRightFunc(said, unicode.IsSpace)
	if len(said) <= maxTailBytes {
		return strings.TrimLeftFunc(said, unicode.IsSpace)
	}
	from := len(said) - maxTailBytes
	for !utf8.RuneStart(said[from]) {
		from++
	}
	end := said[from:]
	if i := strings.IndexFunc(end, unicode.IsSpace); i >= 0 {
		end = strings.TrimLeftFunc(end[i:], unicode.IsSpace)
	}
	return end
}

// Seam joins an answer to what was said before it, piece by piece: it takes away the end that is said again. The zero value lets
// everything through.
type Seam struct {
	tail  string // what the answer is expected to begin with; "" = no more
	space string // the white space that was said after it
	held  string // of the answer, not yet told
}

// NewSeam returns the seam after what was said; "" = nothing.
func NewSeam(said string) *Seam {
	if said == "" {
		return &Seam{}
	}
	return &Seam{tail: tail(said), space: said[len(strings.TrimRightFunc(said, unicode.IsSpace)):]}
}

// Next returns what a piece of the answer adds to what was said.
func (s *Seam) Next(piece string) string {
	if s.tail == "" {
		return piece
	}
	s.held += piece
	held := strings.TrimLeftFunc(s.held, unicode.IsSpace)
	rest, again := strings.CutPrefix(held, s.tail)
	switch {
	case !again && strings.HasPrefix(s.tail, held):
		return "" // it may still become the end
	case !again:
		rest = s.held
	case len(rest) < len(s.space) && strings.HasPrefix(s.space, rest):
		return "" // as may this
	default:
		rest = strings.TrimPrefix(rest, s.space)
	}
	*s = Seam{}
	return rest
}
