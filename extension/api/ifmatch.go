package api

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"github.com/stagehouse/stagehouse/schema"
)

var _ huma.Resolver = (*updateAgentInput)(nil)

// Resolve implements huma.Resolver: it joins the lines of the header, of which huma sees the first.
func (in *updateAgentInput) Resolve(ctx huma.Context) []error {
	var lines []string
	ctx.EachHeader(func(name, value string) {
		if strings.EqualFold(name, fiber.HeaderIfMatch) {
			lines = append(lines, value)
		}
	})
	in.IfMatch, in.conditional = strings.Join(lines, ","), len(lines) > 0
	return nil
}

// noRevision is one that no agent has: an update that demands it fails, with the first reason there is.
const noRevision = -1

// ifMatch returns the revision that an update has to demand, 0 for any; see RFC 9110 §13.1.1. It decides nothing itself:
// whether the caller may change the agent comes before whether it has changed, and the host knows both.
func (s *Server) ifMatch(ctx context.Context, in *updateAgentInput) (int64, error) {
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
	now, err := s.services.Agents.Get(ctx, in.AgentID)
	if err != nil {
		return 0, err
	}
	if slices.Contains(revisions, now.Revision) {
		return now.Revision, nil
	}
	return noRevision, nil
}

// parseIfMatch returns the revisions that an If-Match header names; nil for "*". Weak tags never match here, and tags of
// another form are not ours: neither is in the list.
func parseIfMatch(header string) ([]int64, error) {
	if strings.Trim(header, " \t") == "*" {
		return nil, nil
	}
	revisions := []int64{}
	for rest := header; ; {
		rest = strings.TrimLeft(rest, " \t,") // members of a list may be empty
		if rest == "" {
			return revisions, nil
		}
		opaque, weak := strings.CutPrefix(rest, "W/")
		opaque, opened := strings.CutPrefix(opaque, `"`)
		tag, after, closed := strings.Cut(opaque, `"`)
		rest = strings.TrimLeft(after, " \t")
		if !opened || !closed || rest != "" && rest[0] != ',' {
			return nil, schema.Errorf(schema.CodeMalformed, "If-Match must be a list of ETags as they were sent, in double quotes, or *")
		}
		if n, err := strconv.ParseInt(tag, 10, 64); !weak && err == nil && n > 0 && strconv.FormatInt(n, 10) == tag {
			revisions = append(revisions, n)
		}
	}
}
