package docs

import (
	"html"
	"html/template"
	"net/url"
	"regexp"
	"strings"
)

// prose is how the descriptions of a document become HTML: paragraphs, lists, tables, fenced code, `code`, **strong** and
// [links](https://example.com) of CommonMark, and nothing else. Whatever is not one of these stands there as it was written;
// HTML is text like any other.
//
// A whole CommonMark library would cost every process a megabyte, and tens of milliseconds before main.
type prose struct {
	link func(code string) string // the href of a word in `code`, or ""; nil = none has one
}

// blocks renders a text of any length.
func (p prose) blocks(text string) template.HTML {
	var b strings.Builder
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	for len(lines) > 0 {
		switch line := lines[0]; {
		case strings.TrimSpace(line) == "":
			lines = lines[1:]
		case fence(line):
			lines = p.code(&b, lines)
		case isTable(lines):
			lines = p.table(&b, lines)
		case bullet.MatchString(line):
			lines = p.items(&b, lines, "ul", bullet)
		case number.MatchString(line):
			lines = p.items(&b, lines, "ol", number)
		default:
			lines = p.paragraph(&b, lines)
		}
	}
	return template.HTML(b.String()) // every text in it has been escaped
}

var (
	bullet    = regexp.MustCompile(`^ {0,3}[-*] +`)
	number    = regexp.MustCompile(`^ {0,3}[0-9]{1,9}[.)] +`)
	delimiter = regexp.MustCompile(`^ *\|?( *:?-+:? *\|)+ *(:?-+:?)? *$`)
)

func fence(line string) bool { return strings.HasPrefix(strings.TrimLeft(line, " "), "```") }

func isTable(lines []string) bool {
	return len(lines) > 1 && strings.Contains(lines[0], "|") && delimiter.MatchString(lines[1])
}

// begins reports whether the first line begins a block of its own, so that a paragraph or an item ends before it.
func begins(lines []string) bool {
	line := lines[0]
	return strings.TrimSpace(line) == "" || fence(line) || isTable(lines) || bullet.MatchString(line) || number.MatchString(line)
}

func (p prose) paragraph(b *strings.Builder, lines []string) []string {
	n := 1
	for n < len(lines) && !begins(lines[n:]) {
		n++
	}
	b.WriteString("<p>" + p.inline(joined(lines[:n])) + "</p>")
	return lines[n:]
}

func (p prose) items(b *strings.Builder, lines []string, tag string, mark *regexp.Regexp) []string {
	b.WriteString("<" + tag + ">")
	for len(lines) > 0 && mark.MatchString(lines[0]) {
		lines[0] = lines[0][len(mark.FindString(lines[0])):]
		n := 1
		for n < len(lines) && !begins(lines[n:]) {
			n++
		}
		b.WriteString("<li>" + p.inline(joined(lines[:n])) + "</li>")
		lines = lines[n:]
	}
	b.WriteString("</" + tag + ">")
	return lines
}

func (p prose) code(b *strings.Builder, lines []string) []string {
	n := 1
	for n < len(lines) && !fence(lines[n]) {
		n++
	}
	b.WriteString(`<pre tabindex="0"><code>` + html.EscapeString(strings.Join(lines[1:n], "\n")) + "</code></pre>")
	return lines[min(n+1, len(lines)):]
}

func (p prose) table(b *strings.Builder, lines []string) []string {
	b.WriteString(`<div class="scroll" tabindex="0"><table><thead>`)
	p.row(b, lines[0], "th")
	b.WriteString("</thead><tbody>")
	for lines = lines[2:]; len(lines) > 0 && strings.Contains(lines[0], "|"); lines = lines[1:] {
		p.row(b, lines[0], "td")
	}
	b.WriteString("</tbody></table></div>")
	return lines
}

func (p prose) row(b *strings.Builder, line, tag string) {
	b.WriteString("<tr>")
	line = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(line), "|"), "|")
	for _, cell := range strings.Split(line, "|") {
		b.WriteString("<" + tag + ">" + p.inline(strings.TrimSpace(cell)) + "</" + tag + ">")
	}
	b.WriteString("</tr>")
}

func joined(lines []string) string {
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
	}
	return strings.Join(lines, "\n")
}

// span is what inline looks for, each form in a group of its own.
var span = regexp.MustCompile("(`+)([^`]+)(`+)" + `|\*\*([^*\s](?:[^*]*[^*\s])?)\*\*|\[([^\[\]]+)\]\(([^()\s]+)\)`)

// inline renders a text within one block.
func (p prose) inline(text string) string {
	var b strings.Builder
	for {
		m := span.FindStringSubmatchIndex(text)
		if m == nil {
			b.WriteString(html.EscapeString(text))
			return b.String()
		}
		group := func(i int) string {
			if m[2*i] < 0 {
				return ""
			}
			return text[m[2*i]:m[2*i+1]]
		}
		b.WriteString(html.EscapeString(text[:m[0]]))
		switch {
		case group(1) != "" && len(group(1)) == len(group(3)):
			b.WriteString(p.codeSpan(group(2)))
		case group(4) != "":
			b.WriteString("<strong>" + p.inline(group(4)) + "</strong>")
		case group(5) != "" && harmless(group(6)):
			b.WriteString(`<a href="` + html.EscapeString(group(6)) + `">` + prose{}.inline(group(5)) + "</a>")
		default:
			b.WriteString(html.EscapeString(group(0)))
		}
		text = text[m[1]:]
	}
}

func (p prose) codeSpan(code string) string {
	code = strings.ReplaceAll(code, "\n", " ")
	if trimmed := strings.TrimSpace(code); trimmed != "" {
		code = trimmed
	}
	out := "<code>" + html.EscapeString(code) + "</code>"
	if p.link == nil {
		return out
	}
	if href := p.link(code); href != "" {
		return `<a href="` + html.EscapeString(href) + `">` + out + "</a>"
	}
	return out
}

// harmless reports whether a link may be followed: one that runs something may not.
func harmless(href string) bool {
	u, err := url.Parse(href)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http" || u.Scheme == "mailto")
}
