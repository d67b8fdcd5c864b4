package api

import (
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"github.com/stagehouse/stagehouse/schema"
)

// Condition is the part of an input that says which revision the client wants to change. It is exported because huma looks
// at nothing else.
type Condition struct {
	IfMatch string `header:"If-Match" doc:"Do it only if the thing still has this ETag, or one of these" example:"\"7\""`

	conditional bool // whether there is an If-Match at all
}

var _ huma.Resolver = (*Condition)(nil)

// Resolve implements huma.Resolver: it joins the lines of the header, of which huma sees the first.
func (in *Condition) Resolve(ctx huma.Context) []error {
	var lines []string
	ctx.EachHeader(func(name, value string) {
		if strings.EqualFold(name, fiber.HeaderIfMatch) {
			lines = append(lines, value)
		}
	})
	in.IfMatch, in.conditional = strings.Join(lines, ","), len(lines) > 0
	return nil
}

// noRevision is one that nothing has: an update that demands it fails, with the first reason there is.
const noRevision = -1

// demanded returns the revision that an update has to demand, 0 for any; see RFC 9110 §13.1.1. It decides nothing itself:
// whether the caller may change the thing comes before whether it has changed, and the host knows both. current returns the
// revision that it has, and is asked only where that matters.
func (in *Condition) demanded(current func() (int64, error)) (int64, error) {
	if !in.conditional {
		return 0, nil
	}
	revisions, err := parseIfMatch(in.IfMatch)
	switch {
	case err != nil:
		return 0, err
	case revisions == nil: // "*": that it is there is all that was asked
		return 0, nil
	case len(revisions) == 0:
		return noRevision, nil
	case len(revisions) == 1:
		return revisions[0], nil
	}
	now, err := current()
	if err != nil {
		return 0, err
	}
	if slices.Contains(revisions, now) {
		return now, nil
	}
	return noRevision, nil
}

// changedBefore words a mismatch of revisions, for the host knows nothing of ETags. Other errors stay as they are.
func changedBefore(err error, what string) error {
	if schema.CodeOf(err) != schema.CodeRevisionMismatch {
		return err
	}
	return &schema.Error{
		Code: schema.CodeRevisionMismatch, Cause: err,
		Message: "the ETag of the " + what + " is none of those in If-Match; read it again, and decide again",
	}
}

// parseIfMatch returns the revisions that an If-Match header names; nil for "*". Weak tags never match here, and tags of
// another form are not ours: neither is in the list.
func parseIfMatch(header string) ([]int64, error) {
	tags, any, ok := parseTags(header)
	switch {
	case !ok:
		return nil, schema.Errorf(schema.CodeMalformed, "If-Match must be a list of ETags as they were sent, in double quotes, or *")
	case any:
		return nil, nil
	}
	revisions := []int64{}
	for _, t := range tags {
		if n, err := strconv.ParseInt(t.opaque, 10, 64); !t.weak && err == nil && n > 0 && strconv.FormatInt(n, 10) == t.opaque {
			revisions = append(revisions, n)
		}
	}
	return revisions, nil
}
