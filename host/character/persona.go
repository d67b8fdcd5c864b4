package character

import "strings"

// Render returns the persona that the parts make: the same parts always make the same text. A persona without other parts is
// that text as it is.
func (c *Character) Render() string {
	sections := []string{
		listed("Traits", c.Traits),
		told("Backstory", c.Backstory),
		itemised("Goals", c.Goals),
		itemised("Style", c.Style),
		itemised("Examples of what you say", c.Examples),
	}
	text := strings.Join(filled(sections), "\n\n")
	switch {
	case text == "":
		return c.Persona
	case strings.TrimSpace(c.Persona) == "":
		return "You are " + c.called() + ".\n\n" + text
	}
	return strings.TrimSpace(c.Persona) + "\n\n" + text
}

func (c *Character) called() string {
	if c.Name != "" {
		return c.Name
	}
	return c.ID
}

func listed(title string, list []string) string {
	if list = filled(list); len(list) == 0 {
		return ""
	}
	return title + ": " + strings.Join(list, ", ")
}

func told(title, text string) string {
	if text = strings.TrimSpace(text); text == "" {
		return ""
	}
	return title + ":\n" + text
}

func itemised(title string, list []string) string {
	if list = filled(list); len(list) == 0 {
		return ""
	}
	for i, item := range list {
		list[i] = "- " + strings.ReplaceAll(item, "\n", "\n  ")
	}
	return title + ":\n" + strings.Join(list, "\n")
}

// filled returns the texts that say something, without the space around them.
func filled(list []string) []string {
	var out []string
	for _, text := range list {
		if text = strings.TrimSpace(text); text != "" {
			out = append(out, text)
		}
	}
	return out
}
