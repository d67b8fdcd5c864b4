package guard

import (
	"context"
	"fmt"
	"iter"

	"github.com/stagehouse/stagehouse/schema"
)

// New returns s behind the checks of this package. A service that is nil stays nil, and Identity passes through, because
// it is called before there is a caller.
func New(s schema.Services) schema.Services {
	out := schema.Services{Identity: s.Identity}
	if s.Agents != nil {
		out.Agents = agents{s.Agents}
	}
	if s.Chat != nil {
		out.Chat = chat{next: s.Chat, agents: s.Agents}
	}
	if s.Memory != nil {
		out.Memory = memory{next: s.Memory, agents: s.Agents}
	}
	if s.Usage != nil {
		out.Usage = usage{s.Usage}
	}
	if s.Events != nil {
		out.Events = events{s.Events}
	}
	return out
}

// reader returns the caller of ctx if it may look at anything at all.
func reader(ctx context.Context) (schema.Caller, error) {
	c := schema.CallerFrom(ctx)
	if err := ctx.Err(); err != nil {
		return c, schema.Errorf(schema.CodeOf(err), "the call was over before it began: %w", err)
	}
	if c.Principal == "" {
		return c, schema.Errorf(schema.CodeUnauthenticated, "nobody is known to be calling; present a token")
	}
	if err := schema.OnceFrom(ctx).Validate(); err != nil {
		return c, err
	}
	return c, need(c, schema.ScopeRead)
}

// need returns CodePermissionDenied unless c's scopes cover s.
func need(c schema.Caller, s schema.Scope) error {
	if c.Can(s) {
		return nil
	}
	return schema.Errorf(schema.CodePermissionDenied, "this needs the scope %q, which the caller does not have", s)
}

// needOn is need for an act on a thing: look says whether the caller may see it, and is asked only if the act is refused.
func needOn(c schema.Caller, s schema.Scope, look func() error) error {
	denied := need(c, s)
	if denied == nil {
		return nil
	}
	if err := look(); err != nil {
		return err
	}
	return denied
}

// checkID refuses what cannot be an id.
func checkID(location, id string) error {
	if schema.ValidID(id) {
		return nil
	}
	return schema.Invalid(location, "must be 1 to %d letters, digits or . _ ~ : - characters", schema.MaxIDBytes)
}

// bounded brings a limit into what the contract allows; 0 keeps meaning the default.
func bounded(limit int) int {
	if limit == 0 {
		return 0
	}
	return schema.PageSize(limit)
}

// hidden is what a caller is told of a thing that it may not see.
func hidden(what, id string) error {
	return schema.Errorf(schema.CodeNotFound, "there is no %s %q", what, id)
}

// refuse yields one error.
func refuse[T any](err error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		yield(none, err)
	}
}

// lookAt returns whether the caller may see the agent; without an Agents service nobody can know.
func lookAt(ctx context.Context, a schema.Agents, id string) error {
	if a == nil || id == "" {
		return nil
	}
	if _, err := a.Get(ctx, id); err != nil {
		return fmt.Errorf("look at agent: %w", err)
	}
	return nil
}
