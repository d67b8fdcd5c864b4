package docs

import (
	"html/template"
	"slices"
	"strings"
)

// socket is what the page shows of an AsyncAPI document.
type socket struct {
	Title    string
	Text     template.HTML
	Servers  []server
	Schemes  []scheme
	Channels []channel
	Parts    []direction
	Schemas  []named
	Extras   []extra
}

type channel struct {
	Address    string
	Title      string
	Text       template.HTML
	Parameters []member
	Handshake  []memberList
	Extras     []extra
}

// direction is everything that one side sends.
type direction struct {
	Anchor, Title string
	Text          template.HTML
	Exchanges     []*exchange
}

// exchange is an operation with several messages, or the message of an operation that has one.
type exchange struct {
	Anchor   string
	Title    string // "" = the messages speak for themselves
	Text     template.HTML
	Access   string
	Replies  []word
	Messages []*message // those that no exchange before it has
	Also     []word     // the others
	Extras   []extra
}

// socketOf reads the document.
func (d *document) socketOf() *socket {
	p := partOf(d.root)
	p.skip("asyncapi", "id", "defaultContentType")
	info := p.part("info")
	s := &socket{Title: info.text("title")}
	info.skip("version", "license", "contact", "tags", "termsOfService") // those of the API are at the top of the page
	m := &messages{document: d, known: map[*object]*message{}}
	m.learn()
	s.Text = d.words.blocks(info.text("description"))
	s.Servers = d.socketServers(p.part("servers"))
	channels := p.part("channels")
	for _, name := range channels.names {
		s.Channels = append(s.Channels, d.channel(name, channels.values[name]))
	}
	s.Parts = m.directions(p.part("operations"))
	components := p.part("components")
	components.skip("messages", "operationTraits", "messageTraits", "parameters", "replies", "replyAddresses", "correlationIds", "channels", "operations", "servers", "tags", "channelBindings", "messageBindings", "operationBindings", "serverBindings")
	s.Schemes = d.schemes(components.part("securitySchemes"))
	s.Schemas = d.schemas(components.part("schemas"))
	s.Extras = slices.Concat(info.rest(), components.rest(), p.rest())
	return s
}

// claim takes what the OpenAPI document says of the places of the channels; it belongs to them.
func (s *socket) claim(groups []group) []group {
	for i := range groups {
		groups[i].Places = slices.DeleteFunc(groups[i].Places, func(p place) bool {
			k := slices.IndexFunc(s.Channels, func(c channel) bool { return c.Address == p.Path })
			if k >= 0 {
				s.Channels[k].Text = prose{}.blocks(p.Summary) + p.Text + s.Channels[k].Text
				s.Channels[k].Extras = append(s.Channels[k].Extras, p.Extras...)
			}
			return k >= 0
		})
	}
	return slices.DeleteFunc(groups, func(g group) bool { return len(g.Operations)+len(g.Places) == 0 })
}

func (d *document) socketServers(p part) []server {
	var out []server
	for _, name := range p.names {
		thing, _ := d.resolve(p.values[name])
		v := partOf(thing)
		s := server{URL: v.text("protocol") + "://" + v.text("host") + v.text("pathname"), Text: prose{}.blocks(v.text("description"))}
		if title := v.text("title"); title != "" && s.Text == "" {
			s.Text = prose{}.blocks(title)
		}
		v.skip("protocolVersion", "tags", "summary", "security", "variables")
		s.Extras = v.rest()
		out = append(out, s)
	}
	return out
}

func (d *document) channel(name string, v any) channel {
	thing, _ := d.resolve(v)
	p := partOf(thing)
	c := channel{Address: p.text("address"), Title: p.text("title"), Text: prose{}.blocks(p.text("summary"))}
	description := p.text("description")
	c.Text += d.words.blocks(description)
	if c.Address == "" {
		c.Address = name
	}
	p.skip("messages", "servers", "tags")
	if closing := extraOf("x-close-codes", p.values["x-close-codes"]); len(closing.Rows) > 0 && allIn(closing.Rows, description) {
		p.skip("x-close-codes") // for programs; people have them in the description
	}
	c.Handshake = d.handshake(p)
	parameters := p.part("parameters")
	for _, name := range parameters.names {
		thing, _ := d.resolve(parameters.values[name])
		m := member{Name: name, Required: true, Shape: d.shape(thing)}
		c.Parameters = append(c.Parameters, m)
	}
	c.Extras = p.rest()
	return c
}

// handshake describes what a WebSocket is opened with. It is for bindings of version 0.1.0; what else there is stays.
func (d *document) handshake(p part) []memberList {
	bindings := p.part("bindings")
	ws := bindings.part("ws")
	ws.skip("bindingVersion", "method")
	var out []memberList
	for _, k := range []struct{ name, label string }{{"query", "Query parameters"}, {"headers", "Headers of the handshake"}} {
		if _, ok := ws.values[k.name].(*object); ok {
			thing, _ := d.resolve(ws.take(k.name))
			out = append(out, memberList{k.label, d.shape(thing).Members})
		}
	}
	if rest := append(bindings.rest(), ws.rest()...); len(rest) > 0 {
		delete(p.shown, "bindings") // there is more in them
	}
	return out
}

// allIn reports whether a text has the first cell of every row.
func allIn(rows [][]string, text string) bool {
	return !slices.ContainsFunc(rows, func(row []string) bool { return !strings.Contains(text, row[0]) })
}
