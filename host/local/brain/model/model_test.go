package model

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/host/local/brain/builtin"
	"github.com/stagehouse/stagehouse/schema"
)

// play is what a brain does with one step: events, and an error at the end of them.
type play struct {
	events []schema.ThinkEvent
	err    error
}

func text(pieces ...string) (all []schema.ThinkEvent) {
	for _, p := range pieces {
		all = append(all, schema.ThinkEvent{Text: p})
	}
	return all
}

func ended(stop schema.StopReason) schema.ThinkEvent {
	return schema.ThinkEvent{Done: &schema.ThinkDone{Stop: stop, Model: "m-1", Usage: schema.TokenUsage{InputTokens: 10, OutputTokens: 2}, State: []byte("signed")}}
}

func says(pieces ...string) play { return play{events: append(text(pieces...), ended(schema.StopEnd))} }

func calls(name string, input schema.Object) play {
	return play{events: []schema.ThinkEvent{{Call: &schema.ToolCall{ID: "c1", Name: name, Input: input}}, ended(schema.StopCalls)}}
}

func fails(code schema.ErrorCode, after ...string) play {
	return play{text(after...), schema.Errorf(code, "it is %s", code)}
}

// troupe is brains that do what a test has written down, step by step.
type troupe struct {
	plays map[string][]play
	asked []schema.ThinkRequest
}

func (x *troupe) List(context.Context) (all []schema.BrainInfo, _ error) {
	for p := range x.plays {
		all = append(all, schema.BrainInfo{Provider: p, Description: p, OptionsSchema: []byte(`{"type":"object","properties":{"model":{"type":"string"}},"additionalProperties":false}`)})
	}
	return all, nil
}

func (x *troupe) Embed(context.Context, schema.EmbedRequest) (schema.Embeddings, error) {
	return schema.Embeddings{}, nil
}

func (x *troupe) Think(_ context.Context, r schema.ThinkRequest) iter.Seq2[schema.ThinkEvent, error] {
	return func(yield func(schema.ThinkEvent, error) bool) {
		if err := r.Validate(); err != nil {
			yield(schema.ThinkEvent{}, err)
			return
		}
		r.Messages = slices.Clone(r.Messages)
		x.asked = append(x.asked, r)
		left, ok := x.plays[r.Provider]
		if !ok || len(left) == 0 {
			yield(schema.ThinkEvent{}, schema.Errorf(schema.CodeNotFound, "there is no brain %q", r.Provider))
			return
		}
		x.plays[r.Provider] = left[1:]
		for _, e := range left[0].events {
			if !yield(e, nil) {
				return
			}
		}
		if left[0].err != nil {
			yield(schema.ThinkEvent{}, left[0].err)
		}
	}
}

// past is what an agent remembers in a test.
type past []schema.MemoryItem

func (p past) Recall(_ context.Context, _ string, limit int) (hits []schema.MemoryHit, _ error) {
	for _, m := range p[:min(limit, len(p))] {
		hits = append(hits, schema.MemoryHit{Memory: m, Score: 1})
	}
	return hits, nil
}

func (p past) Recent(context.Context, int) ([]schema.MemoryItem, error) { return p, nil }

func with(x *troupe) Options {
	return Options{
		Brains: func() schema.Brains { return x }, Hosts: []string{"builtin"}, Patience: time.Second,
		Make: func(ctx context.Context, id string, b schema.Brain) (brain.Brain, error) {
			return builtin.New(ctx, id, b.Options)
		},
	}
}

func asked(message string) brain.Turn {
	return brain.Turn{
		Agent:     schema.Agent{ID: "nyx", Name: "Nyx", Persona: "You are Nyx.", Emotion: schema.Emotion{Name: "calm"}},
		Principal: "ann", Message: schema.Message{ID: "m9", RunID: "run_1", ConversationID: "c", Role: schema.RoleUser, Content: message},
		Now: time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC), Memory: past{},
	}
}

// outcome is what a turn has come to.
type outcome struct {
	reply     string
	thoughts  []string
	actions   []brain.Action
	feelings  []string
	summaries []brain.Summary
	usage     int
	err       error
}

func run(t *testing.T, x *troupe, b schema.Brain, in brain.Turn) (o outcome) {
	t.Helper()
	m, err := New(t.Context(), with(x), "nyx", b)
	if err != nil {
		t.Fatal(err)
	}
	return watch(t, m, in)
}

// watch returns what becomes of a turn.
func watch(t *testing.T, m *Brain, in brain.Turn) (o outcome) {
	t.Helper()
	for s, err := range m.Respond(t.Context(), in) {
		if err != nil {
			o.err = err
			break
		}
		o.reply += s.Delta
		if s.Thought != "" {
			o.thoughts = append(o.thoughts, s.Thought)
		}
		if s.Action != nil {
			o.actions = append(o.actions, *s.Action)
		}
		if s.Emotion != nil {
			o.feelings = append(o.feelings, s.Emotion.Name)
		}
		if s.Usage != nil {
			o.usage++
		}
		if s.Summary != nil {
			o.summaries = append(o.summaries, *s.Summary)
		}
	}
	return o
}

func TestATurnIsThought(t *testing.T) {
	x := &troupe{plays: map[string][]play{"openai": {{events: slices.Concat(
		[]schema.ThinkEvent{{Thought: "Hm. "}, {Thought: "I see."}}, text("Good ", "day."), []schema.ThinkEvent{ended(schema.StopEnd)})}}}}
	in := asked("Hello, I am so happy!")
	in.History = []schema.Message{{ID: "m1", Role: schema.RoleUser, Content: "before"}, {ID: "m2", Role: schema.RoleAgent, AgentID: "nyx", Content: "yes"}}
	in.Memory = past{{Content: "Ann has a cat", Principal: "ann"}}
	o := run(t, x, schema.Brain{Provider: "openai", Options: schema.Object{"model": "m", "maxTokens": 99}}, in)
	if o.err != nil || o.reply != "Good day." || !slices.Equal(o.thoughts, []string{"Hm. I see."}) || o.usage != 1 || !slices.Equal(o.feelings, []string{"happy"}) {
		t.Errorf("the turn is %+v", o)
	}
	q := x.asked[0]
	for _, want := range []string{"You are Nyx.", "Ann has a cat", "happy", "2 January 2026"} {
		if !strings.Contains(q.System, want) {
			t.Errorf("the model is not told %q: %s", want, q.System)
		}
	}
	if q.MaxTokens != 99 || q.Options["model"] != "m" || len(q.Options) != 1 || len(q.Messages) != 3 || q.Messages[1].Role != schema.ThinkAgent || q.RunID != "run_1" {
		t.Errorf("it is asked %+v", q)
	}
}

// TestAnAnswerThatBreaksOffComesOutWhole: the same provider goes on, then another one, and nothing is said twice.
func TestAnAnswerThatBreaksOffComesOutWhole(t *testing.T) {
	x := &troupe{plays: map[string][]play{
		"a": {fails(schema.CodeUnavailable, "one ", "two "), fails(schema.CodeUnavailable, "three ")},
		"b": {says("four")},
	}}
	o := run(t, x, schema.Brain{Provider: "a", Options: schema.Object{"fallback": []any{"b"}}}, asked("Count."))
	if o.err != nil || o.reply != "one two three four" {
		t.Fatalf("the turn is %+v", o)
	}
	last := x.asked[2].Messages
	if got := last[len(last)-1]; got.Role != schema.ThinkAgent || got.Text != "one two three " {
		t.Errorf("b goes on after %+v", got)
	}
	if x.asked[0].ID != x.asked[2].ID {
		t.Errorf("the step has two ids: %s, %s", x.asked[0].ID, x.asked[2].ID)
	}
	if len(o.thoughts) != 2 || !strings.Contains(o.thoughts[1], "I go on with b") {
		t.Errorf("it shows %q", o.thoughts)
	}
}

func TestFallbacks(t *testing.T) {
	for name, c := range map[string]struct {
		plays  map[string][]play
		chain  []any
		reply  string
		err    string
		thinks int // how often a was asked
	}{
		"a key that is refused": {map[string][]play{"a": {fails(schema.CodeUnauthenticated)}, "b": {says("b")}}, []any{"b"}, "b", "", 1},
		"a brain of an object":  {map[string][]play{"a": {fails(schema.CodeInvalidArgument)}, "b": {says("b")}}, []any{map[string]any{"provider": "b", "model": "x"}}, "b", "", 1},
		"nobody":                {map[string][]play{"a": {fails(schema.CodeUnauthenticated)}, "b": {fails(schema.CodePermissionDenied)}}, []any{"b"}, "", "a: it is unauthenticated; b: it is permission_denied", 1},
		"patience":              {map[string][]play{"a": {fails(schema.CodeUnavailable), fails(schema.CodeRateLimited), says("at last")}}, nil, "at last", "", 3},
		"nothing was answered":  {map[string][]play{"a": {says(), says("now")}}, nil, "now", "", 2},
		"a filter":              {map[string][]play{"a": {{events: []schema.ThinkEvent{ended(schema.StopFilter)}}}}, nil, "", "content filter", 1},
		"an end without a word": {map[string][]play{"a": {{events: text("so")}, says(" far")}}, nil, "so far", "", 2},
	} {
		t.Run(name, func(t *testing.T) {
			x := &troupe{plays: c.plays}
			b := schema.Brain{Provider: "a"}
			if c.chain != nil {
				b.Options = schema.Object{"fallback": c.chain}
			}
			o := run(t, x, b, asked("Hello"))
			if o.reply != c.reply || (o.err == nil) != (c.err == "") || c.err != "" && !strings.Contains(o.err.Error(), c.err) {
				t.Errorf("the turn is %+v", o)
			}
			n := 0
			for _, q := range x.asked {
				if q.Provider == "a" {
					n++
				}
			}
			if n != c.thinks {
				t.Errorf("a was asked %d times, want %d", n, c.thinks)
			}
		})
	}
}

func TestTheBuiltInBrainHelpsOut(t *testing.T) {
	o := run(t, &troupe{plays: map[string][]play{"a": {fails(schema.CodeUnauthenticated, "I am ")}}},
		schema.Brain{Provider: "a", Options: schema.Object{"fallback": []any{"builtin"}}}, asked("Who are you?"))
	if o.err != nil || !strings.HasPrefix(o.reply, "I am \n\n") || !strings.Contains(o.reply, "Nyx") || len(o.feelings) != 1 {
		t.Errorf("the turn is %+v", o)
	}
}

func TestToolsAreCarriedOut(t *testing.T) {
	x := &troupe{plays: map[string][]play{"a": {
		{events: append(text("Let me see."), calls("memory_recall", schema.Object{"query": "cat"}).events...)},
		calls("memory_store", schema.Object{"content": "Ann likes tea", "importance": 0.9}),
		calls("memory_store", schema.Object{"content": "ann LIKES tea"}),
		calls("memory_store", schema.Object{"content": 7}),
		calls("no_such_tool", nil),
		says("Done."),
	}}}
	in := asked("What do you know?")
	o := run(t, x, schema.Brain{Provider: "a"}, in)
	if o.err != nil || o.reply != "Let me see.\n\nDone." {
		t.Fatalf("the turn is %+v", o)
	}
	var names []string
	for _, a := range o.actions {
		names = append(names, a.Name)
	}
	if !slices.Equal(names, []string{"memory.recall", "memory.store"}) || *o.actions[1].Store.Importance != 0.9 {
		t.Errorf("it has done %v", names)
	}
	for i, want := range []string{"", `"found"`, `"stored":true`, `"stored":false`, "invalid_argument", "no tool"} {
		if want == "" {
			continue
		}
		last := x.asked[i].Messages[len(x.asked[i].Messages)-1]
		if last.Role != schema.ThinkTools || !strings.Contains(last.Results[0].Output, want) || last.Results[0].Failed != (i > 3) {
			t.Errorf("step %d is told %+v, want %q", i, last, want)
		}
	}
	if state := x.asked[1].Messages[1].State; string(state) != "signed" {
		t.Errorf("the state of the step before is %q", state)
	}
}

func TestWhatIsKeptOfATurn(t *testing.T) {
	in := asked("My name is Ann. I have a cat. Remember that the door is red.")
	in.Memory = past{{Content: "My name is Ann", Principal: "ann"}}
	o := run(t, &troupe{plays: map[string][]play{"a": {says("Hello.")}}}, schema.Brain{Provider: "a"}, in)
	var kept []string
	for _, a := range o.actions {
		if a.Store != nil {
			kept = append(kept, a.Store.Content)
		}
	}
	if !slices.Equal(kept, []string{"I have a cat", "the door is red"}) {
		t.Errorf("it keeps %q", kept)
	}
	x := &troupe{plays: map[string][]play{"a": {says("Hello."), says("- Ann moves to Rome in May\n2. Ann has two sons\nNONE")}}}
	o = run(t, x, schema.Brain{Provider: "a", Options: schema.Object{"remember": "model"}}, asked("My name is Ann."))
	if len(o.actions) != 2 || o.actions[0].Store.Content != "Ann moves to Rome in May" || o.actions[1].Store.Content != "Ann has two sons" || o.reply != "Hello." || o.usage != 2 {
		t.Errorf("the turn is %+v", o)
	}
	if o = run(t, &troupe{plays: map[string][]play{"a": {says("Hello.")}}}, schema.Brain{Provider: "a", Options: schema.Object{"remember": "off"}}, in); len(o.actions) != 1 {
		t.Errorf("although it is to keep nothing: %+v", o.actions)
	}
}

func TestSameFact(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"I live in Rome", "i live in rome", true}, {"My cat is called Tom", "my cat is called tom!", true},
		{"I have 2 cats", "I have 3 cats", false}, {"I like tea", "I don't like tea", false}, {"I like tea", "I like tea and green apples", false},
	} {
		x := &turn{Turn: brain.Turn{Memory: past{{Content: c.a}}}, ctx: t.Context()}
		if same, err := x.knows(c.b); err != nil || same != c.same {
			t.Errorf("%q and %q: %v, %v", c.a, c.b, same, err)
		}
	}
}

func TestTheLastStepHasNoTools(t *testing.T) {
	again := calls("memory_recall", schema.Object{"query": "x"})
	x := &troupe{plays: map[string][]play{"a": {again, again, says("Enough.")}}}
	o := run(t, x, schema.Brain{Provider: "a", Options: schema.Object{"maxSteps": 3}}, asked("Go."))
	if o.err != nil || o.reply != "Enough." || len(x.asked[1].Tools) == 0 || len(x.asked[2].Tools) != 0 {
		t.Errorf("the turn is %+v", o)
	}
}

func TestTheContextFitsTheBudget(t *testing.T) {
	in := asked("And now?")
	for i := range 100 {
		in.History = append(in.History, schema.Message{Role: schema.RoleUser, Content: fmt.Sprintf("%03d %s", i, strings.Repeat("word ", 20))})
		in.Memory = append(in.Memory.(past), schema.MemoryItem{Content: strings.Repeat("memory ", 30)})
	}
	x := &troupe{plays: map[string][]play{"a": {fails(schema.CodeRateLimited), fails(schema.CodeTooLarge), says("Yes.")}}}
	o := run(t, x, schema.Brain{Provider: "a", Options: schema.Object{"contextTokens": 2000}}, in)
	if o.err != nil || o.reply != "Yes." || len(o.summaries) > 0 || !slices.Contains(o.thoughts, "I could not: it is rate_limited. I leave it out.") {
		t.Fatalf("the turn is %+v", o)
	}
	x.asked = x.asked[1:] // which was for a summary
	total := tokensOf(x.asked[0].System) + tokensOfTools(x.asked[0].Tools)
	for _, m := range x.asked[0].Messages {
		total += tokensOfMessage(m)
	}
	n := len(x.asked[0].Messages)
	if total > 2000 || total < 1500 || !strings.HasPrefix(x.asked[0].Messages[n-2].Text, "099") {
		t.Errorf("the context has %d tokens in %d messages", total, n)
	}
	if less := len(x.asked[1].Messages); less >= n || less < 2 {
		t.Errorf("after the model had refused %d messages it is given %d", n, less)
	}
}

// TestTheOldestIsSummarised: once for many messages, with what is summarised already; the model sees it in their place.
func TestTheOldestIsSummarised(t *testing.T) {
	in := asked("And now?")
	in.Summary = "They have met."
	for i := range 100 {
		in.History = append(in.History, schema.Message{ID: fmt.Sprint("m", i), Role: schema.RoleUser, Content: fmt.Sprintf("%03d %s", i, strings.Repeat("word ", 20))})
	}
	minutes := says("They have met, and said ", "much.")
	minutes.events = append([]schema.ThinkEvent{{Thought: "What did they say?"}}, minutes.events...)
	x := &troupe{plays: map[string][]play{"a": {fails(schema.CodeUnavailable, "They ha"), minutes, says("Yes.")}}}
	o := run(t, x, schema.Brain{Provider: "a", Options: schema.Object{"contextTokens": 2000}}, in)
	if o.err != nil || o.reply != "Yes." || len(o.summaries) != 1 || o.summaries[0].Text != "They have met, and said much." || o.usage != 2 {
		t.Fatalf("the turn is %+v", o)
	}
	aside, told := x.asked[1], x.asked[2]
	if x.asked[0].ID == aside.ID || aside.ID == told.ID || len(aside.Tools) > 0 || aside.MaxTokens == 0 {
		t.Errorf("the summary is asked for by %+v", aside)
	}
	first := told.Messages[0].Text[:3]
	last, next := o.summaries[0].UpTo, "m"+strings.TrimLeft(first, "0")
	if at := slices.IndexFunc(in.History, func(m schema.Message) bool { return m.ID == last }); at < 50 || in.History[at+1].ID != next {
		t.Errorf("the summary is of all up to %s, and the context begins with %s", last, next)
	}
	if !strings.Contains(told.System, o.summaries[0].Text) || !strings.Contains(aside.Messages[0].Text, "The minutes so far:\nThey have met.") || !strings.Contains(aside.Messages[0].Text, "person: 000 word") {
		t.Errorf("the model is told %s, and asked to sum up %.200s", told.System, aside.Messages[0].Text)
	}

	in.History = nil // of short messages, as many as there are
	for i := range manyMessages {
		in.History = append(in.History, schema.Message{ID: fmt.Sprint("s", i), Role: schema.RoleUser, Content: "hm"})
	}
	x = &troupe{plays: map[string][]play{"a": {minutes, says("Yes.")}}}
	if o := run(t, x, schema.Brain{Provider: "a"}, in); len(o.summaries) != 1 || o.summaries[0].UpTo != fmt.Sprint("s", manyMessages/2-1) {
		t.Errorf("the turn is %+v", o)
	}
	in.History = in.History[1:]
	x = &troupe{plays: map[string][]play{"a": {says("Yes.")}}}
	if o := run(t, x, schema.Brain{Provider: "a"}, in); len(o.summaries) != 0 || len(x.asked[0].Messages) != manyMessages || !strings.Contains(x.asked[0].System, in.Summary) {
		t.Errorf("the turn is %+v", o)
	}
}

// TestAModelThatRemembersHasChosen: what the text of the message states is not kept beside it.
func TestAModelThatRemembersHasChosen(t *testing.T) {
	chosen := calls("memory_store", schema.Object{"content": "Ann's cat is Miro."})
	for want, plays := range map[int][]play{1: {chosen, says("Yes.")}, 2: {says("Yes.")}} {
		x := &troupe{plays: map[string][]play{"a": plays}}
		o := run(t, x, schema.Brain{Provider: "a"}, asked("Remember that my cat is called Miro. My name is Ann."))
		kept := slices.DeleteFunc(o.actions, func(a brain.Action) bool { return a.Store == nil })
		if o.err != nil || len(kept) != want || want == 1 && kept[0].Store.Content != "Ann's cat is Miro." {
			t.Errorf("kept are %+v, want %d; the turn is %+v", kept, want, o)
		}
	}
}

func TestTheModelSaysWhatItFeels(t *testing.T) {
	x := &troupe{plays: map[string][]play{"a": {calls("feel", schema.Object{"emotion": "proud", "valence": 0.8, "arousal": 0.5}), says("I am.")}}}
	if o := run(t, x, schema.Brain{Provider: "a", Options: schema.Object{"emotion": "model"}}, asked("This is sad.")); o.err != nil || !slices.Equal(o.feelings, []string{"proud"}) {
		t.Errorf("the turn is %+v", o)
	}
}

func TestADryRunAsksNobody(t *testing.T) {
	x := &troupe{plays: map[string][]play{"a": {says("never")}}}
	o := run(t, x, schema.Brain{Provider: "a", Options: schema.Object{"dryRun": true, "model": "m"}}, asked("Hello"))
	if len(x.asked) != 0 || !strings.Contains(o.reply, "a (m)") || !strings.Contains(o.reply, "memory_store") || strings.Contains(o.reply, "cost") || len(o.feelings) > 0 {
		t.Errorf("the turn is %+v, asked %d times", o, len(x.asked))
	}
	dry := asked("Hello")
	dry.Context = schema.Object{"dryRun": true}
	o = run(t, x, schema.Brain{Provider: "builtin", Options: schema.Object{"fallback": []any{"a"}}}, dry)
	if len(x.asked) != 0 || !strings.Contains(o.reply, "dry run") || !strings.Contains(o.reply, "builtin") {
		t.Errorf("the turn is %+v, asked %d times", o, len(x.asked))
	}
}

// TestADryRunSaysWhatItWouldCost has a message ask for it.
func TestADryRunSaysWhatItWouldCost(t *testing.T) {
	x := &troupe{plays: map[string][]play{"a": {says("never")}}}
	options := with(x)
	options.Cost = func(provider, model string, u schema.TokenUsage) string {
		if provider != "a" || model != "m" {
			return "an unknown amount"
		}
		return fmt.Sprintf("%d+%d pence", u.InputTokens, 2*u.OutputTokens)
	}
	for want, brainOptions := range map[string]schema.Object{
		"say 1000 tokens 0+2000 pence more":   {"model": "m"},
		"at most 300 tokens 0+600 pence more": {"model": "m", "maxTokens": 300},
		"would cost an unknown amount.":       {"model": "other"},
	} {
		b, err := New(t.Context(), options, "nyx", schema.Brain{Provider: "a", Options: brainOptions})
		if err != nil {
			t.Fatal(err)
		}
		in := asked("Hello")
		in.Context = schema.Object{"dryRun": true}
		o := watch(t, b, in)
		var tokens, most int
		if _, after, ok := strings.Cut(o.reply, "about "); !ok {
			t.Errorf("it says %q", o.reply)
		} else if _, err := fmt.Sscanf(after, "%d tokens of at most %d", &tokens, &most); err != nil {
			t.Error(err)
		}
		known := strings.Contains(want, "pence")
		if o.err != nil || len(x.asked) != 0 || !strings.Contains(o.reply, want) || known != strings.Contains(o.reply, fmt.Sprintf("about %d+0 pence", tokens)) {
			t.Errorf("it says %q, want %q; asked %d times", o.reply, want, len(x.asked))
		}
	}
}

// TestABudgetStopsTheTurn: nobody else is asked, and the reason is kept.
func TestABudgetStopsTheTurn(t *testing.T) {
	x := &troupe{plays: map[string][]play{"a": {calls("memory_recall", schema.Object{"query": "x"}), fails(schema.CodeBudgetExceeded)}, "b": {says("never")}}}
	o := run(t, x, schema.Brain{Provider: "a", Options: schema.Object{"fallback": []any{"b", "builtin"}}}, asked("Hello"))
	if schema.CodeOf(o.err) != schema.CodeBudgetExceeded || schema.AsError(o.err).Message != "it is budget_exceeded" || len(x.asked) != 2 || o.reply != "" {
		t.Errorf("the turn is %+v, asked %d times", o, len(x.asked))
	}
}

func TestBrainsThatCannotBe(t *testing.T) {
	x := &troupe{plays: map[string][]play{"a": nil}}
	for want, options := range map[string]schema.Object{
		"contextTokens":          {"contextTokens": 1},
		"maxSteps":               {"maxSteps": "many"},
		"emotion":                {"emotion": "loud"},
		"there twice":            {"fallback": []any{"a"}},
		"holds for the whole":    {"fallback": []any{map[string]any{"provider": "b", "maxSteps": 3}}},
		"a brain object needs":   {"fallback": []any{map[string]any{"model": "x"}}},
		"temprature":             {"temprature": 1},
		"the built-in brain has": {"fallback": []any{map[string]any{"provider": "builtin", "model": "x"}}},
	} {
		if _, err := New(t.Context(), with(x), "nyx", schema.Brain{Provider: "a", Options: options}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", options, err, want)
		}
	}
}
