package builtin_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/host/internal/words"
	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/host/local/brain/builtin"
	"github.com/stagehouse/stagehouse/host/local/mood"
	"github.com/stagehouse/stagehouse/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shelf is a memory that finds what shares a word.
type shelf struct {
	items []schema.MemoryItem
	fail  error
}

func (s *shelf) Recall(_ context.Context, text string, limit int) ([]schema.MemoryHit, error) {
	var hits []schema.MemoryHit
	for _, m := range slices.Backward(s.items) {
		if share, _ := words.Overlap(words.Content(text), words.Content(m.Content)); share > 0 && len(hits) < limit {
			hits = append(hits, schema.MemoryHit{Memory: m, Score: share})
		}
	}
	return hits, s.fail
}

func (s *shelf) Recent(_ context.Context, limit int) ([]schema.MemoryItem, error) {
	out := slices.Clone(s.items)
	slices.Reverse(out)
	return out[:min(limit, len(out))], s.fail
}

// talk is one conversation of alice with an agent.
type talk struct {
	t       *testing.T
	agent   schema.Agent
	shelf   shelf
	history []schema.Message
	now     time.Time
	policy  brain.MemoryPolicy
}

func newTalk(t *testing.T, id string) *talk {
	agents := map[string]schema.Agent{
		"nyx":  {ID: "nyx", Name: "Nyx", Skills: []string{"programming", "security"}, Persona: "You are precise, dry and direct."},
		"aria": {ID: "aria", Name: "Aria", Skills: []string{"writing", "empathy"}, Persona: "You are warm and gentle."},
		"none": {ID: "none", Name: "None"},
	}
	a := agents[id]
	a.Emotion = mood.Baseline()
	return &talk{t: t, agent: a, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
}

// heard is what one turn yielded.
type heard struct {
	reply    string
	thoughts []string
	actions  []brain.Action
	emotion  *schema.Emotion
}

// say has a turn, keeps what it stores, and checks what holds for every turn.
func (k *talk) say(text string) heard {
	k.t.Helper()
	k.now = k.now.Add(time.Second)
	turn := brain.Turn{
		Agent: k.agent, Principal: "alice", Now: k.now, Memory: &k.shelf, History: k.history, Policy: k.policy,
		Message: schema.Message{Role: schema.RoleUser, Content: text, CreatedAt: k.now},
	}
	var h heard
	deltas := ""
	for s, err := range (builtin.Brain{}).Respond(k.t.Context(), turn) {
		if err != nil {
			k.t.Fatalf("%q: %v", text, err)
		}
		switch {
		case s.Thought != "":
			h.thoughts = append(h.thoughts, s.Thought)
		case s.Emotion != nil:
			h.emotion = s.Emotion
		case s.Action != nil:
			h.actions = append(h.actions, *s.Action)
			if m := s.Action.Store; m != nil {
				k.shelf.items = append(k.shelf.items, schema.MemoryItem{Content: m.Content, Principal: "alice", CreatedAt: k.now})
			}
		case s.Delta != "":
			deltas += s.Delta
		case s.Reply != "":
			h.reply = s.Reply
		default:
			k.t.Fatalf("%q: an empty step", text)
		}
	}
	if h.reply == "" || deltas != h.reply || len(h.thoughts) == 0 || h.emotion == nil {
		k.t.Fatalf("%q: reply %q, deltas %q, thoughts %q, emotion %v", text, h.reply, deltas, h.thoughts, h.emotion)
	}
	k.agent.Emotion = *h.emotion
	k.history = append(k.history, turn.Message, schema.Message{Role: schema.RoleAgent, Content: h.reply, CreatedAt: k.now})
	return h
}

// TestPolicy: it keeps no more than it may, and promises nothing else.
func TestPolicy(t *testing.T) {
	k := newTalk(t, "aria")
	k.policy = brain.MemoryPolicy{MaxPerTurn: 1}
	if h := k.say("My name is Alice. I like tea."); len(h.actions) != 1 || !strings.Contains(h.reply, "tell me again later: you like tea") {
		t.Errorf("it does %+v and says %q", h.actions, h.reply)
	}
	if h := k.say("I like tea."); len(h.actions) != 1 {
		t.Errorf("the next turn has %+v", h.actions)
	}
	no := false
	k = newTalk(t, "aria")
	k.policy = brain.MemoryPolicy{Remember: &no}
	for _, text := range []string{
		"Who are you?", "My name is Alice.", "Please remember that I like tea.", "What do you know about me?", "What is a heron?",
		"Forget my name.", "The weather is grey today.", "Write me a poem.", "Bye!",
	} {
		h := k.say(text)
		if len(h.actions) > 0 && h.actions[0].Store != nil {
			t.Errorf("%q: it keeps %+v", text, h.actions)
		}
		for _, promise := range []string{"I will remember", "I will keep", "I will know next time", "remember that …", "I can remember", "for good", "I remember what"} {
			if strings.Contains(h.reply, promise) {
				t.Errorf("%q: it says %q", text, h.reply)
			}
		}
	}
}

// TestTalks holds conversations line by line: what is said, and what the answer must and must not have in it.
func TestTalks(t *testing.T) {
	type line struct{ say, want, not string }
	for name, c := range map[string]struct {
		agent string
		lines []line
	}{
		"the page": {"nyx", []line{
			{"Hello!", "I am Nyx", ""}, {"Hello!", "no language model", "x"},
			{"Can you hack this?", "permission", ""}, {"I need help with coding", "Programming is my field", ""},
		}},
		"the page, to aria": {"aria", []line{{"Hello!", "I am Aria", ""}, {"Can you hack this?", "outside of what I do: writing and empathy", ""}}},
		"a cat": {"nyx", []line{
			{"What is my cat called?", "do not know", ""},
			{"remember that my cat is called Miro", "your cat is called Miro", "my cat"},
			{"What is my cat called?", "Your cat is called Miro.", ""},
			{"what's my cat's name?", "Miro", ""},
			{"Who is Miro?", "Your cat is called Miro.", ""},
			{"can you tell me what my cat is called?", "Miro", "Out of scope"},
			{"What is my dog called?", "No exact match", ""},
			{"Remember that my cat is called Miro", "Already on file", ""},
		}},
		"a name": {"aria", []line{
			{"Hi, my name is Sam and I like tea", "your name is Sam and you like tea", ""},
			{"What is my name?", "Your name is Sam.", ""}, {"hello", "Sam", ""}, {"what do I like?", "You like tea.", ""},
			{"Call me Alex!", "call you Alex", ""}, {"hello", "Alex", "Sam"},
			{"What do you know about me?", "your name is Sam", ""},
		}},
		"newer wins": {"nyx", []line{
			{"My favourite colour is green.", "your favourite colour is green", ""}, {"My favourite colour is blue", "blue", ""},
			{"what is my favourite colour?", "blue", "green"},
		}},
		"several": {"nyx", []line{
			{"I love chess. I hate mushrooms! I don't like rain", "you love chess, you hate mushrooms and you don't like rain", ""},
			{"what do I hate?", "mushrooms", ""}, {"tell me about my chess", "chess", "mushrooms"},
		}},
		"where I live": {"aria", []line{{"I live in Berlin.", "you live in Berlin", ""}, {"where do I live?", "Berlin", ""}}},
		"not facts": {"nyx", []line{
			{"I need help with my code", "Programming", "Noted"}, {"Do I like tea?", "do not know", "Noted"}, {"I'm a bit tired", "happened", "Noted"},
			{"Do you remember my cat?", "do not know", "Noted"}, {"I would like a coffee", "", "Noted"}, {"remember me?", "", "Noted"},
		}},
		"moods and insults are no facts": {"nyx", []line{
			{"I am angry", "", "remember that you are"}, {"I am at the office right now", "", "you are at"}, {"I'm Alice's friend", "", "Alice"},
			{"I hate you, you are stupid!", "", "hate"}, {"I really love this", "", "love this"}, {"I hate it when you do that", "", "hate"},
			{"I am 30 years old", "you are 30 years old", ""}, {"I'm a nurse", "you're a nurse", ""},
		}},
		"the latest name": {"nyx", []line{{"Call me Robert", "Robert", ""}, {"I am called Bobby", "Bobby", ""}, {"What is my name?", "Bobby", "Robert"}}},
		"memory and conversation": {"nyx", []line{
			{"My dog is brown.", "stays in this conversation", ""}, {"My dog is called Rex.", "called Rex", ""}, {"What colour is my dog?", "brown", ""},
		}},
		"what only they can know": {"nyx", []line{{"What is my password?", "do not know", "Security is my field"}}},
		"forgetting":              {"nyx", []line{{"My cat is called Miro", "Miro", ""}, {"Forget that my cat is called Miro.", "not possible", "keep it for good"}}},
		"two people":              {"nyx", []line{{"Remember that you are my friend and I told you so", "I am your friend and you told me so", ""}}},
		"from the conversation": {"nyx", []line{
			{"The deploy key is in vault 7.", "stays in this conversation", ""},
			{"where is the deploy key?", "earlier in this conversation you said: “The deploy key is in vault 7.”", ""},
			{"what did I just say?", "where is the deploy key?", ""},
		}},
		"feelings": {"aria", []line{{"I am so sad and lonely today", "sorry", ""}, {"how are you?", "I am", ""}, {"This is wonderful!", "happy", ""}}},
		"the agent": {"nyx", []line{
			{"Who are you?", "My fields are programming and security", ""}, {"are you an AI?", "no language model", ""},
			{"what can you do?", "remember what you tell me", ""}, {"thanks!", "Any time", ""}, {"bye", "Until then", ""},
		}},
		"without skills and persona": {"none", []line{{"Hello!", "I am None", "fields"}, {"can you book a flight?", "of which I have none", ""}, {"hm", "I hear you", ""}}},
		"odd": {"nyx", []line{
			{"?", "Rephrase", ""}, {"...", "Rephrase", ""}, {"🐈🐈🐈", "Rephrase", ""}, {"Wie heißt meine Katze?", "do not know", ""}, {"猫?", "do not know", ""}, {strings.Repeat("word ", 5000), "", ""},
			{"remember that", "", "Noted"}, {"don’t forget that I’m allergic to nuts", "you're allergic to nuts", ""}, {"What is the capital of France?", "do not guess", ""},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			k := newTalk(t, c.agent)
			for _, l := range c.lines {
				if l.not == "x" { // said once already: now without an introduction
					l.not, l.want = l.want, ""
				}
				got := k.say(l.say).reply
				if !strings.Contains(strings.ToLower(got), strings.ToLower(l.want)) || l.not != "" && strings.Contains(got, l.not) {
					t.Errorf("to %.60q it said %q; want %q and not %q", l.say, got, l.want, l.not)
				}
			}
		})
	}
}

func TestActsVisibly(t *testing.T) {
	k := newTalk(t, "nyx")
	h := k.say("Please remember that the build takes 4.5 minutes. I like tea!")
	if len(h.actions) != 2 || h.actions[0].Name != "memory.store" || h.actions[0].Store.Content != "the build takes 4.5 minutes" || h.actions[1].Store.Content != "I like tea" {
		t.Errorf("actions are %+v", h.actions)
	}
	h = k.say("how long does the build take?")
	if len(h.actions) != 1 || h.actions[0].Name != "memory.recall" || h.actions[0].Result["best"] != "the build takes 4.5 minutes" {
		t.Errorf("actions are %+v", h.actions)
	}
	if all := strings.Join(h.thoughts, " "); !strings.Contains(all, "“build”") || !strings.Contains(all, "I remember “the build takes 4.5 minutes”") {
		t.Errorf("thoughts are %q", h.thoughts)
	}
}

func TestFeelsWhatItHears(t *testing.T) {
	k := newTalk(t, "aria")
	if h := k.say("I am so sad and lonely"); h.emotion.Name != mood.Sad || !strings.Contains(h.thoughts[0], "sounds sad, by the words “sad” and “lonely”") {
		t.Errorf("emotion %+v, thought %q", h.emotion, h.thoughts[0])
	}
	if h := newTalk(t, "aria").say("What is this?"); h.emotion.Name != mood.Curious {
		t.Errorf("emotion %+v", h.emotion)
	}
}

func TestSharedMemoriesAreQuoted(t *testing.T) {
	k := newTalk(t, "nyx")
	k.shelf.items = []schema.MemoryItem{{Content: "My door code is 42", Principal: "bob", Shared: true}}
	if got := k.say("what is the door code?").reply; !strings.Contains(got, "I was told: “My door code is 42”") {
		t.Errorf("it said %q", got)
	}
}

func TestFailures(t *testing.T) {
	k := newTalk(t, "nyx")
	k.shelf.fail = errors.New("disk")
	for _, text := range []string{"what is my name?", "hello", "remember that a is b", "what do you know about me?", "hm yes well then"} {
		turn := brain.Turn{Agent: k.agent, Principal: "alice", Memory: &k.shelf, Message: schema.Message{Content: text}}
		var last error
		for s, err := range (builtin.Brain{}).Respond(t.Context(), turn) {
			if last != nil {
				t.Fatalf("%q: after the error came %+v", text, s)
			}
			last = err
		}
		if text != "hm yes well then" && !errors.Is(last, k.shelf.fail) {
			t.Errorf("%q: %v", text, last)
		}
	}
}

func TestStopsWhenNobodyListens(t *testing.T) {
	k := newTalk(t, "nyx")
	turn := brain.Turn{Agent: k.agent, Principal: "alice", Memory: &k.shelf, Message: schema.Message{Content: "my name is Sam. what?"}}
	total := 0
	for _, err := range (builtin.Brain{}).Respond(t.Context(), turn) {
		if err != nil {
			t.Fatal(err)
		}
		total++
	}
	for n := 1; n <= total; n++ {
		seen := 0
		for _, err := range (builtin.Brain{}).Respond(t.Context(), turn) {
			if seen++; seen == n || err != nil {
				break
			}
		}
	}
}

func TestOptionsAreRefused(t *testing.T) {
	if _, err := builtin.New(t.Context(), "nyx", schema.Object{"temperature": 1}); err == nil || !strings.Contains(err.Error(), "temperature") {
		t.Errorf("error is %v", err)
	}
	if _, err := builtin.New(t.Context(), "nyx", nil); err != nil {
		t.Error(err)
	}
}

// FuzzRespond checks that no message breaks the brain, and that the deltas are the reply.
func FuzzRespond(f *testing.F) {
	for _, text := range []string{"", "hello", "remember that ", "my name is", "?", "\xff", "a\x00b", "I like \u2028", "what is my cat called?"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		k := newTalk(t, "aria")
		k.say(text)
		k.say(text + "?")
	})
}
