package api

import (
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humafiber"

	"github.com/stagehouse/stagehouse/schema"
)

// metadataPrefix begins the names of the parameters that ask for a member of the metadata; the member's name follows.
const metadataPrefix = "metadata."

var _ huma.Resolver = (*searchMemoryInput)(nil)

// Resolve implements huma.Resolver: it reads the parameters whose names the client makes up, in their order.
func (in *searchMemoryInput) Resolve(ctx huma.Context) []error {
	in.metadata = nil
	for name, value := range humafiber.UnwrapV2(ctx).Context().QueryArgs().All() {
		if key, ok := strings.CutPrefix(string(name), metadataPrefix); ok {
			in.metadata = append(in.metadata, schema.MetadataEquals{Key: key, Value: string(value)})
		}
	}
	return nil
}

// metadataParameter describes them all, as one object whose members are parameters of their own.
func metadataParameter() *huma.Param {
	exploded := true
	return &huma.Param{
		Name: "metadata", In: "query", Style: "form", Explode: &exploded,
		Schema: &huma.Schema{
			Type: huma.TypeObject, AdditionalProperties: false,
			Extensions: map[string]any{"patternProperties": map[string]*huma.Schema{"^metadata\\..+$": {Type: huma.TypeString}}},
		},
		Example: map[string]string{metadataPrefix + "source": "import"},
		Description: "Only memories whose metadata has these members: `metadata.source=import` asks for those whose member `source` is `import`. " +
			"A value is a string, a number, true or false; the parameter may be repeated with other names, and all have to hold",
	}
}
