// Package builtin is a brain that needs no model and no network, and says so.
//
// It can do five things, and it does them for real: it has a command of an extension carried out that it is given by name ([mind.command]), it keeps what it is told about the person who talks to it (package facts),
// finds it again when it is asked, in its memories and in the conversation ([mind.recall]), feels the tone of what it hears
// (package mood), and answers in a voice that the agent's persona sets ([voiceOf]). What it cannot do, it says it cannot. It
// understands English; of other languages it keeps and finds the words.
package builtin

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/host/local/brain/facts"
	"github.com/stagehouse/stagehouse/host/local/mood"
	"github.com/stagehouse/stagehouse/schema"
)

// Brain answers by rules. It has no state.
type Brain struct{}

var (
	_ brain.Brain   = Brain{}
	_ brain.Factory = New
)

// New makes the brain; it knows no options.
func New(_ context.Context, _ string, options schema.Object) (brain.Brain, error) {
	for name := range options {
		return nil, fmt.Errorf("there is no option %.80q; the built-in brain has none", name)
	}
	return Brain{}, nil
}

// Respond thinks about the message, feels its tone, keeps or looks up what it calls for, and answers.
func (Brain) Respond(ctx context.Context, t brain.Turn) iter.Seq2[brain.Step, error] {
	return func(yield func(brain.Step, error) bool) {
		m := &mind{ctx: ctx, turn: t, yield: yield, voice: voiceOf(t.Agent)}
		reply, done := m.command()
		if !done {
			reply = m.consider(understand(t))
		}
		for piece := range pieces(reply) {
			m.do(brain.Step{Delta: piece})
		}
		m.do(brain.Step{Reply: reply})
	}
}

// mind is one turn being thought through.
type mind struct {
	ctx   context.Context
	turn  brain.Turn
	yield func(brain.Step, error) bool
	voice voice
	ended bool // nobody listens any more, or an error was yielded
}

// do yields a step, unless the turn has ended.
func (m *mind) do(s brain.Step) {
	if !m.ended {
		m.ended = !m.yield(s, nil)
	}
}

func (m *mind) fail(err error) {
	if !m.ended {
		m.ended = true
		m.yield(brain.Step{}, err)
	}
}

func (m *mind) think(format string, args ...any) {
	m.do(brain.Step{Thought: fmt.Sprintf(format, args...)})
}

// consider does everything up to the reply, and returns it.
func (m *mind) consider(u understanding) string {
	m.think("%s", u.thought())
	m.feel(u.tone)
	var parts []string
	if u.greets {
		parts = append(parts, m.greet(u))
	}
	switch {
	case len(u.facts) > 0:
		parts = append(parts, m.keep(u.facts))
	case u.intent == intentNone:
	default:
		parts = append(parts, m.answer(u))
	}
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), " ")
}

// feel moves the mood by what was heard.
func (m *mind) feel(heard mood.Tone) {
	now := mood.Blend(m.turn.Agent.Emotion, heard.Emotion)
	m.turn.Agent.Emotion = now
	m.do(brain.Step{Emotion: &now})
}

func (m *mind) answer(u understanding) string {
	switch u.intent {
	case intentWhoAreYou:
		return m.introduce()
	case intentHowAreYou:
		return m.mood()
	case intentThanks:
		return m.say(lineThanks)
	case intentBye:
		return m.say(lineBye)
	case intentWhatDoYouKnow:
		return m.everything()
	case intentWhatDidISay:
		return m.lastSaid()
	case intentQuestion:
		return m.question(u)
	case intentRequest:
		return m.request(u)
	case intentUnclear:
		return m.say(lineUnclear)
	case intentForget:
		m.think("I can only add to what I remember, and I do not pretend otherwise.")
		return m.say(lineForget)
	case intentFeeling:
		return m.empathise(u)
	}
	return m.listen(u)
}

// keep has the runtime store what was told, and says what it understood.
func (m *mind) keep(told []facts.Fact) string {
	var kept, known, left []string
	for _, f := range told {
		if m.knows(f.Content) {
			m.think("I remember that already: “%s”.", f.Content)
			known = append(known, toSecondPerson(f.Content))
			continue
		}
		if !m.turn.Policy.May(len(kept)) {
			m.think("I may not keep this: “%s”.", f.Content)
			left = append(left, toSecondPerson(f.Content))
			continue
		}
		m.think("This is worth keeping: “%s”, because %s.", f.Content, f.Because)
		m.do(brain.Step{Action: &brain.Action{
			Name:   "memory.store",
			Input:  schema.Object{"content": f.Content},
			Result: schema.Object{"stored": true},
			Store:  &brain.Memo{Content: f.Content, Metadata: schema.Object{"source": "chat", "kind": f.Kind}},
		}})
		kept = append(kept, toSecondPerson(f.Content))
	}
	var out []string
	if len(kept) > 0 {
		out = append(out, m.say(lineKept, join(kept)))
	}
	if len(known) > 0 {
		out = append(out, m.say(lineKnown, join(known)))
	}
	if len(left) > 0 {
		out = append(out, m.say(lineNotKept, join(left)))
	}
	return strings.Join(out, " ")
}

// pieces parts a reply into groups of words whose concatenation is exactly the reply.
func pieces(reply string) iter.Seq[string] {
	const group = 3
	return func(yield func(string) bool) {
		start, n, inSpace := 0, 0, true
		for i, r := range reply {
			space := r == ' ' || r == '\n' || r == '\t'
			if !space && inSpace && i > 0 {
				if n++; n == group {
					if !yield(reply[start:i]) {
						return
					}
					start, n = i, 0
				}
			}
			inSpace = space
		}
		if start < len(reply) {
			yield(reply[start:])
		}
	}
}

// join lists things as people do.
func join(list []string) string {
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:len(list)-1], ", ") + " and " + list[len(list)-1]
}
