package local

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stagehouse/stagehouse/host/fault"
	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/host/local/brain/builtin"
	"github.com/stagehouse/stagehouse/host/local/brain/model"
	"github.com/stagehouse/stagehouse/host/local/mood"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/problem"
)

// maxMaking bounds how many brains of one provider are being made at once, those included that nobody waits for any more.
const maxMaking = 64

// errSlow says that a brain was not made in time.
var errSlow = errors.New("its factory took too long")

// maker makes the brains of one provider.
type maker struct {
	provider string
	factory  brain.Factory
	places   chan struct{} // holds one entry for each call of the factory that has not returned
}

func newMakers(factories map[string]brain.Factory) map[string]*maker {
	makers := make(map[string]*maker, len(factories))
	for provider, f := range factories {
		makers[provider] = &maker{provider: provider, factory: f, places: make(chan struct{}, maxMaking)}
	}
	return makers
}

// make returns when the factory does or ctx ends, and says why ctx has. A factory that takes no notice of ctx is left behind;
// it keeps its place until it returns, so that there cannot be more than maxMaking of them.
func (m *maker) make(ctx context.Context, agentID string, options schema.Object) (brain.Brain, error) {
	type outcome struct {
		brain brain.Brain
		err   error
	}
	select {
	case m.places <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("brain %s: %w", m.provider, context.Cause(ctx))
	}
	made := make(chan outcome, 1)
	go func() {
		defer func() { <-m.places }()
		b, err := m.call(ctx, agentID, options)
		made <- outcome{b, err}
	}()
	select {
	case o := <-made:
		if o.err != nil && ctx.Err() != nil {
			o.err = fmt.Errorf("brain %s: %w", m.provider, context.Cause(ctx))
		}
		return o.brain, o.err
	case <-ctx.Done():
		return nil, fmt.Errorf("brain %s: %w", m.provider, context.Cause(ctx))
	}
}

// call turns a panic of the factory into an error.
func (m *maker) call(ctx context.Context, agentID string, options schema.Object) (made brain.Brain, err error) {
	defer func() {
		if p := recover(); p != nil {
			made, err = nil, fmt.Errorf("brain %s failed to start: panic: %v", m.provider, p)
		}
	}()
	made, err = m.factory(ctx, agentID, options)
	if err != nil {
		return nil, fmt.Errorf("brain %s: %w", m.provider, err)
	}
	if made == nil {
		return nil, fmt.Errorf("brain %s: its factory made none", m.provider)
	}
	return made, nil
}

// shut waits until no call of the factory is under way, and reports whether that came to be before ctx ended. Nothing is made
// after it.
func (m *maker) shut(ctx context.Context) bool {
	for range cap(m.places) {
		select {
		case m.places <- struct{}{}:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// starting bounds how long a brain may be in the making: by Options.StartTimeout, and by the life of the runtime.
func (r *Runtime) starting(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, end := context.WithCancelCause(ctx)
	released := context.AfterFunc(r.lifetime, func() { end(fault.Closing()) })
	ctx, cancel := context.WithTimeoutCause(ctx, r.options.StartTimeout,
		fmt.Errorf("%w: it made none within %s", errSlow, r.options.StartTimeout))
	return ctx, func() {
		cancel()
		released()
		end(nil)
	}
}

// makeBrain makes the brain of an agent before ctx ends. The temper, which is the host's to know, is none of its business.
func (r *Runtime) makeBrain(ctx context.Context, agentID string, b schema.Brain) (brain.Brain, error) {
	if _, err := mood.TemperOf(b.Options); err != nil {
		return nil, fmt.Errorf("brain %s: %w", b.Provider, err)
	}
	return r.makeThinker(ctx, agentID, withoutTemper(b))
}

func withoutTemper(b schema.Brain) schema.Brain {
	b.Options = maps.Clone(b.Options)
	delete(b.Options, mood.Option)
	return b
}

// BrainProblems returns what is wrong with what an agent's field "brain" says to this runtime and to the brains that extensions offer,
// with pointers into the field. Of a brain that is not offered nothing is known.
func BrainProblems(b schema.Brain, offered []schema.BrainInfo) []schema.Problem {
	all := mood.Problems(b.Options)
	b = withoutTemper(b)
	if b.Provider == BuiltinBrain {
		if _, err := builtin.New(context.Background(), "", b.Options); err != nil {
			return append(all, problem.Errorf("", "", "%v", err))
		}
		return all
	}
	return append(all, model.Problems(b, offered)...)
}

// makeThinker makes what thinks for an agent, or instead of that.
func (r *Runtime) makeThinker(ctx context.Context, agentID string, b schema.Brain) (brain.Brain, error) {
	if m, ok := r.makers[b.Provider]; ok {
		return m.make(ctx, agentID, b.Options)
	}
	if !r.options.UseBrains {
		return nil, r.unknownBrain(b.Provider)
	}
	m, err := model.New(ctx, r.models(), agentID, b)
	if err != nil {
		return nil, fmt.Errorf("brain %s: %w", b.Provider, err)
	}
	return m, nil
}

// UseBrains lets agents think with b from now on, within budgets, and has memories embedded by it: host.BrainUser. Options.UseBrains
// says that it will be called.
func (r *Runtime) UseBrains(b schema.Brains) {
	bounded := r.ledger.Brains(b)
	r.brains.Store(&bounded)
	r.memory.UseBrains(b)
}

// models is what brains of extensions are made with.
func (r *Runtime) models() model.Options {
	return model.Options{
		Brains: func() schema.Brains {
			if b := r.brains.Load(); b != nil {
				return *b
			}
			return nil
		},
		Hosts: slices.Collect(maps.Keys(r.makers)),
		Make:  r.makeThinker,
		Cost:  r.ledger.Estimate,
	}
}

// absentBrain returns what is wrong with a brain whose provider, or a fallback, is not there, if extensions are there by now.
func (r *Runtime) absentBrain(ctx context.Context, b schema.Brain) error {
	if r.makers[b.Provider] != nil || r.brains.Load() == nil {
		return nil
	}
	missing, known, err := model.Unknown(ctx, r.models(), b)
	if err == nil && len(missing) > 0 {
		err = fmt.Errorf("there is no brain %.80q; this host has: %s", missing[0], known)
	}
	return err
}

func (r *Runtime) unknownBrain(provider string) error {
	known := slices.Sorted(maps.Keys(r.makers))
	return fmt.Errorf("there is no brain %.80q; this host has: %s", provider, strings.Join(known, ", "))
}

// patchedBrain makes the brain that p asks for, so that options which cannot work are refused and change nothing; nil if p
// does not speak of it.
func (r *Runtime) patchedBrain(ctx context.Context, id string, p schema.AgentPatch) (brain.Brain, error) {
	if !p.Brain.Present {
		return nil, nil
	}
	return r.wantedBrain(ctx, "update agent", id, p.Brain.Apply(schema.Brain{}, schema.Brain{Provider: BuiltinBrain}))
}

// wantedBrain makes a brain that a caller asks for; one that cannot be made is the caller's mistake.
func (r *Runtime) wantedBrain(ctx context.Context, doing, id string, wanted schema.Brain) (brain.Brain, error) {
	making, cancel := r.starting(ctx)
	defer cancel()
	err := r.absentBrain(making, wanted)
	var b brain.Brain
	if err == nil {
		b, err = r.makeBrain(making, id, wanted)
	}
	text := doing + " " + id + ": brain: "
	switch {
	case err == nil:
		return b, nil
	case ctx.Err() != nil:
		return nil, fault.Of(r.log, doing, ctx.Err())
	case r.lifetime.Err() != nil:
		return nil, fault.Closing()
	case errors.Is(err, errSlow):
		return nil, schema.Errorf(schema.CodeDeadlineExceeded, "%s%w", text, err)
	}
	return nil, &schema.Error{
		Code: schema.CodeInvalidArgument, Message: text + err.Error(),
		Fields: []schema.FieldError{{Location: "brain", Message: err.Error()}}, Cause: err,
	}
}
