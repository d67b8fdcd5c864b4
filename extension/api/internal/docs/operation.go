package docs

import (
	"html/template"
	"reflect"
	"strings"
)

// operation is one operation of the REST API.
type operation struct {
	Anchor     string
	Method     string
	Path       string
	Summary    string
	Text       template.HTML
	Deprecated bool
	Access     string // what it needs to be let in
	Parameters []memberList
	Body       *body
	Answers    []answer
	Errors     []answer
	ErrorForm  []content // that of the errors, if they all have the same
	Samples    []sample
	Extras     []extra
}

// memberList is a list of members with a heading.
type memberList struct {
	Label   string
	Members []member
}

// sample is a piece of code beside an operation.
type sample struct {
	Label string
	Text  template.HTML
	Code  code
}

// methods are the methods of a path, in the order in which the page shows them.
var methods = []string{"get", "head", "post", "put", "patch", "delete", "options", "trace"}

// operation describes an operation; shared are the parameters of its path.
func (d *document) operation(method, path string, shared []any, v any) operation {
	p := partOf(v)
	o := operation{
		Method: strings.ToUpper(method), Path: path, Summary: p.text("summary"), Deprecated: p.flag("deprecated"),
		Text: prose{}.blocks(p.text("description")),
	}
	o.Anchor = anchor(d.prefix+"operation", method+" "+path)
	if id := p.text("operationId"); id != "" {
		o.Anchor = anchor(d.prefix+"operation", id)
	}
	if o.Summary == "" {
		o.Summary = o.Method + " " + path
	}
	p.skip("tags")
	o.Access = d.access(p)
	if scope := p.text("x-scope"); scope != "" { // OpenAPI 3.1 has no scopes for tokens that are just bearer tokens
		o.Access = strings.TrimPrefix(o.Access+", scope "+scope, ", ")
	}
	parameters := d.merge(shared, p.list("parameters"))
	o.Parameters = d.parameters(parameters)
	if p.has("requestBody") {
		o.Body = d.body(p.take("requestBody"))
	}
	responses := p.part("responses")
	for _, status := range responses.names {
		a := d.answer(status, responses.values[status])
		if a.Class == "4" || a.Class == "5" {
			o.Errors = append(o.Errors, a)
		} else {
			o.Answers = append(o.Answers, a)
		}
	}
	o.ErrorForm = commonForm(o.Errors)
	o.Samples = d.samples(o, parameters)
	o.Extras = p.rest()
	return o
}

// commonForm returns the form that all bodies of errors have, if they have one.
func commonForm(errors []answer) []content {
	var form []content
	for _, a := range errors {
		switch {
		case len(a.Contents) == 0:
		case len(a.Contents) > 1 || form != nil && !reflect.DeepEqual(form[0].Shape, a.Contents[0].Shape):
			return nil
		default:
			form = []content{{MediaType: a.Contents[0].MediaType, Shape: a.Contents[0].Shape}}
		}
	}
	return form
}

// samples are what is beside an operation: command lines, and examples of bodies and of answers.
func (d *document) samples(o operation, parameters []part) []sample {
	out := d.calls(o, parameters)
	if o.Body != nil {
		for i, c := range o.Body.Contents {
			for k, e := range c.Examples {
				if i+k > 0 { // the first one is in the command line
					out = append(out, sample{label("Body", c, e), e.Text, e.Code})
				}
			}
		}
	}
	for _, a := range o.Answers {
		for _, c := range a.Contents {
			for _, e := range c.Examples {
				out = append(out, sample{label("Answer "+a.Status, c, e), e.Text, e.Code})
			}
		}
	}
	return out
}

func label(of string, c content, e example) string {
	of += " · " + c.MediaType
	if e.Name != "" {
		of += " · " + e.Name
	}
	return of
}

// access words what an operation needs to be let in.
func (d *document) access(p part) string {
	list := p.list("security")
	if !p.has("security") {
		list, _ = d.root.values["security"].([]any)
	}
	var ways []string
	optional := len(list) == 0
	for _, v := range list {
		o := partOf(v)
		var needs []string
		for _, name := range o.names {
			need := name
			if scopes := stringsOf(o.list(name)); len(scopes) > 0 {
				need += " with " + strings.Join(scopes, ", ")
			}
			needs = append(needs, need)
		}
		if len(needs) == 0 {
			optional = true
			continue
		}
		ways = append(ways, strings.Join(needs, " and "))
	}
	switch text := strings.Join(ways, " or "); {
	case text == "":
		return ""
	case optional:
		return "Optional: " + text
	default:
		return "Needs: " + text
	}
}
