package plugin

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/stagehouse/stagehouse/schema"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
	"github.com/stagehouse/stagehouse/schema/wire"
)

// Brains returns what the running extensions think with. Whoever calls it carries the caller in the context.
func (m *Manager) Brains() schema.Brains { return brains{m} }

type brains struct{ m *Manager }

// List returns the brains of all extensions, also of one that is being restarted.
func (b brains) List(context.Context) ([]schema.BrainInfo, error) {
	var all []schema.BrainInfo
	for _, e := range b.m.all() {
		if x := e.brain(); x != nil {
			all = append(all, *x)
		}
	}
	slices.SortFunc(all, func(x, y schema.BrainInfo) int { return cmp.Compare(x.Provider, y.Provider) })
	return all, nil
}

// Think takes a step in the generation that serves. One that does not begin because its generation leaves at this very moment is
// begun in the next one.
func (b brains) Think(ctx context.Context, r schema.ThinkRequest) iter.Seq2[schema.ThinkEvent, error] {
	return func(yield func(schema.ThinkEvent, error) bool) {
		if err := r.Validate(); err != nil {
			yield(schema.ThinkEvent{}, err)
			return
		}
		var left *generation // that was asked last and did not begin
		for {
			g, err := b.serving(r.Provider, left)
			if err != nil {
				yield(schema.ThinkEvent{}, err)
				return
			}
			if !wire.NotBegun(step{ctx: ctx, g: g, yield: yield}.take(r)) {
				return
			}
			left = g
		}
	}
}

// Embed embeds texts in the generation that serves, or in the next one, as Think does.
func (b brains) Embed(ctx context.Context, r schema.EmbedRequest) (schema.Embeddings, error) {
	if err := r.Validate(); err != nil {
		return schema.Embeddings{}, err
	}
	var left *generation
	for {
		g, err := b.serving(r.Provider, left)
		if err != nil {
			return schema.Embeddings{}, err
		}
		out, err := g.embed(ctx, r)
		if !wire.NotBegun(err) {
			return out, g.brainError(ctx, err)
		}
		left = g
	}
}

// embed embeds texts, unless the generation leaves.
func (g *generation) embed(ctx context.Context, r schema.EmbedRequest) (schema.Embeddings, error) {
	if !g.calls.Begin() {
		return schema.Embeddings{}, errLeaving
	}
	defer g.calls.End()
	return wire.Embed(ctx, pb.NewBrainsClient(g.proc.Conn()), r)
}

// serving returns the generation that thinks for a provider now, which is not the one that has left.
func (b brains) serving(provider string, left *generation) (*generation, error) {
	e := b.m.find(provider)
	switch {
	case e == nil:
		return nil, schema.Errorf(schema.CodeNotFound, "there is no brain %.80q; %s", provider, b.known())
	case e.brain() == nil && e.serving() != nil:
		return nil, schema.Errorf(schema.CodeNotFound, "the extension %s is no brain; %s", provider, b.known())
	}
	if g := e.serving(); g != nil && g != left {
		return g, nil
	}
	return nil, schema.Errorf(schema.CodeUnavailable, "the extension %s, whose brain it is, does not run at the moment; try again", provider)
}

// known says which brains there are.
func (b brains) known() string {
	all, _ := b.List(context.Background()) // it does not fail
	if len(all) == 0 {
		return "no extension that runs is one"
	}
	names := make([]string, len(all))
	for i, x := range all {
		names[i] = x.Provider
	}
	return "extensions that are: " + strings.Join(names, ", ")
}

// step is one that a generation takes, as it is yielded.
type step struct {
	ctx   context.Context
	g     *generation
	yield func(schema.ThinkEvent, error) bool
}

// take yields what comes of the step, and holds the extension to it that the last event, and no other, ends it. It returns
// the error of one that was not begun, and yields that of any other.
func (s step) take(r schema.ThinkRequest) error {
	if !s.g.calls.Begin() {
		return errLeaving
	}
	defer s.g.calls.End()
	begun, done := false, false
	for e, err := range wire.Think(s.ctx, pb.NewBrainsClient(s.g.proc.Conn()), r) {
		switch {
		case err != nil && done: // it has said all, and how its process ends is nobody's concern
			return nil
		case wire.NotBegun(err) && !begun:
			return err
		case err != nil:
			s.yield(schema.ThinkEvent{}, s.g.brainError(s.ctx, err))
			return nil
		case done:
			s.yield(schema.ThinkEvent{}, schema.Errorf(schema.CodeInternal, "the brain %s goes on after the end of its step", s.g.spec.Name))
			return nil
		}
		begun, done = true, e.Done != nil
		if !s.yield(e, nil) {
			return nil
		}
	}
	if !done {
		s.yield(schema.ThinkEvent{}, schema.Errorf(schema.CodeUnavailable, "the brain %s ended without saying how", s.g.spec.Name))
	}
	return nil
}

// brainError tells what a person makes of the error of a brain that was asked with ctx. A brain that gives up what nobody has cancelled,
// as one does whose extension has no more time to drain, is not there.
func (g *generation) brainError(ctx context.Context, err error) error {
	switch code := schema.CodeOf(err); {
	case code == schema.CodeUnavailable && !wire.Answered(err), wire.NotBegun(err):
		return schema.Errorf(schema.CodeUnavailable, "the extension %s went away while it was thinking", g.spec.Name)
	case code == schema.CodeCancelled && ctx.Err() == nil:
		return schema.Errorf(schema.CodeUnavailable, "the extension %s gave up while it was thinking", g.spec.Name)
	}
	return err
}

// brain returns what the extension thinks with: the generation that serves, or that served last; nil = nothing.
func (e *extension) brain() *schema.BrainInfo {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.lastBrain
}

// takeBrain reads what a generation thinks with, if the extension may.
func (g *generation) takeBrain(in *pb.BrainInfo) error {
	if in == nil {
		return nil
	}
	if g.spec.Grants != nil && !slices.Contains(g.spec.Grants, schema.GrantBrain) {
		g.log.Warn("the extension is a brain and is not granted to think for agents",
			"remedy", fmt.Sprintf("add %q to extensions.%s.plugin.grants", schema.GrantBrain, g.spec.Name))
		return nil
	}
	b := wire.FromBrainInfo(in)
	b.Provider = g.spec.Name
	if err := b.Validate(); err != nil {
		return fmt.Errorf("it has a brain that cannot be: %s", strings.TrimPrefix(err.Error(), string(schema.CodeInvalidArgument)+": "))
	}
	g.brain = &b
	return nil
}
