package apitest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// bodies has the compiled schema of every JSON body that the document describes. kin-openapi would compile one anew for every
// value, and judge by rules of its own where there is a $ref.
type bodies struct {
	of      map[*openapi3.MediaType]*jsonschema.Schema
	problem *jsonschema.Schema
}

// The document twice: as it is, for what clients send, and closed, for what the server answers. Clients must not mind what a
// later version adds to an answer, so the document leaves it open; but what this version answers is in the document of this version.
const (
	asSent     = "urn:sent"
	asAnswered = "urn:answered"
)

const problemType = "application/problem+json"

func newBodies(document []byte, doc *openapi3.T) (*bodies, error) {
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	for _, name := range []string{asSent, asAnswered} {
		raw, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
		if err != nil {
			return nil, fmt.Errorf("read the OpenAPI document: %w", err)
		}
		if name == asAnswered {
			closeAnswers(raw)
		}
		if err := c.AddResource(name, raw); err != nil {
			return nil, fmt.Errorf("read the schemas of the OpenAPI document: %w", err)
		}
	}
	b := &bodies{of: map[*openapi3.MediaType]*jsonschema.Schema{}}
	var err error
	if b.problem, err = c.Compile(asAnswered + "#/components/schemas/Problem"); err != nil {
		return nil, fmt.Errorf("compile the schema of a problem: %w", err)
	}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			at := "#/paths/" + pointer.Replace(path) + "/" + strings.ToLower(method)
			if err := b.compileOperation(c, at, op); err != nil {
				return nil, fmt.Errorf("%s %s: %w", method, path, err)
			}
		}
	}
	return b, nil
}

// pointer escapes a token of a JSON pointer.
var pointer = strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D")

func (b *bodies) compileOperation(c *jsonschema.Compiler, at string, op *openapi3.Operation) error {
	if op.RequestBody != nil {
		place := asSent + at + "/requestBody"
		if op.RequestBody.Ref != "" {
			place = asSent + op.RequestBody.Ref
		}
		if err := b.compile(c, place, op.RequestBody.Value.Content); err != nil {
			return err
		}
	}
	for status, response := range op.Responses.Map() {
		place := asAnswered + at + "/responses/" + status
		if response.Ref != "" {
			place = asAnswered + response.Ref
		}
		if err := b.compile(c, place, response.Value.Content); err != nil {
			return err
		}
	}
	return nil
}

func (b *bodies) compile(c *jsonschema.Compiler, place string, content openapi3.Content) error {
	for name, media := range content {
		if media.Schema == nil || !isJSON(name) {
			continue
		}
		schema, err := c.Compile(place + "/content/" + pointer.Replace(name) + "/schema")
		if err != nil {
			return err
		}
		b.of[media] = schema
	}
	return nil
}

func isJSON(mediaType string) bool {
	return mediaType == "application/json" || strings.HasSuffix(mediaType, "+json")
}

// judge returns what is wrong with a body of that media type; nothing if it has no schema, or is no JSON.
func (b *bodies) judge(media *openapi3.MediaType, body []byte) error {
	if schema := b.of[media]; schema != nil {
		return judge(schema, body)
	}
	return nil
}

func judge(schema *jsonschema.Schema, body []byte) error {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("the body is no JSON: %w", err)
	}
	err = schema.Validate(v)
	var wrong *jsonschema.ValidationError
	if !errors.As(err, &wrong) {
		return err
	}
	var found []error
	text := message.NewPrinter(language.English)
	leaves(wrong, func(e *jsonschema.ValidationError) {
		found = append(found, fmt.Errorf("the body has at /%s: %s", strings.Join(e.InstanceLocation, "/"), e.ErrorKind.LocalizedString(text)))
	})
	return errors.Join(found...)
}

// leaves calls f with every cause that has none itself.
func leaves(e *jsonschema.ValidationError, f func(*jsonschema.ValidationError)) {
	if len(e.Causes) == 0 {
		f(e)
	}
	for _, cause := range e.Causes {
		leaves(cause, f)
	}
}
