package character

import (
	"regexp"
	"slices"
	"strings"

	"github.com/stagehouse/stagehouse/schema"
)

// cardKeys are keys of a card that tell it from everything else, where it says no spec: the first cards did not.
var cardKeys = []string{"first_mes", "mes_example", "char_persona"}

func (s *source) isCard() bool {
	spec, _ := s.doc["spec"].(string)
	return strings.HasPrefix(spec, "chara_card_") ||
		slices.ContainsFunc(cardKeys, func(key string) bool { _, ok := s.doc[key].(string); return ok })
}

// Why something of a card is lost.
const (
	whyGreeting = "an agent here does not speak first"
	whyBook     = "there is no lorebook here; store its entries as memories of the agent"
	whyNotSame  = `"data" says something else, and counts`
)

// card converts a character card. Its fields stand in "data", or at the top in a card of the first kind.
func (s *source) card() (Character, string) {
	format := "character card v1"
	var in []string
	if spec := s.text("spec"); spec != "" {
		format, in = "character card "+strings.TrimPrefix(spec, "chara_card_"), []string{"data"}
		s.use("spec_version")
	}
	at := func(key string) []string { return append(slices.Clone(in), key) }
	m := macros{name: s.text(at("name")...)}
	text := func(key string) string { return m.replace(s, s.text(at(key)...), at(key)) }
	c := Character{Name: m.name}
	system := strings.TrimSpace(strings.ReplaceAll(text("system_prompt"), "{{original}}", ""))
	c.Persona = paragraphs(system, text("description"), titled("Personality", text("personality")))
	c.Backstory = text("scenario")
	c.Style = filled([]string{strings.ReplaceAll(text("post_history_instructions"), "{{original}}", "")})
	c.Examples = dialogues(text("mes_example"))
	s.examples = pointerTo(at("mes_example"))
	s.lose(whyGreeting, at("first_mes")...)
	s.lose(whyGreeting, at("alternate_greetings")...)
	s.lose(whyGreeting, at("group_only_greetings")...)
	s.lose(whyBook, at("character_book")...)
	about := schema.Object{}
	for key, name := range map[string]string{"creator": "creator", "character_version": "version", "creator_notes": "notes"} {
		if t := s.text(at(key)...); t != "" {
			about[name] = t
		}
	}
	if tags := s.lines(at("tags")...); len(tags) > 0 {
		about["tags"] = anys(tags)
	}
	c.Metadata = under(about)
	if in != nil {
		s.mirrored()
	}
	return c, format
}

// mirrored takes what cards repeat at the top for older readers, and says of it where it is not the same.
func (s *source) mirrored() {
	data, _ := s.doc["data"].(map[string]any)
	for key, v := range s.doc {
		other, ok := data[key]
		if !ok || key == "data" {
			continue
		}
		if text, isText := v.(string); isText && text == other {
			s.use(key)
		} else if !equalJSON(v, other) {
			s.lose(whyNotSame, key)
		} else {
			s.use(key)
		}
	}
}

// dialogues parts the examples of a card, each of which begins with <START>.
func dialogues(text string) []string {
	return filled(startRE.Split(text, -1))
}

var (
	startRE = regexp.MustCompile(`(?i)<START>`)
	charRE  = regexp.MustCompile(`(?i)\{\{char\}\}|<BOT>`)
	userRE  = regexp.MustCompile(`(?i)\{\{user\}\}|<USER>`)
	macroRE = regexp.MustCompile(`\{\{[^{}]{0,200}\}\}`)
)

// macros are the variables in the texts of a card.
type macros struct{ name string }

// replace puts values in their place, and says of those that have none here that they stay as they are.
func (m macros) replace(s *source, text string, path []string) string {
	name := m.name
	if name == "" {
		name = "you"
	}
	text = charRE.ReplaceAllLiteralString(text, name)
	text = userRE.ReplaceAllLiteralString(text, "the user")
	var others []string
	for _, macro := range macroRE.FindAllString(text, -1) {
		if macro != "{{original}}" && !slices.Contains(others, macro) {
			others = append(others, macro)
		}
	}
	if len(others) > 0 {
		s.lost = append(s.lost, Lost{pointerTo(path), "left in the text as it is, since nothing replaces it here: " + strings.Join(others, " ")})
	}
	return text
}
