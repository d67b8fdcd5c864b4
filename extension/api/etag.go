package api

import (
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"
)

// etag returns the ETag of a revision.
func etag(revision int64) string { return `"` + strconv.FormatInt(revision, 10) + `"` }

// tag is one member of a list of ETags, see RFC 9110 §8.8.3.
type tag struct {
	opaque string // without its quotes
	weak   bool
}

// parseTags reads a header that holds a list of ETags, or "*" for any. ok is false if it is neither.
func parseTags(header string) (tags []tag, any, ok bool) {
	if strings.Trim(header, " \t") == "*" {
		return nil, true, true
	}
	for rest := header; ; {
		rest = strings.TrimLeft(rest, " \t,") // members of a list may be empty
		if rest == "" {
			return tags, false, true
		}
		opaque, weak := strings.CutPrefix(rest, "W/")
		opaque, opened := strings.CutPrefix(opaque, `"`)
		value, after, closed := strings.Cut(opaque, `"`)
		rest = strings.TrimLeft(after, " \t")
		if !opened || !closed || rest != "" && rest[0] != ',' {
			return nil, false, false
		}
		tags = append(tags, tag{value, weak})
	}
}

// unlessModified makes a 304 of an answer that the client has already, see RFC 9110 §13.1.2. It comes after the answer, which
// alone knows whether there is such a thing and whether the caller may see it.
func unlessModified(c *fiber.Ctx) {
	have := string(c.Response().Header.Peek(fiber.HeaderETag))
	reads := c.Method() == fiber.MethodGet || c.Method() == fiber.MethodHead
	if !reads || have == "" || c.Response().StatusCode() != fiber.StatusOK || !noneMatch(c, have) {
		return
	}
	c.Response().ResetBody()
	c.Response().Header.Del(fiber.HeaderContentType)
	c.Status(fiber.StatusNotModified)
}

// noneMatchParameter describes the header, once for all routes.
func noneMatchParameter(c *huma.Components) *huma.Param {
	c.Parameters[fiber.HeaderIfNoneMatch] = &huma.Param{
		Name: fiber.HeaderIfNoneMatch, In: "header", Schema: &huma.Schema{Type: huma.TypeString}, Example: `"7"`,
		Description: "The ETags of what you have: if it is still one of them, the answer is a 304 without a body",
	}
	return &huma.Param{Ref: "#/components/parameters/" + fiber.HeaderIfNoneMatch}
}

// noneMatch reports whether If-None-Match names the ETag, of which it does not matter here whether it is weak. What cannot be
// read names none: the client gets the whole answer, which does no harm.
func noneMatch(c *fiber.Ctx, have string) bool {
	var lines []string
	for _, line := range c.Request().Header.PeekAll(fiber.HeaderIfNoneMatch) {
		lines = append(lines, string(line))
	}
	tags, any, ok := parseTags(strings.Join(lines, ","))
	have = strings.Trim(strings.TrimPrefix(have, "W/"), `"`)
	return ok && (any || slices.ContainsFunc(tags, func(t tag) bool { return t.opaque == have }))
}
