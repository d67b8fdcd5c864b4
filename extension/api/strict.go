package api

import (
	"encoding/json"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humafiber"
	"github.com/gofiber/fiber/v2"

	"github.com/stagehouse/stagehouse/extension/api/internal/problem"
	"github.com/stagehouse/stagehouse/extension/api/internal/strictjson"
	"github.com/stagehouse/stagehouse/schema"
)

// twice is what is wrong with a second member or parameter of the same name: readers differ in which one they believe.
const twice = "appears more than once"

// checkBody refuses bodies that encoding/json would take for something else than they are.
func checkBody(c *fiber.Ctx) error {
	if e := c.Get(fiber.HeaderContentEncoding); e != "" && !strings.EqualFold(e, "identity") {
		c.Set(fiber.HeaderAcceptEncoding, "identity")
		return schema.Errorf(schema.CodeUnsupportedMediaType, "the request body must not be compressed")
	}
	body, contentType := c.Request().Body(), c.Get(fiber.HeaderContentType)
	switch {
	case len(body) == 0:
		return nil // huma knows what to say about it
	case !isJSON(contentType):
		return schema.Errorf(schema.CodeUnsupportedMediaType, "the request body must be JSON, sent as Content-Type: application/json")
	}
	if _, parameters, err := mime.ParseMediaType(contentType); err == nil && parameters["charset"] != "" && !strings.EqualFold(parameters["charset"], "utf-8") {
		return schema.Errorf(schema.CodeUnsupportedMediaType, "the request body must be UTF-8, which is what JSON is sent as; leave the charset out")
	}
	duplicates, err := strictjson.Check(body, "body")
	if err == nil {
		err = strictjson.CheckText(body)
	}
	if err != nil {
		return schema.Errorf(schema.CodeMalformed, "the request body cannot be read: %w", err)
	}
	if len(duplicates) == 0 {
		return nil
	}
	found := make([]schema.FieldError, len(duplicates))
	for i, at := range duplicates {
		found[i] = schema.FieldError{Location: at, Message: twice}
	}
	p := problem.New(schema.CodeInvalidArgument, summary(found))
	p.Errors = found
	return p
}

func isJSON(contentType string) bool {
	media, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	media = strings.TrimSpace(media)
	return media == "" || media == fiber.MIMEApplicationJSON || strings.HasSuffix(media, "+json")
}

// strict is a middleware that refuses what huma lets pass: parameters that it does not know or that appear twice, numbers that are empty, and
// members of a body whose names are right but for upper and lower case. (huma.ValidateStrictCasing would do for the
// last, and is a variable of the whole process.)
func strict(api huma.API) func(ctx huma.Context, next func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		c, op := humafiber.UnwrapV2(ctx), ctx.Operation()
		found := wrongParameters(c, op)
		if op.RequestBody != nil {
			model := op.RequestBody.Content[fiber.MIMEApplicationJSON].Schema
			for model.Ref != "" {
				model = api.OpenAPI().Components.Schemas.SchemaFromRef(model.Ref)
			}
			found = append(found, miscased(c.Request().Body(), model.Properties)...)
		}
		if len(found) == 0 {
			next(ctx)
			return
		}
		// An error of writing is that of the connection, which is fasthttp's to notice.
		_ = huma.WriteErr(api, ctx, http.StatusUnprocessableEntity, "validation failed", found...)
	}
}

// wrongParameters looks at the query of an operation.
func wrongParameters(c *fiber.Ctx, op *huma.Operation) (found []error) {
	if op.SkipValidateParams {
		return nil
	}
	given := map[string]int{}
	for name := range c.Context().QueryArgs().All() {
		given[string(name)]++
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !knows(op, name) {
			found = append(found, &huma.ErrorDetail{Location: "query." + name, Message: "unknown query parameter"})
		} else if given[name] > 1 && !lists(op, name) {
			found = append(found, &huma.ErrorDetail{Location: "query." + name, Message: twice})
		}
	}
	for _, p := range op.Parameters {
		if p.In != "query" || given[p.Name] != 1 || p.Schema.Type != huma.TypeInteger && p.Schema.Type != huma.TypeNumber {
			continue
		}
		switch value := c.Query(p.Name); {
		case value == "":
			found = append(found, &huma.ErrorDetail{Location: "query." + p.Name, Message: "must be a number, and is empty"})
		case p.Schema.Type == huma.TypeNumber && !writesNumber(value):
			found = append(found, &huma.ErrorDetail{Location: "query." + p.Name, Message: "must be a number as JSON writes it"})
		}
	}
	return found
}

// writesNumber reports whether a text is a number of JSON. huma takes what strconv does: NaN, which is in every range, and 0x1p-1.
func writesNumber(text string) bool {
	var n json.Number
	return json.Unmarshal([]byte(text), &n) == nil && n.String() == text
}

// knows reports whether an operation has a parameter of that name. One that is an object is all whose names are its own, a dot,
// and something more.
func knows(op *huma.Operation, name string) bool {
	return slices.ContainsFunc(op.Parameters, func(p *huma.Param) bool {
		switch {
		case p.In != "query":
			return false
		case p.Schema.Type == huma.TypeObject:
			member, is := strings.CutPrefix(name, p.Name+".")
			return is && member != ""
		}
		return p.Name == name
	})
}

// lists reports whether a parameter of that name is a list, to which every one adds.
func lists(op *huma.Operation, name string) bool {
	return slices.ContainsFunc(op.Parameters, func(p *huma.Param) bool {
		return p.In == "query" && p.Name == name && p.Schema.Type == huma.TypeArray
	})
}

// miscased finds the members of a JSON object that are none of the properties, and that encoding/json would take for one.
func miscased(body []byte, properties map[string]*huma.Schema) (found []error) {
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil {
		return nil // huma knows what to say about it
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if properties[name] != nil {
			continue
		}
		for known := range properties {
			if strings.EqualFold(name, known) {
				found = append(found, &huma.ErrorDetail{Location: "body." + name, Message: "unexpected property; the one that is known is " + known})
			}
		}
	}
	return found
}
