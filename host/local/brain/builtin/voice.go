package builtin

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stagehouse/stagehouse/host/internal/words"
	"github.com/stagehouse/stagehouse/schema"
)

// voice is how an agent puts things.
type voice int

const (
	plain voice = iota
	warm
	dry
	forgetful // in any voice: of an agent that may remember nothing, where a line has another way for that
)

var voiceWords = map[voice][]string{
	warm: stems("warm gentle kind caring friendly patient loving tender empathy empathetic cheerful listener"),
	dry:  stems("dry precise direct terse concise blunt laconic sober matter-of-fact exact"),
}

func stems(list string) []string {
	var out []string
	for _, w := range strings.Fields(list) {
		out = append(out, words.Stem(w))
	}
	return out
}

// voiceOf reads the voice off the words of the persona and the description. None, or as many of each, is plain.
func voiceOf(a schema.Agent) voice {
	score := map[voice]int{}
	for _, w := range words.Split(a.Persona + " " + a.Description) {
		for v, list := range voiceWords {
			if slices.Contains(list, words.Stem(w)) {
				score[v]++
			}
		}
	}
	switch {
	case score[warm] > score[dry]:
		return warm
	case score[dry] > score[warm]:
		return dry
	}
	return plain
}

// line is something that can be said in every voice, in one or more ways.
type line map[voice][]string

var (
	lineGreet     = line{plain: {"Hello!"}, warm: {"Hello, how nice to hear from you!", "Hi there!"}, dry: {"Hello.", "Hey."}}
	lineGreetName = line{plain: {"Hello, %s!"}, warm: {"Hello %s, how nice to hear from you!", "Hi %s!"}, dry: {"Hello, %s.", "Hey %s."}}
	lineGoOn      = line{
		plain: {"What is it about?", "What can I do for you?"},
		warm:  {"What is on your mind?", "What would you like to talk about?"},
		dry:   {"What do you have?", "Go ahead."},
	}
	lineHowAboutYou = line{plain: {"And you?"}, warm: {"And how are you, really?"}, dry: {"You?"}}
	lineThanks      = line{plain: {"You are welcome."}, warm: {"You are very welcome, any time."}, dry: {"Sure.", "Any time."}}
	lineBye         = line{forgetful: {"Goodbye!"}, plain: {"Goodbye!"}, warm: {"Take good care of yourself. I will remember what you told me."}, dry: {"Until then. What you told me is kept."}}
	lineKept        = line{
		plain: {"I will remember that %s."},
		warm:  {"Thank you for telling me. I will remember that %s.", "I will keep that: %s."},
		dry:   {"Noted: %s.", "Stored: %s."},
	}
	lineNotKept = line{
		plain:     {"I may not remember more than that at once; tell me again later: %s."},
		warm:      {"That is as much as I may keep at once. Please tell me again later: %s."},
		dry:       {"Limit reached. Not stored: %s."},
		forgetful: {"I may not remember what I am told, so this ends with our conversation: %s."},
	}
	lineKnown  = line{plain: {"I knew that already: %s."}, warm: {"I had not forgotten: %s."}, dry: {"Already on file: %s."}}
	lineAnswer = line{
		plain: {"%s"},
		warm:  {"I remember! %s", "You told me about that. %s"},
		dry:   {"%s", "On file: %s"},
	}
	lineRemember    = line{plain: {"This is what I remember: %s."}, warm: {"This is what I keep of you: %s."}, dry: {"On file: %s."}}
	lineKnowNothing = line{
		forgetful: {"I do not know anything about you: I keep nothing of what I am told beyond a conversation."},
		plain:     {"I do not know anything about you yet. Tell me, for example: “my name is …”, or “remember that …”."},
		warm:      {"I do not know you yet, but I would like to. Tell me your name, or say “remember that …”, and I will keep it."},
		dry:       {"Nothing on file about you. “My name is …” or “remember that …” changes that."},
	}
	lineNear = line{
		plain: {"I am not sure. The nearest thing that I remember: %s"},
		warm:  {"I am not sure I know that. What comes closest: %s"},
		dry:   {"No exact match. Nearest: %s"},
	}
	lineUnknown = line{
		forgetful: {"I do not know. " + noModel + ", and I keep nothing of what I am told beyond a conversation."},
		plain:     {"I do not know. " + noModel + ", so I can only answer from what I was told. If you tell me, with “remember that …”, I will know next time."},
		warm:      {"I am sorry, I do not know that. " + noModel + ": I only know what I was told. Tell me, with “remember that …”, and I will know next time."},
		dry:       {"I do not know, and I do not guess. " + noModel + ". Tell me with “remember that …” and I will know next time."},
	}
	lineCannot = line{
		forgetful: {"That is outside of what I do: %s. " + noModel + "."},
		plain:     {"That is outside of what I do: %s. " + noModel + ". I can remember things for you and find them again."},
		warm:      {"I wish I could, but that is outside of what I do: %s. " + noModel + ". What I can do is remember things for you and find them again."},
		dry:       {"Out of scope: my fields are %s. " + noModel + ". I can store facts and find them again."},
	}
	lineField   = line{plain: {""}, warm: {"I would love to help. "}, dry: {"Good, that I can work with. ", ""}}
	lineRelated = line{plain: {"I also remember: %s"}, warm: {"And I remember: %s"}, dry: {"Possibly relevant: %s"}}
	lineSorry   = line{
		plain: {"I am sorry to hear that. Do you want to tell me more?"},
		warm:  {"That sounds hard, and I am sorry. I am here; tell me as much of it as you like. What weighs on you most?"},
		dry:   {"That sounds rough. What happened?"},
	}
	lineUnclear = line{
		plain: {"I did not get that. Can you put it in words?"},
		warm:  {"I am not sure what you mean. Can you put it in words for me?"},
		dry:   {"No words in that. Rephrase?"},
	}
	lineGlad   = line{plain: {"That is good to hear!"}, warm: {"That makes me happy too! Tell me more about it."}, dry: {"Good. What made it so?"}}
	lineForget = line{
		forgetful: {"I keep nothing of what I am told beyond a conversation. What is known of you from before stays until somebody deletes it."},
		plain:     {"I cannot forget on request: what I was told stays until somebody deletes it from my memory. Tell me what is true now and I will keep that as well."},
		warm:      {"I wish I could, but I cannot forget on request; what I was told stays until somebody deletes it. Tell me what is true now and I will keep that as well."},
		dry:       {"Forgetting on request is not possible. Tell me what is true now and I will keep that as well."},
	}
	lineHeard = line{
		forgetful: {"I hear you. I will know this as long as this conversation is here, and not longer."},
		plain:     {"I hear you. I will know this as long as this conversation is here; say “remember that …” if I should keep it for good."},
		warm:      {"I am listening. It stays in this conversation; if I should keep it for good, say “remember that …”."},
		dry:       {"Understood. It stays in this conversation; “remember that …” keeps it for good."},
	}
)

// say puts a line in the agent's voice. Which way of several it takes goes round with the length of the conversation.
func (m *mind) say(l line, args ...any) string {
	ways := l[m.voice]
	if other := l[forgetful]; other != nil && !m.turn.Policy.May(0) {
		ways = other
	}
	way := ways[len(m.turn.History)/2%len(ways)]
	if len(args) == 0 {
		return way
	}
	return fmt.Sprintf(way, args...)
}
