package character

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/stagehouse/stagehouse/host/internal/strictjson"
	"github.com/stagehouse/stagehouse/schema"
)

// MaxForeignBytes bounds a file of another format: a card may be a picture.
const MaxForeignBytes = 32 << 20

// Converted is what came of a file of another format.
type Converted struct {
	Character Character
	Format    string // in words
	Lost      []Lost // what the character does not have, ordered by Place
}

// Lost is something of another format that a character does not have.
type Lost struct {
	Place string // JSON pointer in the other file
	Why   string
}

// errFormat says that a text is of no format that Convert knows.
var errFormat = errors.New(`this is no character that can be converted: it is neither a character card (an object with "spec": "chara_card_v2", ` +
	`or a PNG image with one inside) nor a SYMindX character (an object with "personality", "core", "lore" or "psyche")`)

// Convert makes a character of a SYMindX character, or of a character card (v2, and v1 and v3 as far as they are the same), which
// may be in a PNG image. It finds out which it is. Whatever has a value and is not carried over is in Lost. The character has no id:
// the name of its file, id, is one.
func Convert(id string, text []byte) (Converted, error) {
	if len(text) > MaxForeignBytes {
		return Converted{}, fmt.Errorf("it has %d bytes; at most %d are read", len(text), MaxForeignBytes)
	}
	in := ""
	if isPNG(text) {
		var err error
		if text, err = cardInPNG(text); err != nil {
			return Converted{}, err
		}
		in = " in a PNG image"
	}
	doc, err := strictjson.Decode(bytes.TrimPrefix(text, []byte("\ufeff")))
	if err != nil {
		return Converted{}, err
	}
	object, ok := doc.(map[string]any)
	if !ok {
		return Converted{}, errFormat
	}
	s := &source{doc: object, used: map[string]bool{}}
	var c Converted
	switch {
	case s.isCard():
		c.Character, c.Format = s.card()
	case s.isSYMindX():
		c.Character, c.Format = s.symindx(id), "SYMindX character"
	default:
		return Converted{}, errFormat
	}
	c.Format += in
	s.trim(&c.Character)
	s.loseRest("", object)
	c.Lost = s.lost
	slices.SortStableFunc(c.Lost, func(a, b Lost) int { return strings.Compare(a.Place, b.Place) })
	return c, c.Character.sound(id)
}

// sound returns what keeps a character from being one, as a file named id.
func (c *Character) sound(id string) error {
	text, err := c.Text()
	if err != nil {
		return err
	}
	_, problems := Parse(id, text)
	if len(problems) == 0 {
		return nil
	}
	var all []string
	for _, p := range problems {
		all = append(all, strings.TrimPrefix(p.Pointer+": "+p.Message, ": "))
	}
	return fmt.Errorf("it makes an agent that cannot be: %s", strings.Join(all, "; "))
}

// maxLines and maxLineBytes are the bounds of a list of the format, the second one to be safe in bytes.
const (
	maxLines     = 100
	maxLineBytes = 8 << 10
)

// trim leaves out examples that are too many, too long or too much; there are often more of them than a model has use for.
func (s *source) trim(c *Character) {
	fits := func(example string) bool { return len(example) <= maxLineBytes }
	kept := slices.DeleteFunc(slices.Clone(c.Examples), func(e string) bool { return !fits(e) })
	kept = kept[:min(len(kept), maxLines)]
	all := len(c.Examples)
	for c.Examples = kept; len(c.Examples) > 0 && len(c.Render()) > schema.MaxPersonaBytes; {
		c.Examples = c.Examples[:len(c.Examples)-1]
	}
	if left := all - len(c.Examples); left > 0 {
		s.lost = append(s.lost, Lost{s.examples, fmt.Sprintf("%d of %d examples are left out: the persona has no room for them", left, all)})
	}
}
