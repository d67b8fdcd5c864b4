// Package character holds the format of an agent that is a file of its own: who it is, in parts, and what else a declaration
// says. It reads such files strictly, renders the parts as the one text that every brain and every runtime understands, and
// makes such files of two formats of others. It knows no runtime: what it hands on is a declaration as the configuration has it.
package character

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/stagehouse/stagehouse/host/internal/strictjson"
	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/config"
	"github.com/stagehouse/stagehouse/schema/problem"
)

// MaxBytes bounds a file.
const MaxBytes = 1 << 20

// Character is an agent as a file has it. What is left out is empty; the JSON Schema in schema/config says what each key means.
type Character struct {
	Schema      string              `json:"$schema,omitempty"`
	ID          string              `json:"id,omitempty"`
	Name        string              `json:"name,omitempty"`
	Description string              `json:"description,omitempty"`
	Persona     string              `json:"persona,omitempty"`
	Traits      []string            `json:"traits,omitempty"`
	Backstory   string              `json:"backstory,omitempty"`
	Goals       []string            `json:"goals,omitempty"`
	Style       []string            `json:"style,omitempty"`
	Examples    []string            `json:"examples,omitempty"`
	Skills      []string            `json:"skills,omitempty"`
	Brain       schema.Brain        `json:"brain,omitzero"`
	Memory      *brain.MemoryPolicy `json:"memory,omitempty"`
	Metadata    schema.Object       `json:"metadata,omitempty"`
	Autostart   *bool               `json:"autostart,omitempty"`
}

// Declaration is what a configuration declares of an agent, in the form of its list agents.
type Declaration struct {
	ID          string              `json:"id"`
	Name        string              `json:"name,omitempty"`
	Description string              `json:"description,omitempty"`
	Skills      []string            `json:"skills,omitempty"`
	Persona     string              `json:"persona,omitempty"`
	Brain       schema.Brain        `json:"brain,omitzero"`
	Memory      *brain.MemoryPolicy `json:"memory,omitempty"`
	Metadata    schema.Object       `json:"metadata,omitempty"`
	Autostart   *bool               `json:"autostart,omitempty"`
}

// Parse reads the text of a file. id is what the file's name makes the id where the text has none. The pointers of the problems
// are places in the text; where there is one, the Character holds the id, if that could be read, and nothing else that is of use.
func Parse(id string, text []byte) (Character, []schema.Problem) {
	c := Character{ID: id}
	if len(text) > MaxBytes {
		return c, one("", "", "has %d bytes; at most %d are read", len(text), MaxBytes)
	}
	doc, err := strictjson.Decode(text)
	if err != nil {
		return c, one("", "", "%v", err)
	}
	if object, ok := doc.(map[string]any); ok {
		if own, ok := object["id"].(string); ok {
			c.ID = own
		}
	}
	problems, err := problem.Schema{Raw: config.Agent}.Check(doc)
	if err != nil {
		return c, one("", "", "%v", err)
	}
	if len(problems) == 0 {
		problems = c.fill(doc)
	}
	return c, problems
}

func one(at, suggestion, format string, args ...any) []schema.Problem {
	return []schema.Problem{problem.Errorf(at, suggestion, format, args...)}
}

// fill takes a document that fits the schema, and holds it to what the schema cannot say.
func (c *Character) fill(doc any) []schema.Problem {
	b, err := json.Marshal(doc)
	if err == nil {
		err = json.Unmarshal(b, c)
	}
	if err != nil {
		return one("", "", "%v", err)
	}
	return c.Check()
}

// Check returns everything that is wrong with a character. Its id must be there.
func (c *Character) Check() []schema.Problem {
	var problems []schema.Problem
	if !schema.ValidID(c.ID) {
		problems = one("/id", "give it an id of its own, or the file another name", "%.80q cannot be an id: 1 to %d letters, digits or . _ ~ : - characters",
			c.ID, schema.MaxIDBytes)
	}
	d := c.Declaration()
	if len(d.Persona) > schema.MaxPersonaBytes {
		problems = append(problems, c.tooLarge(len(d.Persona)))
		d.Persona = ""
	}
	err := schema.NewAgent{
		ID: "id", Name: d.Name, Description: d.Description, Skills: d.Skills, Persona: d.Persona, Brain: d.Brain, Metadata: d.Metadata,
	}.Validate()
	var invalid *schema.Error
	if errors.As(err, &invalid) {
		for _, f := range invalid.Fields {
			problems = append(problems, problem.Errorf(pointer(f.Location), "", "%s", f.Message))
		}
	}
	return problems
}

// tooLarge says which part is best made shorter.
func (c *Character) tooLarge(size int) schema.Problem {
	at, largest := "", -1
	for _, p := range []struct {
		key   string
		bytes int
	}{
		{"persona", len(c.Persona)}, {"traits", total(c.Traits)}, {"backstory", len(c.Backstory)},
		{"goals", total(c.Goals)}, {"style", total(c.Style)}, {"examples", total(c.Examples)},
	} {
		if p.bytes > largest {
			at, largest = p.key, p.bytes
		}
	}
	return problem.Errorf(problem.Pointer(at), "shorten it; it is the longest of them",
		"persona, traits, backstory, goals, style and examples make %d bytes of persona together; at most %d are allowed", size, schema.MaxPersonaBytes)
}

func total(lines []string) (n int) {
	for _, l := range lines {
		n += len(l)
	}
	return n
}

// pointer turns a location such as skills[3] into a JSON pointer.
func pointer(location string) string {
	return problem.Pointer(strings.FieldsFunc(location, func(r rune) bool { return r == '[' || r == ']' || r == '.' })...)
}

// Declaration returns what the character declares: its parts are the persona.
func (c *Character) Declaration() Declaration {
	return Declaration{
		ID: c.ID, Name: c.Name, Description: c.Description, Skills: c.Skills, Persona: c.Render(),
		Brain: c.Brain, Memory: c.Memory, Metadata: c.Metadata, Autostart: c.Autostart,
	}
}

// Text returns the text of a file for the character, which Parse reads.
func (c *Character) Text() ([]byte, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(c); err != nil {
		return nil, fmt.Errorf("encode agent %s: %w", c.ID, err)
	}
	return []byte(b.String()), nil
}
