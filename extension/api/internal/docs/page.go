package docs

import (
	"bytes"
	"fmt"
	"html/template"
	"slices"
	"strings"
)

// Input is what the page is made of.
type Input struct {
	OpenAPI  []byte // the document of the REST API, JSON
	AsyncAPI []byte // that of the WebSocket, JSON; nil = none
	Codes    []Code // of errors
}

// Code is one kind of error.
type Code struct {
	Name      string
	Title     string
	Status    int
	Retryable bool
}

// page is what the template gets.
type page struct {
	Title, Version, Summary string
	Text                    template.HTML
	Facts                   []fact
	Servers                 []server
	Schemes                 []scheme
	Groups                  []group
	Codes                   []Code
	Answers                 []shared
	Headers                 []member
	Schemas                 []named
	Socket                  *socket
	Extras                  []extra
}

// fact is something about the whole document, with a link if Href is not "".
type fact struct{ Label, Text, Href string }

type server struct {
	URL    string
	Text   template.HTML
	Extras []extra
}

type scheme struct {
	Name, Kind string
	Text       template.HTML
	Extras     []extra
}

// group is the operations of one tag.
type group struct {
	Anchor, Name string
	Text         template.HTML
	Operations   []operation
	Places       []place
	Extras       []extra
}

// place is what a document says of a path beside its operations.
type place struct {
	Path, Summary string
	Text          template.HTML
	Extras        []extra
}

// shared is a response that several operations have.
type shared struct {
	Anchor   string
	Statuses []answer // only the status of each counts
	Answer   answer
}

type named struct {
	Anchor, Name string
	Shape        *shape
	Example      *example
}

// Render returns the page, UTF-8. The same input gives the same page.
func Render(in Input) ([]byte, error) {
	rest, err := newDocument(in.OpenAPI, "")
	if err != nil {
		return nil, fmt.Errorf("read the OpenAPI document: %w", err)
	}
	rest.words.link = linkCodes(in.Codes)
	p := rest.page()
	p.Codes = in.Codes
	if in.AsyncAPI != nil {
		frames, err := newDocument(in.AsyncAPI, "ws-")
		if err != nil {
			return nil, fmt.Errorf("read the AsyncAPI document: %w", err)
		}
		frames.words.link = rest.words.link
		frames.adopt(rest)
		p.Socket = frames.socketOf()
		p.Groups = p.Socket.claim(p.Groups)
	}
	t, err := template.New("page.html").Funcs(template.FuncMap{
		"icon":   func() template.URL { return icon },
		"method": strings.ToLower,
		"pieces": func(name string) []string { return strings.SplitAfter(name, "_") }, // between which a line may break
	}).ParseFS(files, "page.html")
	if err != nil {
		return nil, fmt.Errorf("read the template: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, p); err != nil {
		return nil, fmt.Errorf("render: %w", err)
	}
	return b.Bytes(), nil
}

// linkCodes links the names of errors to the table of them.
func linkCodes(codes []Code) func(string) string {
	return func(name string) string {
		if slices.ContainsFunc(codes, func(c Code) bool { return c.Name == name }) {
			return "#error-" + name
		}
		return ""
	}
}

// page reads an OpenAPI document.
func (d *document) page() *page {
	root := partOf(d.root)
	root.skip("openapi", "security", "jsonSchemaDialect")
	info := root.part("info")
	p := &page{Title: info.text("title"), Version: info.text("version"), Summary: info.text("summary"), Text: prose{}.blocks(info.text("description"))}
	p.Facts = facts(info, root)
	p.Groups = d.groups(root.part("paths"), root.list("tags"))
	for _, v := range root.list("servers") {
		s := partOf(v)
		one := server{URL: s.text("url"), Text: prose{}.blocks(s.text("description"))}
		one.Extras = s.rest()
		p.Servers = append(p.Servers, one)
	}
	components := root.part("components")
	components.skip("parameters", "examples", "requestBodies", "pathItems") // each stands where it is used
	p.Answers = d.shared(components.part("responses"))
	headers := components.part("headers")
	for _, name := range headers.names {
		m := d.header(name, headers.values[name])
		m.Anchor = anchor(d.prefix+"header", name)
		p.Headers = append(p.Headers, m)
	}
	p.Schemes = d.schemes(components.part("securitySchemes"))
	p.Schemas = d.schemas(components.part("schemas"))
	p.Extras = slices.Concat(info.rest(), components.rest(), root.rest())
	return p
}

func facts(info, root part) []fact {
	var out []fact
	if l := info.part("license"); len(l.names) > 0 {
		f := fact{"License", l.text("name"), l.text("url")}
		if id := l.text("identifier"); id != "" && f.Text == "" {
			f.Text = id
		}
		out = append(out, f)
	}
	if c := info.part("contact"); len(c.names) > 0 {
		f := fact{"Contact", c.text("name"), c.text("url")}
		if mail := c.text("email"); mail != "" && f.Href == "" {
			f.Href = "mailto:" + mail
		}
		if f.Text == "" {
			f.Text = strings.TrimPrefix(f.Href, "mailto:")
		}
		out = append(out, f)
	}
	if terms := info.text("termsOfService"); terms != "" {
		out = append(out, fact{"Terms", terms, terms})
	}
	if more := root.part("externalDocs"); len(more.names) > 0 {
		f := fact{"More", more.text("description"), more.text("url")}
		if f.Text == "" {
			f.Text = f.Href
		}
		out = append(out, f)
	}
	for i := range out {
		if !harmless(out[i].Href) {
			out[i].Href = ""
		}
	}
	return out
}

// groups sorts the operations by their first tag: first the tags that are declared, in their order, then the others.
func (d *document) groups(paths part, tags []any) []group {
	var out []group
	index := map[string]int{}
	add := func(name string, tag part) {
		if _, there := index[name]; there {
			return
		}
		index[name] = len(out)
		tag.skip("name")
		out = append(out, group{Anchor: anchor("tag", name), Name: name, Text: prose{}.blocks(tag.text("description")), Extras: tag.rest()})
	}
	for _, v := range tags {
		tag := partOf(v)
		add(tag.text("name"), tag)
	}
	for _, path := range paths.names {
		thing, _ := d.resolve(paths.values[path])
		item := partOf(thing)
		shared := item.list("parameters")
		for _, method := range methods {
			if !item.has(method) {
				continue
			}
			v := item.take(method)
			name := "Other"
			if tags := stringsOf(partOf(v).list("tags")); len(tags) > 0 {
				name = tags[0]
			}
			add(name, partOf(nil))
			g := &out[index[name]]
			g.Operations = append(g.Operations, d.operation(method, path, shared, v))
		}
		at := place{Path: path, Summary: item.text("summary"), Text: prose{}.blocks(item.text("description"))}
		if at.Extras = item.rest(); at.Summary != "" || at.Text != "" || len(at.Extras) > 0 {
			add("Other", partOf(nil))
			g := &out[index["Other"]]
			g.Places = append(g.Places, at)
		}
	}
	return slices.DeleteFunc(out, func(g group) bool { return len(g.Operations)+len(g.Places) == 0 })
}

// shared describes the responses that operations have by reference, in the order of their status. The operations come first.
func (d *document) shared(responses part) []shared {
	var out []shared
	for _, name := range responses.names {
		one := shared{Anchor: anchor(d.prefix+"response", name), Answer: d.answer("", responses.values[name])}
		for _, status := range d.statuses[name] {
			one.Statuses = append(one.Statuses, answer{Status: status, Class: status[:1]})
		}
		out = append(out, one)
	}
	slices.SortStableFunc(out, func(a, b shared) int { return strings.Compare(firstStatus(a), firstStatus(b)) })
	return out
}

func firstStatus(s shared) string {
	if len(s.Statuses) == 0 {
		return "~" // behind all others
	}
	return s.Statuses[0].Status
}

// schemes describes the ways of being let in.
func (d *document) schemes(p part) []scheme {
	var out []scheme
	for _, name := range p.names {
		thing, _ := d.resolve(p.values[name])
		v := partOf(thing)
		s := scheme{Name: name, Kind: v.text("type"), Text: prose{}.blocks(v.text("description"))}
		for _, more := range []string{"scheme", "bearerFormat", "in", "name"} {
			if text := v.text(more); text != "" {
				s.Kind += " " + text
			}
		}
		s.Extras = v.rest()
		out = append(out, s)
	}
	return out
}

// schemas describes the named schemas, in the order of their names.
func (d *document) schemas(p part) []named {
	names := slices.Clone(p.names)
	slices.Sort(names)
	var out []named
	for _, name := range names {
		if d.homes[name] != "" {
			continue
		}
		v := p.values[name]
		n := named{Anchor: d.schemaID(name), Name: name, Shape: d.shape(v)}
		if own, ok := exampleIn(partOf(v)); ok && len(n.Shape.Members) > 0 {
			n.Example = &example{Code: pretty(own)}
		}
		out = append(out, n)
	}
	return out
}
