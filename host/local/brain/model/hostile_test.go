package model

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/schema"
)

func called(all ...schema.ToolCall) play {
	var p play
	for _, c := range all {
		p.events = append(p.events, schema.ThinkEvent{Call: &c})
	}
	p.events = append(p.events, ended(schema.StopCalls))
	return p
}

func recall(id string) schema.ToolCall {
	return schema.ToolCall{ID: id, Name: "memory_recall", Input: schema.Object{"query": "x"}}
}

// lastOf returns the last message that the model is given in a step.
func lastOf(q schema.ThinkRequest) schema.ThinkMessage { return q.Messages[len(q.Messages)-1] }

// TestCallsCountWhenTheStepHasEnded: a provider that dies between its calls and the end of the step is asked again, and what it calls
// is done once.
func TestCallsCountWhenTheStepHasEnded(t *testing.T) {
	store := schema.ToolCall{ID: "c1", Name: "memory_store", Input: schema.Object{"content": "Ann likes tea"}}
	broken := called(store)
	broken.events[1] = schema.ThinkEvent{Text: "I note that. "}
	broken.err = schema.Errorf(schema.CodeUnavailable, "it is gone")
	x := &troupe{plays: map[string][]play{"a": {broken, called(store), says("Done.")}}}
	o := run(t, x, schema.Brain{Provider: "a"}, asked("What?"))
	if o.err != nil || o.reply != "I note that. \n\nDone." || len(o.actions) != 1 {
		t.Errorf("the turn is %+v", o)
	}
	if m := lastOf(x.asked[1]); m.Role != schema.ThinkAgent || m.Text != "I note that. " || len(m.Calls) != 0 {
		t.Errorf("it goes on after %+v", m)
	}
}

// TestReasoningIsShownOnce: what a provider had thought before it died, and thinks again, is not shown again.
func TestReasoningIsShownOnce(t *testing.T) {
	think := func(pieces ...string) (all []schema.ThinkEvent) {
		for _, p := range pieces {
			all = append(all, schema.ThinkEvent{Thought: p})
		}
		return all
	}
	gone := schema.Errorf(schema.CodeUnavailable, "it is gone")
	for name, c := range map[string]struct {
		plays []play
		want  []string
	}{
		"the same, in other pieces": {[]play{{think("One. ", "Two. "), gone}, {append(think("One. Two", ". Three."), says("Yes.").events...), nil}}, []string{"One. Two.", "Three."}},
		"something else":            {[]play{{think("One. "), gone}, {append(think("Uno."), says("Yes.").events...), nil}}, []string{"One.", "Uno."}},
		"broken off twice":          {[]play{{think("One. "), gone}, {think("One. "), gone}, {append(think("One. ", "Two."), says("Yes.").events...), nil}}, []string{"One.", "Two."}},
		"the same in the next step": {[]play{{append(think("Hm."), called(recall("c")).events...), nil}, {append(think("Hm."), says("Yes.").events...), nil}}, []string{"Hm.", "Hm."}},
	} {
		t.Run(name, func(t *testing.T) {
			o := run(t, &troupe{plays: map[string][]play{"a": c.plays}}, schema.Brain{Provider: "a"}, asked("Well?"))
			o.thoughts = slices.DeleteFunc(o.thoughts, func(s string) bool { return strings.Contains(s, "I ask again") })
			if o.err != nil || o.reply != "Yes." || !slices.Equal(o.thoughts, c.want) {
				t.Errorf("the turn is %+v, want the thoughts %q", o, c.want)
			}
		})
	}
}

// TestAModelThatOnlyCallsTools comes to an end, although it calls what it was not given.
func TestAModelThatOnlyCallsTools(t *testing.T) {
	again := called(recall("c"))
	o := run(t, &troupe{plays: map[string][]play{"a": {again, again, again, again}}}, schema.Brain{Provider: "a", Options: schema.Object{"maxSteps": 3}}, asked("Go."))
	if schema.CodeOf(o.err) != schema.CodeFailedPrecondition || !strings.Contains(o.err.Error(), "raise maxSteps") || len(o.actions) != 2 {
		t.Errorf("the turn is %+v", o)
	}
	first := play{events: append(text("Let me see."), again.events...)}
	o = run(t, &troupe{plays: map[string][]play{"a": {first, again, again}}}, schema.Brain{Provider: "a", Options: schema.Object{"maxSteps": 3}}, asked("My name is Ann."))
	if o.err != nil || o.reply != "Let me see." || !strings.Contains(strings.Join(o.thoughts, " "), "each of 3 steps") || len(o.actions) != 3 {
		t.Errorf("after a word it is %+v", o)
	}
}

// TestCallsThatAreNotSound: ids that are missing, or there twice, and names that no provider takes back.
func TestCallsThatAreNotSound(t *testing.T) {
	odd := schema.ToolCall{ID: "c", Name: "functions.memory recall ü", Input: schema.Object{}}
	x := &troupe{plays: map[string][]play{"a": {called(recall(""), recall(""), recall("c"), odd, schema.ToolCall{ID: "call_1"}), says("So.")}}}
	o := run(t, x, schema.Brain{Provider: "a"}, asked("Go."))
	if o.err != nil || o.reply != "So." || len(o.actions) != 3 {
		t.Fatalf("the turn is %+v", o)
	}
	messages := x.asked[1].Messages
	calls, results := messages[len(messages)-2].Calls, lastOf(x.asked[1]).Results
	ids := map[string]bool{}
	for i, c := range calls {
		ids[c.ID] = true
		if c.ID == "" || !schema.ValidToolName(c.Name) || results[i].CallID != c.ID || results[i].Name != c.Name || results[i].Failed != (i > 2) {
			t.Errorf("call %d is %+v, its result %+v", i, c, results[i])
		}
	}
	if len(ids) != 5 || !strings.Contains(results[3].Output, "memory_store") {
		t.Errorf("the ids are %v; it is told %s", ids, results[3].Output)
	}
}

// TestAnotherProviderIsToldInItsOwnWords: it gets neither the state nor the ids of the one before, and results stay with their calls.
func TestAnotherProviderIsToldInItsOwnWords(t *testing.T) {
	x := &troupe{plays: map[string][]play{"a": {called(recall("functions.x:0"), recall("functions.x:1")), fails(schema.CodeUnauthenticated)}, "b": {says("b")}}}
	if o := run(t, x, schema.Brain{Provider: "a", Options: schema.Object{"fallback": []any{"b"}}}, asked("Go.")); o.err != nil || o.reply != "b" {
		t.Fatalf("the turn is %+v", o)
	}
	n := len(x.asked[2].Messages)
	own, tools := x.asked[2].Messages[n-2], x.asked[2].Messages[n-1]
	for i := range own.Calls {
		if id := own.Calls[i].ID; strings.ContainsAny(id, ".:") || tools.Results[i].CallID != id || own.State != nil {
			t.Errorf("call %d is %+v, its result %+v", i, own, tools)
		}
	}
}

// TestAModelWithoutAnEnd: text, reasoning, blanks and calls without end are cut.
func TestAModelWithoutAnEnd(t *testing.T) {
	many := func(e schema.ThinkEvent, n int) play { return play{events: slices.Repeat([]schema.ThinkEvent{e}, n)} }
	long := strings.Repeat("ü", 4000)
	o := run(t, &troupe{plays: map[string][]play{"a": {many(schema.ThinkEvent{Text: "x" + long}, 100)}}}, schema.Brain{Provider: "a"}, asked("Talk."))
	if o.err != nil || len(o.reply) > maxReplyBytes || len(o.reply) < maxReplyBytes-2 || !utf8.ValidString(o.reply) || !strings.Contains(o.thoughts[len(o.thoughts)-1], "its bound") {
		t.Errorf("it says %d bytes, %v, %v", len(o.reply), o.thoughts, o.err)
	}
	o = run(t, &troupe{plays: map[string][]play{"a": {many(schema.ThinkEvent{Text: strings.Repeat(long, 10)}, 1)}}}, schema.Brain{Provider: "a"}, asked("Talk."))
	if o.err != nil || len(o.reply) != maxReplyBytes {
		t.Errorf("in one piece it says %d bytes, %v", len(o.reply), o.err)
	}
	call := recall("c")
	for name, p := range map[string]play{
		"reasoning": many(schema.ThinkEvent{Thought: long}, 500), "blanks": many(schema.ThinkEvent{Text: strings.Repeat(" ", 4000)}, 500),
		"calls": many(schema.ThinkEvent{Call: &call}, 500),
	} {
		o := run(t, &troupe{plays: map[string][]play{"a": {p}, "b": {says("b")}}}, schema.Brain{Provider: "a", Options: schema.Object{"fallback": []any{"b"}}}, asked("Go."))
		if o.err != nil || o.reply != "b" || len(o.actions) != 0 || !strings.Contains(o.thoughts[len(o.thoughts)-1], "does not come to an end") {
			t.Errorf("%s: %q, %v", name, o.reply, o.err)
		}
	}
}

// TestBlanksAreNoAnswer: a reply does not begin with them, and one of nothing else is asked for again.
func TestBlanksAreNoAnswer(t *testing.T) {
	x := &troupe{plays: map[string][]play{"a": {says("\n", " "), {events: append(text("\n"), called(recall("c")).events...)}, says("\n\n", "Yes. ", " ", "No.")}}}
	o := run(t, x, schema.Brain{Provider: "a"}, asked("Go."))
	if o.err != nil || o.reply != "Yes.  No." || len(x.asked) != 3 {
		t.Errorf("the turn is %+v", o)
	}
}

// lingering is a brain whose steps take a while before they break off.
type lingering struct {
	*troupe
	takes time.Duration
}

func (l lingering) Think(ctx context.Context, r schema.ThinkRequest) iter.Seq2[schema.ThinkEvent, error] {
	return func(yield func(schema.ThinkEvent, error) bool) {
		for e, err := range l.troupe.Think(ctx, r) {
			if err != nil {
				time.Sleep(l.takes)
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// TestPatience begins when a provider is not there, and anew when it has said something: however long an answer takes.
func TestPatience(t *testing.T) {
	off := func(said ...string) play { return fails(schema.CodeUnavailable, said...) }
	for name, c := range map[string]struct {
		plays []play
		want  string
		err   bool
	}{
		"a long answer that breaks off":  {[]play{off("1 "), off("2 "), off("3 "), says("4")}, "1 2 3 4", false},
		"silence that breaks off":        {[]play{off(), says("1")}, "1", false},
		"silence, again and again":       {[]play{off(), off(), says("never")}, "", true},
		"silence after a word":           {[]play{off("1 "), off(), off(), says("never")}, "1 ", true},
		"a word every now and then":      {slices.Repeat([]play{off("w ")}, 60), strings.Repeat("w ", maxBreaks), true},
		"what no patience is of use for": {[]play{off("1 "), fails(schema.CodeUnauthenticated), says("never")}, "1 ", true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := &troupe{plays: map[string][]play{"a": c.plays}}
				options := with(x)
				options.Patience = 30 * time.Second
				options.Brains = func() schema.Brains { return lingering{x, time.Minute} }
				m, err := New(t.Context(), options, "nyx", schema.Brain{Provider: "a"})
				if err != nil {
					t.Fatal(err)
				}
				var said string
				var end error
				for s, err := range m.Respond(t.Context(), asked("Go.")) {
					said, end = said+s.Delta, err
				}
				if said != c.want || (end != nil) != c.err {
					t.Errorf("it says %q, and ends with %v", said, end)
				}
			})
		})
	}
}

// TestCancellationReachesTheModel: whoever takes no more steps, and whoever ends the context, stops the step under way, and a pause.
func TestCancellationReachesTheModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := &troupe{plays: map[string][]play{"a": {fails(schema.CodeUnavailable, "1 "), fails(schema.CodeUnavailable)}}}
		m, err := New(t.Context(), with(x), "nyx", schema.Brain{Provider: "a"})
		if err != nil {
			t.Fatal(err)
		}
		for s := range m.Respond(t.Context(), asked("Go.")) {
			if s.Delta != "" {
				break
			}
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		var end error
		for s, err := range m.Respond(ctx, asked("Go.")) {
			if strings.Contains(s.Thought, "I ask again") {
				cancel(brainless)
			}
			end = err
		}
		if !errors.Is(end, brainless) || len(x.asked) != 2 {
			t.Errorf("it ends with %v, asked %d times", end, len(x.asked))
		}
	})
}

var brainless = schema.Errorf(schema.CodeCancelled, "the agent was stopped")

// TestNamesOfToolsAreDistinct: commands that are called like the host's own tools are offered under other names.
func TestNamesOfToolsAreDistinct(t *testing.T) {
	var commands []schema.Command
	for _, name := range []string{"feel", "command_feel", "memory_store", strings.Repeat("x", 64)} {
		commands = append(commands, schema.Command{Name: name, Description: name, InputSchema: []byte(`{"type":"object"}`)})
	}
	x := &troupe{plays: map[string][]play{"a": {called(schema.ToolCall{ID: "c", Name: "command_command_feel"}), says("Yes.")}}}
	in := asked("Go.")
	done := &told{list: commands}
	in.Commands = done
	if o := run(t, x, schema.Brain{Provider: "a", Options: schema.Object{"emotion": "model"}}, in); o.err != nil {
		t.Fatalf("the turn is %+v", o)
	}
	var names []string
	for _, tool := range x.asked[0].Tools {
		names = append(names, tool.Name)
	}
	want := []string{"memory_store", "memory_recall", "command_feel", "command_command_feel", "command_memory_store", strings.Repeat("x", 64), "feel"}
	if !slices.Equal(names, want) || !slices.Equal(done.names, []string{"command_feel"}) {
		t.Errorf("the tools are %q; done was %q", names, done.names)
	}
}

// TestNamesThatAllCollide: commands whose names take up every other name of one of them do not keep a turn from going on.
func TestNamesThatAllCollide(t *testing.T) {
	var commands []schema.Command
	add := func(name string) {
		commands = append(commands, schema.Command{Name: name[:min(len(name), 64)], Description: "c", InputSchema: []byte(`{"type":"object"}`)})
	}
	for n := 9; n > 0; n-- {
		add(strings.Repeat("command_", n) + "memory_store")
	}
	add("memory_store")
	x := &troupe{plays: map[string][]play{"a": {says("Yes.")}}}
	in := asked("Go.")
	in.Commands = &told{list: slices.CompactFunc(commands, func(a, b schema.Command) bool { return a.Name == b.Name })}
	if o := run(t, x, schema.Brain{Provider: "a"}, in); o.err != nil {
		t.Fatalf("the turn is %+v", o)
	}
	if got := len(x.asked[0].Tools); got != 2+8 { // all but the one that finds no name
		t.Errorf("%d tools are offered", got)
	}
}

// told is commands of which is known what was carried out.
type told struct {
	list  []schema.Command
	names []string
}

var _ brain.Commands = (*told)(nil)

func (x *told) List(context.Context) ([]schema.Command, error) { return x.list, nil }

func (x *told) Run(_ context.Context, name string, _ schema.Object) (schema.Object, error) {
	x.names = append(x.names, name)
	return schema.Object{}, nil
}
