package docs

import (
	"html/template"
	"slices"
	"strings"
)

// messages reads operations. A message that several of them have is shown with the first.
type messages struct {
	*document
	known map[*object]*message
}

// learn lets the descriptions link to messages.
func (m *messages) learn() {
	names := map[string]bool{}
	components, _ := m.lookup("#/components/messages")
	for key, v := range partOf(components).values {
		thing, _ := m.resolve(v)
		names[messageName(key, partOf(thing))] = true
	}
	others := m.words.link
	m.words.link = func(code string) string {
		if names[code] {
			return "#" + m.messageID(code)
		}
		return others(code)
	}
}

// directions sorts the operations by who sends; the document is that of the server.
func (m *messages) directions(operations part) []direction {
	sent := direction{Anchor: "frames-sent", Title: "What a client sends"}
	received := direction{Anchor: "frames-received", Title: "What the server sends"}
	for _, name := range operations.names {
		thing, _ := m.resolve(operations.values[name])
		p := partOf(thing)
		into := &sent
		if p.text("action") == "send" {
			into = &received
		}
		kind := m.kind(p.list("tags"))
		e := m.exchange(name, p)
		if e.Title != "" {
			e.Text = kind + e.Text
		} else if !strings.Contains(string(into.Text), string(kind)) {
			into.Text += kind
		}
		into.Exchanges = append(into.Exchanges, e)
	}
	var rest direction
	components, _ := m.lookup("#/components/messages")
	for _, name := range partOf(components).names {
		v := partOf(components).values[name]
		if target, key := m.resolve(v); m.known[objectOf(target)] == nil {
			if key == "" {
				key = name
			}
			rest.Exchanges = append(rest.Exchanges, &exchange{Messages: []*message{m.message(key, target)}})
		}
	}
	rest.Anchor, rest.Title = "frames-other", "Other messages"
	return slices.DeleteFunc([]direction{sent, received, rest}, func(d direction) bool { return len(d.Exchanges) == 0 })
}

// kind says what the tags of an operation stand for.
func (m *messages) kind(tags []any) template.HTML {
	var out template.HTML
	for _, v := range tags {
		thing, _ := m.resolve(v)
		out += m.words.blocks(partOf(thing).text("description"))
	}
	return out
}

func objectOf(v any) *object {
	o, _ := v.(*object)
	return o
}

func (m *messages) exchange(name string, p part) *exchange {
	e := &exchange{Anchor: anchor(m.prefix+"operation", name), Title: p.text("title")}
	summary := p.text("summary")
	if e.Title == "" {
		e.Title, summary = summary, ""
	}
	if summary != e.Title {
		e.Text = prose{}.blocks(summary)
	}
	e.Text += m.words.blocks(p.text("description"))
	if e.Title == "" {
		e.Title = name
	}
	if p.has("security") {
		e.Access = "Needs: " + strings.Join(m.schemeNames(p.list("security")), " or ")
	}
	p.skip("channel", "tags", "action")
	list := p.list("messages")
	if !p.has("messages") { // all of the channel
		thing, _ := m.resolve(p.values["channel"])
		all := partOf(partOf(thing).values["messages"])
		for _, name := range all.names {
			list = append(list, all.values[name])
		}
	}
	for _, v := range list {
		target, key := m.resolve(v)
		if before := m.known[objectOf(target)]; before != nil {
			e.Also = append(e.Also, word{before.Name, "#" + before.Anchor})
		} else {
			e.Messages = append(e.Messages, m.message(key, target))
		}
	}
	e.Replies = m.replies(p)
	e.Extras = p.rest()
	if len(e.Messages) == 1 && len(e.Also) == 0 {
		m.fold(e)
	}
	return e
}

// fold makes one of an operation and its only message.
func (m *messages) fold(e *exchange) {
	one := e.Messages[0]
	if one.Title != e.Title {
		one.Text = prose{}.blocks(one.Title) + one.Text
	}
	if strings.Contains(string(e.Text), string(one.Text)) {
		one.Text = ""
	}
	one.Title, one.Text = e.Title, e.Text+one.Text
	one.Replies, one.Access, one.Extras = e.Replies, e.Access, append(e.Extras, one.Extras...)
	*e = exchange{Messages: e.Messages}
}

// replies names the messages that answer. They are shown where they are sent.
func (m *messages) replies(p part) []word {
	thing, _ := m.resolve(p.values["reply"])
	reply := partOf(thing)
	list := reply.list("messages")
	if reply.skip("channel"); len(reply.rest()) == 0 {
		p.skip("reply")
	}
	var out []word
	for _, v := range list {
		target, key := m.resolve(v)
		name := messageName(key, partOf(target))
		out = append(out, word{name, "#" + m.messageID(name)})
	}
	return out
}

func (m *messages) messageID(name string) string { return anchor(m.prefix+"message", name) }
