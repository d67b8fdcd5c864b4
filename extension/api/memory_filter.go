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

// metadataParameter describes them all.
func metadataParameter() *huma.Param {
	return &huma.Param{
		Name: metadataPrefix + "*", In: "query", Schema: &huma.Schema{Type: huma.TypeString},
		Description: "Only memories whose metadata has a member of the name in the place of * with this value: a string, a number, true or false",
	}
}
