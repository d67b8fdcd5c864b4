package local

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// AgentSpec declares an agent in the configuration. A field that is left out is empty; the name is the id then, and the
// brain "builtin".
//
// A declaration is merged into what is kept when the runtime opens, and by Runtime.Declare: a field that was changed in the declaration since
// the last time takes effect; all others stay as they are, whatever clients have changed them to.
type AgentSpec struct {
	ID          string        `json:"id"`
	Name        string        `json:"name,omitempty"`
	Description string        `json:"description,omitempty"`
	Skills      []string      `json:"skills,omitempty"`
	Persona     string        `json:"persona,omitempty"`
	Brain       schema.Brain  `json:"brain,omitzero"`
	Metadata    schema.Object `json:"metadata,omitempty"`
	// Memory is what it may remember by itself, as long as it is declared; clients do not change it. nil = all that its brain likes.
	Memory    *brain.MemoryPolicy `json:"memory,omitempty"`
	Autostart *bool               `json:"autostart,omitempty"` // nil = true. A client that stops or starts the agent has the last word.
}

// StarterAgents returns the agents that are there when none are declared.
func StarterAgents() []AgentSpec {
	return []AgentSpec{
		{
			ID: "aria", Name: "Aria",
			Description: "A writer and a good listener: finds words for stories, letters and drafts, and time for how you feel.",
			Skills:      []string{"writing", "empathy"},
			Persona: "You are Aria. You are warm, patient and gentle. You love language: stories, poems, letters, a sentence that finally " +
				"says what was meant. You listen first, take feelings seriously and never make fun of anybody. You would rather ask one good " +
				"question than give three quick answers, and you are honest when you do not know something.",
		},
		{
			ID: "nyx", Name: "Nyx",
			Description: "A programmer with a security mindset: debugs code, reviews designs and thinks about how systems break.",
			Skills:      []string{"programming", "security"},
			Persona: "You are Nyx. You are precise, dry and direct, with a hacker's curiosity about how things work and how they break. You " +
				"care about programming and security: source code, bugs, protocols, threat models. You test only what you have permission to " +
				"test. You prefer facts to guesses, say what you need to know, and admit it when you do not know something.",
		},
	}
}

func (s AgentSpec) autostart() bool { return s.Autostart == nil || *s.Autostart }

// normal returns the spec with what is left out filled in, as it is kept and compared.
func (s AgentSpec) normal() AgentSpec {
	if s.Name == "" {
		s.Name = s.ID
	}
	if s.Brain.Provider == "" {
		s.Brain = schema.Brain{Provider: BuiltinBrain}
	}
	on := s.autostart()
	s.Autostart = &on
	return s
}

// maxExpiryDays is as long as the configuration allows.
const maxExpiryDays = 36500

// validateSpecs returns one CodeInvalidArgument error that names everything that is wrong with the declarations.
func validateSpecs(specs []AgentSpec) error {
	var fields []schema.FieldError
	seen := map[string]bool{}
	for i, s := range specs {
		at := fmt.Sprintf("/agents/%d", i)
		switch {
		case !schema.ValidID(s.ID):
			fields = append(fields, schema.FieldError{Location: at + "/id", Message: fmt.Sprintf(
				"%.80q is not an id: 1 to %d letters, digits or . _ ~ : - characters", s.ID, schema.MaxIDBytes)})
		case seen[s.ID]:
			fields = append(fields, schema.FieldError{Location: at + "/id", Message: fmt.Sprintf("%q is declared twice", s.ID)})
		}
		seen[s.ID] = true
		if m := s.Memory; m != nil && (m.MaxPerTurn < 0 || !(m.ExpireAfterDays >= 0 && m.ExpireAfterDays <= maxExpiryDays)) {
			fields = append(fields, schema.FieldError{Location: at + "/memory", Message: fmt.Sprintf(
				"maxPerTurn must not be negative, and expireAfterDays be from 0 to %d", maxExpiryDays)})
		}
		s = s.normal()
		err := schema.AsError(schema.AgentPatch{
			Name: schema.Set(s.Name), Description: schema.Set(s.Description), Skills: schema.Set(s.Skills),
			Persona: schema.Set(s.Persona), Brain: schema.Set(s.Brain), Metadata: schema.Set(s.Metadata),
		}.Validate())
		if err != nil && s.ID != "" {
			for _, f := range err.Fields {
				fields = append(fields, schema.FieldError{Location: at + "/" + f.Location, Message: f.Message})
			}
		}
	}
	if len(fields) == 0 {
		return nil
	}
	lines := make([]string, len(fields))
	for i, f := range fields {
		lines[i] = f.Location + ": " + f.Message
	}
	return &schema.Error{Code: schema.CodeInvalidArgument, Message: "declared agents: " + strings.Join(lines, "; "), Fields: fields}
}

// merge brings a declaration into an agent that is kept (the zero Agent, if there is none yet) and reports whether anything
// of it changed.
func (s AgentSpec) merge(a store.Agent) (_ store.Agent, changed bool, err error) {
	s = s.normal()
	var last AgentSpec
	known := a.Declaration != nil
	if known {
		if err := json.Unmarshal(a.Declaration, &last); err != nil {
			return a, false, fmt.Errorf("read the last declaration of agent %s: %w", s.ID, err)
		}
	}
	a.ID = s.ID
	before := a.Agent
	take(&a.Name, s.Name, last.Name, known)
	take(&a.Description, s.Description, last.Description, known)
	take(&a.Persona, s.Persona, last.Persona, known)
	if !known || !slices.Equal(s.Skills, last.Skills) {
		a.Skills = s.Skills
	}
	if !known || !sameJSON(s.Brain, last.Brain) {
		a.Brain = s.Brain
	}
	if !known || !sameJSON(s.Metadata, last.Metadata) {
		a.Metadata = s.Metadata
	}
	if !known || s.autostart() != last.autostart() {
		a.Desired = s.autostart()
	}
	if a.Declaration, err = json.Marshal(s); err != nil {
		return a, false, fmt.Errorf("keep the declaration of agent %s: %w", s.ID, err)
	}
	return a, a.Differs(before), nil
}

func take(value *string, declared, last string, known bool) {
	if !known || declared != last {
		*value = declared
	}
}

// sameJSON compares values that are equal when their encodings are: encoding/json sorts the members of objects.
func sameJSON(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}
