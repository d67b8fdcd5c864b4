package character

import (
	"slices"
	"strings"

	"github.com/stagehouse/stagehouse/schema"
)

func (s *source) isSYMindX() bool {
	return slices.ContainsFunc([]string{"core", "lore", "psyche", "personality"}, func(key string) bool {
		_, ok := s.doc[key].(map[string]any)
		return ok
	})
}

// symindx converts a SYMindX character, of which there are several generations: traits may be a list or have weights, a style may
// be a word or an object, and older ones have core, lore and psyche.
func (s *source) symindx(id string) Character {
	if s.text("id") != id {
		delete(s.used, "/id")
		s.lose("the id here is the name of the file", "id")
	}
	c := Character{Name: s.text("name"), Description: s.text("description")}
	if core := s.text("core", "name"); c.Name == "" {
		c.Name = core
	}
	if enabled, ok := s.doc["enabled"].(bool); ok {
		s.use("enabled")
		if !enabled {
			c.Autostart = &enabled
		}
	}
	c.Traits = unique(s.weighed("personality", "traits"), s.lines("core", "personality"), s.weighed("psyche", "traits"))
	c.Backstory = paragraphs(s.text("personality", "backstory"), s.text("lore", "origin"), s.text("lore", "background"))
	c.Goals = unique(s.lines("personality", "goals"), s.lines("personality", "motivations"), s.lines("lore", "motive"),
		s.lines("autonomous", "goals", "primary"), s.lines("autonomous", "goals", "secondary"))
	c.Style = s.style()
	if values := s.lines("personality", "values"); len(values) > 0 {
		c.Persona = "You are " + c.called() + ". You value: " + strings.Join(values, "; ") + "."
	}
	c.Examples = s.patterns()
	s.examples = "/communication/responsePatterns"
	if version := s.scalar("version"); version != "" {
		c.Metadata = under(schema.Object{"version": version})
	}
	for key, why := range map[string]string{
		"portals":    `say what thinks for the agent with "brain", such as {"provider": "…", "model": "…"}`,
		"extensions": "extensions stand in the configuration, for all agents",
		"memory":     `the host keeps the memories; "memory" says what the agent may remember`,
		"emotion":    "the host has a mood of its own",
		"cognition":  "how it thinks is its brain's affair",
		"modules":    "the host has modules of its own",
	} {
		s.lose(why, key)
	}
	s.lose("the host has modules of its own", "psyche", "defaults")
	return c
}

// style gathers how the character speaks.
func (s *source) style() []string {
	var style []string
	for _, p := range []struct {
		title string
		path  []string
	}{
		{"Tone", []string{"core", "tone"}},
		{"Tone", []string{"personality", "voice", "tone"}},
		{"Style", []string{"personality", "voice", "style"}},
		{"Tone", []string{"communication", "tone"}},
		{"Style", []string{"communication", "style"}},
		{"Style", []string{"communication", "preferredStyle"}},
		{"Tone", []string{"communication", "style", "tone"}},
		{"Formality", []string{"communication", "formality"}},
		{"Formality", []string{"communication", "style", "formality"}},
		{"Verbosity", []string{"communication", "verbosity"}},
		{"Verbosity", []string{"communication", "style", "verbosity"}},
		{"Humor", []string{"communication", "style", "humor"}},
	} {
		style = append(style, titled(p.title, s.scalar(p.path...)))
	}
	return unique(filled(style), s.lines("communication", "guidelines"), s.lines("personality", "quirks"), s.lines("personality", "voice", "quirks"),
		s.lines("autonomous", "ethics", "guidelines"), s.lines("autonomous", "ethics", "constraints"), s.ways())
}

// ways takes the response patterns where they are a list of manners.
func (s *source) ways() []string {
	if _, ok := s.at("communication", "responsePatterns").([]any); !ok {
		return nil
	}
	return filled([]string{titled("Manner", strings.Join(s.lines("communication", "responsePatterns"), ", "))})
}

// patterns takes the response patterns where they are what the character says on occasions.
func (s *source) patterns() []string {
	object, ok := s.at("communication", "responsePatterns").(map[string]any)
	if !ok {
		return nil
	}
	var out []string
	for _, occasion := range sortedKeys(object) {
		for _, said := range s.lines("communication", "responsePatterns", occasion) {
			out = append(out, occasion+": "+said)
		}
	}
	return out
}
