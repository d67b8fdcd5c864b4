// Package model is a brain whose thinking is done by chat models, which extensions offer (schema.Brains).
//
// A model takes one step at a time; the turn is here. It gathers what the model should know within a budget of tokens (context.go),
// asks it, has the tools carried out that it calls (tools.go) and asks again, until it has said all; then it keeps what is worth
// remembering (remember.go). Everything that happens is a step of the turn, durable and visible before the next.
//
// A provider may go away, be replaced, or refuse at any moment (step.go). What the model has said by then is not said again: the
// next try, of the same provider or of the next of the agent's fallbacks, goes on where it ends. What a tool has done is not
// done again.
package model

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/host/local/mood"
	"github.com/stagehouse/stagehouse/schema"
)

// DefaultPatience is how long the last of an agent's brains is asked again while it is not there.
const DefaultPatience = 30 * time.Second

// Options says what a Brain works with.
type Options struct {
	// Brains are those of extensions, as they are at the moment; it may be nil before the host has any.
	Brains func() schema.Brains
	// Hosts are the providers of the host itself, which Make makes a brain of for an agent, as a fallback.
	Hosts []string
	Make  func(ctx context.Context, agentID string, b schema.Brain) (brain.Brain, error)
	// Cost says to a person what tokens of a model cost; "" = nobody knows. It may be nil.
	Cost func(provider, model string, t schema.TokenUsage) string
	// Patience is how long the last of an agent's brains is asked again while it is not there; 0 = DefaultPatience.
	Patience time.Duration
}

// Brain thinks for one agent.
type Brain struct {
	options  Options
	settings settings
	chain    []candidate
	own      map[int]brain.Brain // of the host itself, by their place in chain
}

var _ brain.Brain = (*Brain)(nil)

// New makes the brain that an agent's field asks for, or says what is wrong with its options: those of a provider that is there
// now, and of the host. A provider may not be there yet.
func New(ctx context.Context, o Options, agentID string, b schema.Brain) (*Brain, error) {
	s, chain, err := parse(b)
	if err != nil {
		return nil, err
	}
	out := &Brain{options: o, settings: s, chain: chain, own: map[int]brain.Brain{}}
	if out.options.Patience <= 0 {
		out.options.Patience = DefaultPatience
	}
	offered, err := out.offered(ctx)
	if err != nil {
		return nil, err
	}
	for i, c := range chain {
		if slices.Contains(o.Hosts, c.provider) {
			if out.own[i], err = o.Make(ctx, agentID, schema.Brain{Provider: c.provider, Options: c.options}); err != nil {
				return nil, err
			}
			continue
		}
		at := slices.IndexFunc(offered, func(x schema.BrainInfo) bool { return x.Provider == c.provider })
		if at < 0 {
			continue
		}
		if err := c.fits(offered[at]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Unknown returns which providers of an agent's brain neither the host has, nor an extension offers at the moment.
func Unknown(ctx context.Context, o Options, b schema.Brain) (missing []string, known string, err error) {
	_, chain, err := parse(b)
	if err != nil {
		return nil, "", err
	}
	all, err := (&Brain{options: o}).offered(ctx)
	for _, c := range chain {
		there := func(x schema.BrainInfo) bool { return x.Provider == c.provider }
		if !slices.Contains(o.Hosts, c.provider) && !slices.ContainsFunc(all, there) {
			missing = append(missing, c.provider)
		}
	}
	return missing, names(all, o.Hosts), err
}

func (b *Brain) offered(ctx context.Context) ([]schema.BrainInfo, error) {
	if brains := b.options.Brains(); brains != nil {
		return brains.List(ctx)
	}
	return nil, nil
}

// errOver says that nobody takes the steps of a turn any more.
var errOver = errors.New("the turn is over")

func isOver(err error) bool { return errors.Is(err, errOver) }

// turn is one turn being thought through.
type turn struct {
	*Brain
	brain.Turn
	ctx   context.Context
	yield func(brain.Step, error) bool

	at       int // in chain: who thinks
	steps    int // of models
	asides   int // questions beside them
	budget   int // tokens of the context
	system   string
	tools    []schema.Tool
	does     map[string]tool
	messages []schema.ThinkMessage
	said     strings.Builder // of the reply
	thinking strings.Builder // of a thought that is not yielded yet
	mused    strings.Builder // the reasoning of a step that has not said anything yet
	again    string          // of the reasoning of a step that broke off, what has not come again yet
	kept     []string        // memories
	chose    bool            // the model has said what to remember
}

// Respond implements brain.Brain.
func (b *Brain) Respond(ctx context.Context, in brain.Turn) iter.Seq2[brain.Step, error] {
	return func(yield func(brain.Step, error) bool) {
		t := &turn{Brain: b, Turn: in, ctx: ctx, yield: yield, budget: b.settings.ContextTokens}
		if err := t.think(); err != nil && !isOver(err) {
			yield(brain.Step{}, err)
		}
	}
}

// do yields a step.
func (t *turn) do(s brain.Step) error {
	if !t.yield(s, nil) {
		return errOver
	}
	return nil
}

func (t *turn) note(format string, args ...any) error {
	return t.do(brain.Step{Thought: fmt.Sprintf(format, args...)})
}

// say yields the next piece of the reply, if there is room for it.
func (t *turn) say(piece string) error {
	if piece == "" {
		return nil
	}
	t.said.WriteString(piece)
	return t.do(brain.Step{Delta: piece})
}

// think does the whole of a turn.
func (t *turn) think() error {
	if t.Rehearses(t.Turn) {
		return t.rehearse()
	}
	if err := t.hear(); err != nil {
		return err
	}
	if t.own[0] != nil {
		return t.handOver()
	}
	if err := t.gather(); err != nil {
		return err
	}
	for {
		last := t.steps >= t.settings.MaxSteps-1
		done, err := t.step(last)
		if err != nil || done {
			return err
		}
	}
}

// gather puts together what the model is told, and what it may do.
func (t *turn) gather() error {
	if err := t.gatherTools(); err != nil {
		return err
	}
	return t.gatherContext()
}

// hear has the tone of the message move the mood, unless the model says itself what it feels.
func (t *turn) hear() error {
	if t.settings.Emotion != "text" {
		return nil
	}
	now := mood.Blend(t.Agent.Emotion, mood.Appraise(t.Message.Content).Emotion)
	t.Agent.Emotion = now
	return t.do(brain.Step{Emotion: &now})
}

// step has the model take a step, and its calls carried out; done says that the reply is complete.
func (t *turn) step(last bool) (done bool, err error) {
	tools := t.tools
	if last {
		tools = nil // so that it answers
	}
	a, err := t.ask(tools)
	switch {
	case err != nil:
		return false, err
	case a.answered: // by a brain of the host's own
		return true, nil
	}
	t.steps++
	if len(a.calls) == 0 {
		return true, t.finish(a)
	}
	if last {
		return true, t.giveUp()
	}
	t.messages = append(t.messages, schema.ThinkMessage{Role: schema.ThinkAgent, Text: a.text, Calls: a.calls, State: a.state})
	results := make([]schema.ToolResult, len(a.calls))
	for i, c := range a.calls {
		if results[i], err = t.carryOut(c); err != nil {
			return false, err
		}
	}
	t.messages = append(t.messages, schema.ThinkMessage{Role: schema.ThinkTools, Results: results})
	return false, nil
}

// giveUp ends the turn of a model that calls tools in its last step, although it was given none.
func (t *turn) giveUp() error {
	if t.said.Len() == 0 {
		return schema.Errorf(schema.CodeFailedPrecondition, "the model has called tools in each of %d steps and said nothing; raise maxSteps", t.steps)
	}
	if err := t.note("I have called tools in each of %d steps, and may take no more.", t.steps); err != nil {
		return err
	}
	return t.remember()
}

// finish ends the turn after the model's last words.
func (t *turn) finish(a answer) error {
	switch {
	case a.stop == schema.StopLength:
		if err := t.note("I may not say more than that: my reply has reached its bound."); err != nil {
			return err
		}
	case a.stop == schema.StopFilter:
		if err := t.note("The provider %s does not let me go on.", t.chain[t.at].provider); err != nil {
			return err
		}
	}
	return t.remember()
}

// handOver has a brain of the host's own answer instead. What was said before stays, and its reply is put below.
func (t *turn) handOver() error {
	if t.said.Len() > 0 {
		if err := t.say("\n\n"); err != nil {
			return err
		}
	}
	deltas := false
	for s, err := range t.own[t.at].Respond(t.ctx, t.Turn) {
		switch {
		case err != nil:
			return err
		case s.Emotion != nil && t.settings.Emotion == "text": // the tone was heard already
			continue
		case s.Reply != "" && deltas:
			return nil
		case s.Reply != "":
			return t.say(s.Reply)
		case s.Delta != "":
			deltas = true
			err = t.say(s.Delta)
		default:
			err = t.do(s)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
