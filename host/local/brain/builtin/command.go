package builtin

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/stagehouse/stagehouse/schema"
)

// helpCommand lists the commands, where no extension has one of that name.
const helpCommand = "help"

var commandRE = regexp.MustCompile(`(?s)^/([a-z][a-z0-9_-]*)(?:\s+(.*))?$`)

// command has a command carried out if the message is one: "/weather {"city": "Rome"}", or "/weather Rome" for a command that
// needs one thing. done says that the message is dealt with: where there are no commands at all, it is a message like any other.
func (m *mind) command() (reply string, done bool) {
	said := commandRE.FindStringSubmatch(strings.TrimSpace(m.turn.Message.Content))
	if said == nil || m.turn.Commands == nil {
		return "", false
	}
	all, err := m.turn.Commands.List(m.ctx)
	if err != nil {
		m.fail(err)
		return "", true
	}
	i := slices.IndexFunc(all, func(c schema.Command) bool { return c.Name == said[1] })
	switch {
	case len(all) == 0:
		return "", false
	case i < 0 && said[1] == helpCommand:
		m.think("They want to know what I can do for them; my extensions say what.")
		return listCommands(all), true
	case i < 0:
		m.think("There is no command of that name, and I will not guess which one is meant.")
		return fmt.Sprintf("I know no command /%s. %s", said[1], listCommands(all)), true
	}
	return m.carryOut(all[i], strings.TrimSpace(said[2])), true
}

func (m *mind) carryOut(c schema.Command, text string) string {
	input, err := inputOf(c, text)
	if err != nil {
		m.think("I do not understand what /%s is to be given.", c.Name)
		return fmt.Sprintf("%s Use it like this: %s", sentence(err.Error()), usage(c))
	}
	m.think("They want /%s; I have it carried out.", c.Name)
	result, err := m.turn.Commands.Run(m.ctx, c.Name, input)
	switch code := schema.CodeOf(err); {
	case err == nil:
		return outcome(result)
	case m.ctx.Err() != nil:
		m.fail(err)
		return ""
	case code == schema.CodeInvalidArgument:
		return fmt.Sprintf("%s Use it like this: %s", sentence(schema.AsError(err).Message), usage(c))
	default:
		return fmt.Sprintf("I could not do that: %s", sentence(schema.AsError(err).Message))
	}
}

// property is what a builtin brain knows of a member of an input schema.
type property struct {
	Type        string `json:"type"`
	Description string `json:"description"`
}

type inputSchema struct {
	Properties map[string]property `json:"properties"`
	Required   []string            `json:"required"`
}

// inputOf reads what a command is given: a JSON object, or the value of the one member that it needs or has.
func inputOf(c schema.Command, text string) (schema.Object, error) {
	var s inputSchema
	if err := json.Unmarshal(c.InputSchema, &s); err != nil {
		return nil, fmt.Errorf("the command does not say what it is to be given")
	}
	if text == "" {
		return schema.Object{}, nil
	}
	if strings.HasPrefix(text, "{") {
		var input schema.Object
		if err := json.Unmarshal([]byte(text), &input); err != nil {
			return nil, fmt.Errorf("that is not a JSON object")
		}
		return input, nil
	}
	name := ""
	switch {
	case len(s.Required) == 1:
		name = s.Required[0]
	case len(s.Required) == 0 && len(s.Properties) == 1:
		for only := range s.Properties {
			name = only
		}
	default:
		return nil, fmt.Errorf("it is to be given as a JSON object")
	}
	switch s.Properties[name].Type {
	case "integer", "number":
		if !json.Valid([]byte(text)) {
			return nil, fmt.Errorf("I need a number for %s", name)
		}
		return schema.Object{name: json.Number(text)}, nil
	case "boolean":
		yes, err := strconv.ParseBool(text)
		if err != nil {
			return nil, fmt.Errorf("I need true or false for %s", name)
		}
		return schema.Object{name: yes}, nil
	case "string":
		return schema.Object{name: text}, nil
	}
	return nil, fmt.Errorf("it is to be given as a JSON object")
}

// usage shows how a command is given what it needs.
func usage(c schema.Command) string {
	var s inputSchema
	if json.Unmarshal(c.InputSchema, &s) != nil || len(s.Properties) == 0 {
		return "/" + c.Name
	}
	var members []string
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		about := s.Properties[name].Type
		if d := s.Properties[name].Description; d != "" {
			about += ": " + d
		}
		if !slices.Contains(s.Required, name) {
			about += " (optional)"
		}
		members = append(members, fmt.Sprintf("%q: <%s>", name, about))
	}
	return "/" + c.Name + " {" + strings.Join(members, ", ") + "}"
}

func listCommands(all []schema.Command) string {
	var lines []string
	for _, c := range all {
		lines = append(lines, fmt.Sprintf("%s – %s", usage(c), strings.TrimSuffix(c.Description, ".")))
	}
	return "These I know:\n" + strings.Join(lines, "\n")
}

// outcome puts what came of a command into words: its text, if it has one, else its members.
func outcome(result schema.Object) string {
	if text, ok := result["text"].(string); ok && text != "" {
		return text
	}
	var members []string
	for _, name := range slices.Sorted(maps.Keys(result)) {
		value, ok := result[name].(string)
		if !ok {
			b, err := json.Marshal(result[name])
			if err != nil {
				continue // it came as JSON
			}
			value = string(b)
		}
		members = append(members, name+": "+value)
	}
	if len(members) == 0 {
		return "Done."
	}
	return strings.Join(members, "\n")
}
