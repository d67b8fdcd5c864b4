package api

import (
	"net/url"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// Paging is the part of an input that says which page of a list the client wants. It is exported because huma looks at nothing
// else.
type Paging struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"200" doc:"How many at most; 50 if absent" example:"50"`
	Cursor string `query:"cursor" maxLength:"1024" doc:"A cursor of another page of the same list; the first page if absent" example:"YWdlbnRzOmFyaWE"`

	asked url.URL // what was asked for
}

var _ huma.Resolver = (*Paging)(nil)

// Resolve implements huma.Resolver.
func (p *Paging) Resolve(ctx huma.Context) []error {
	p.asked = ctx.URL()
	return nil
}

// Links is the part of an output that says where the pages beside this one are.
type Links struct {
	Link string `header:"Link" doc:"Where the pages beside this one are, as RFC 8288 has it: rel=\"next\", rel=\"prev\". Absent if there are none" example:"</api/agents?cursor=YWdlbnRzOmFyaWE&limit=1>; rel=\"next\""`
}

// links names the pages that the cursors lead to; "" leads nowhere. Everything else stays as it was asked for, but since, in
// whose place the cursor comes.
func (p *Paging) links(next, prev string) Links {
	var all []string
	for _, to := range []struct{ cursor, rel string }{{next, "next"}, {prev, "prev"}} {
		if to.cursor == "" {
			continue
		}
		q := p.asked.Query()
		q.Del("since")
		q.Set("cursor", to.cursor)
		all = append(all, "<"+p.asked.EscapedPath()+"?"+q.Encode()+`>; rel="`+to.rel+`"`)
	}
	return Links{strings.Join(all, ", ")}
}
