package docs

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// tokenVariable is where command lines take the token from.
const tokenVariable = "$STAGEHOUSE_TOKEN"

// defaultBase is where a server is that nothing else is known about. The script puts where the page came from in its place.
const defaultBase = "http://127.0.0.1:3001"

const eventStream = "text/event-stream"

// calls returns the command lines of an operation: one for each way of reading its answer. An operation that switches to
// another protocol has none.
func (d *document) calls(o operation, parameters []part) []sample {
	if slices.ContainsFunc(o.Answers, func(a answer) bool { return a.Status == "101" }) {
		return nil
	}
	lines := []string{"curl"}
	switch {
	case o.Method == http.MethodHead:
		lines[0] += " -I"
	case o.Method != http.MethodGet && (o.Method != http.MethodPost || o.Body == nil):
		lines[0] += " -X " + o.Method
	}
	lines[0] += " " + quote(d.server()+d.target(o.Path, parameters))
	if o.Access != "" {
		lines = append(lines, `-H "Authorization: Bearer `+tokenVariable+`"`)
	}
	for _, p := range parameters {
		if p.values["in"] == "header" && p.values["required"] == true {
			lines = append(lines, "-H "+quote(p.text("name")+": "+d.value(p)))
		}
	}
	if o.Body != nil && len(o.Body.Contents) > 0 {
		c := o.Body.Contents[0]
		mediaType, _, _ := strings.Cut(c.MediaType, ",")
		lines = append(lines, "-H "+quote("Content-Type: "+mediaType))
		if len(c.Examples) > 0 {
			lines = append(lines, "-d "+quote(c.Examples[0].Code.String()))
		}
	}
	name := "curl"
	if o.Body != nil && len(o.Body.Contents) > 0 && len(o.Body.Contents[0].Examples) > 0 {
		if given := o.Body.Contents[0].Examples[0].Name; given != "" {
			name += " · " + given
		}
	}
	out := []sample{command(name, lines)}
	for _, a := range o.Answers {
		if len(a.Contents) > 1 && slices.ContainsFunc(a.Contents, func(c content) bool { return c.MediaType == eventStream }) {
			lines[0] = strings.Replace(lines[0], "curl", "curl -N", 1)
			lines = slices.Insert(lines, 1, "-H "+quote("Accept: "+eventStream))
			out = append(out, command("curl, as it happens", lines))
		}
	}
	return out
}

func command(label string, lines []string) sample {
	text := strings.Join(lines, " \\\n  ")
	before, after, known := strings.Cut(text, defaultBase)
	if !known {
		return sample{Label: label, Code: code{{"", text}}}
	}
	return sample{Label: label, Code: code{{"", before}, {"base", defaultBase}, {"", after}}}
}

// server returns the base of the paths.
func (d *document) server() string {
	servers, _ := d.root.values["servers"].([]any)
	if len(servers) == 0 {
		return defaultBase
	}
	p := partOf(servers[0])
	base := strings.TrimSuffix(p.text("url"), "/")
	variables := p.part("variables")
	for _, name := range variables.names {
		base = strings.ReplaceAll(base, "{"+name+"}", variables.part(name).text("default"))
	}
	if strings.HasPrefix(base, "/") || base == "" {
		base = defaultBase + base
	}
	return base
}

// target fills the path in, and the parameters that there must be.
func (d *document) target(path string, parameters []part) string {
	query := url.Values{}
	for _, p := range parameters {
		name, _ := p.values["name"].(string)
		switch {
		case p.values["in"] == "path":
			path = strings.ReplaceAll(path, "{"+name+"}", url.PathEscape(d.value(p)))
		case p.values["in"] == "query" && p.values["required"] == true:
			query.Set(name, d.value(p))
		}
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return path
}

// value is an example of a parameter.
func (d *document) value(p part) string {
	v, given := exampleIn(p)
	if named, ok := p.values["examples"].(*object); ok && !given && len(named.names) > 0 {
		thing, _ := d.resolve(named.values[named.names[0]])
		v, given = partOf(thing).values["value"], true
	}
	if !given {
		v = d.sample(p.values["schema"], true)
	}
	if s, ok := v.(string); ok {
		return s
	}
	return compact(v)
}

// quote makes one word of a text for a POSIX shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
