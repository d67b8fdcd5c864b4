package builtin

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/stagehouse/stagehouse/host/internal/words"
	"github.com/stagehouse/stagehouse/schema"
)

// noModel is said wherever somebody might expect more than rules can do.
const noModel = "I run on stagehouse's built-in brain, which has no language model behind it"

func (m *mind) greet(u understanding) string {
	for _, f := range u.facts {
		if n := nameIn(f.Content); n != "" {
			return m.say(lineGreetName, n)
		}
	}
	m.think("Do I know who this is?")
	hello := m.say(lineGreet)
	if n := m.name(); n != "" {
		hello = m.say(lineGreetName, n)
	}
	if u.intent != intentNone || len(u.facts) > 0 {
		return hello
	}
	if len(m.turn.History) > 0 {
		return hello + " " + m.say(lineGoOn)
	}
	return hello + " " + m.introduce()
}

func (m *mind) introduce() string {
	a := m.turn.Agent
	about := "I am " + a.Name + "."
	if len(a.Skills) > 0 {
		about += " My fields are " + join(a.Skills) + "."
	}
	can := "I remember what you tell me, find it again when you ask, and say so when I do not know. "
	if !m.turn.Policy.May(0) {
		can = "I keep nothing of what you tell me beyond this conversation, and say so when I do not know. "
	}
	return about + " " + noModel + ": " + can + m.say(lineGoOn)
}

func (m *mind) mood() string {
	e := m.turn.Agent.Emotion
	m.think("I look at my own state: %s, valence %.2f, arousal %.2f.", e.Name, e.Valence, e.Arousal)
	strength := "clearly"
	if e.Intensity < 0.35 {
		strength = "a little"
	}
	if e.Name == "calm" {
		strength = "simply"
	}
	return fmt.Sprintf("I am %s %s at the moment. It is a simple model of a mood that follows the tone of what I hear and fades with time, not more. %s",
		strength, e.Name, m.say(lineHowAboutYou))
}

// everything tells what is remembered of the person.
func (m *mind) everything() string {
	if m.ended {
		return ""
	}
	items, err := m.turn.Memory.Recent(m.ctx, recallLimit)
	if err != nil {
		m.fail(err)
		return ""
	}
	var own []finding
	for _, it := range items {
		if it.Principal == m.turn.Principal {
			own = append(own, finding{content: it.Content, at: it.CreatedAt})
		}
	}
	m.showRecall(m.turn.Message.Content, own)
	if len(own) == 0 {
		m.think("I have kept nothing of them yet.")
		return m.say(lineKnowNothing)
	}
	m.think("I have kept %d things that they told me; I name the newest.", len(own))
	return m.say(lineRemember, m.listed(own))
}

func (m *mind) listed(found []finding) string {
	var out []string
	for _, f := range found[:min(len(found), mostListed)] {
		out = append(out, tell(f))
	}
	list := strings.Join(out, "; ")
	if n := len(found) - mostListed; n > 0 {
		list += fmt.Sprintf("; and %d more", n)
	}
	return list
}

func (m *mind) lastSaid() string {
	for _, h := range slices.Backward(m.turn.History) {
		if h.Role == schema.RoleUser {
			m.think("I look back in our conversation to their last message.")
			return "You said: “" + strings.TrimSpace(h.Content) + "”"
		}
	}
	return "Nothing yet: this is the first message of our conversation."
}

// question answers from memory, or says that it cannot.
func (m *mind) question(u understanding) string {
	if ownNameRE.MatchString(u.text) {
		if n := m.name(); n != "" {
			m.think("They told me what to call them.")
			return m.say(lineAnswer, sentence("your name is "+n))
		}
	}
	found := m.recall(u.text, u.about)
	if reply := m.fromMemory(u, found); reply != "" {
		return reply
	}
	if u.skill != "" && !ownRE.MatchString(u.text) {
		return m.advise(u.skill)
	}
	if len(found) > 0 && found[0].share >= near {
		m.think("Nothing that I remember answers this; the nearest is “%s”.", found[0].content)
		return m.say(lineNear, sentence(m.listed(nearest(found))))
	}
	m.think("I remember nothing about it, and I will not make something up.")
	return m.say(lineUnknown)
}

var (
	ownNameRE = regexp.MustCompile(`(?i)\bmy name\b|\bam i called\b`)
	ownRE     = regexp.MustCompile(`(?i)\b(my|mine)\b`) // what somebody has, only they can tell
)

// nearest returns the findings that fit as well as the first one: which of them answers is not for rules to say.
func nearest(found []finding) []finding {
	n := 1
	for n < len(found) && found[n].share == found[0].share {
		n++
	}
	return found[:n]
}

// fromMemory returns an answer from what was found, or "".
func (m *mind) fromMemory(u understanding, found []finding) string {
	fits := found[:0:0]
	for _, f := range found {
		if f.share >= sure {
			fits = append(fits, f)
		}
	}
	if len(fits) == 0 {
		return ""
	}
	m.think("I remember “%s”; it has %.0f%% of what they ask about.", fits[0].content, 100*fits[0].share)
	if u.list && len(fits) > 1 {
		return m.say(lineRemember, m.listed(fits))
	}
	if fits[0].from != fromOwn {
		return sentence(tell(fits[0]))
	}
	return m.say(lineAnswer, sentence(tell(fits[0])))
}

// request is for something to be done, which is beyond rules unless remembering does it.
func (m *mind) request(u understanding) string {
	found := m.recall(u.text, u.about)
	if asksForFact(u) {
		if reply := m.fromMemory(u, found); reply != "" {
			return reply
		}
	}
	if u.skill == "" {
		m.think("That is outside of my skills, %s.", orNothing(join(m.turn.Agent.Skills)))
		return m.say(lineCannot, orNothing(join(m.turn.Agent.Skills)))
	}
	reply := m.advise(u.skill)
	if len(found) > 0 && found[0].share >= sure {
		m.think("“%s” may matter here.", found[0].content)
		reply += " " + m.say(lineRelated, sentence(tell(found[0])))
	}
	return reply
}

func asksForFact(u understanding) bool {
	ws := words.Split(u.text)
	return slices.ContainsFunc(ws, func(w string) bool {
		return slices.Contains([]string{"tell", "remind", "what", "where", "who", "when", "which"}, w)
	})
}

func orNothing(s string) string {
	if s == "" {
		return "of which I have none"
	}
	return s
}

// advise says what the agent needs to know in its field, and how far it can go.
func (m *mind) advise(skill string) string {
	concept := words.Concept(strings.ToLower(skill))
	m.think("This is %s, one of my fields. I can ask the right questions and keep the answers; without a model I cannot work it out.", skill)
	advice, ok := advices[concept]
	if !ok {
		advice = sentence(skill+" is one of my fields") + " Tell me what you have, what you want and what is in the way, and I will keep it."
	}
	return m.say(lineField) + advice + " To be plain: " + noModel + ", so I cannot work it out for you; what you tell me here I can find again."
}

// advices are per concept of package words.
var advices = map[string]string{
	"programming": "Programming is my field. Tell me the language, what you expected, what happened instead, and the smallest piece of code that shows it.",
	"security":    "Security is my field, and I only test what I have permission to test. Tell me what it is, whose it is, and what you want to be sure of: who could attack it, and what they would gain.",
	"writing":     "Writing is my field. Tell me who will read it, what they should feel or do afterwards, and paste the sentence you like least.",
	"empathy":     "I am listening. Tell me what happened, as much of it as you want, and what you would need right now.",
}

func (m *mind) empathise(u understanding) string {
	if u.tone.Emotion.Valence < 0 {
		m.think("The tone is %s; listening matters more than an answer.", u.tone.Emotion.Name)
		return m.say(lineSorry)
	}
	m.think("The tone is %s; I can share that.", u.tone.Emotion.Name)
	return m.say(lineGlad)
}

func (m *mind) listen(u understanding) string {
	found := m.recall(u.text, u.about)
	if len(found) > 0 && found[0].share >= sure && found[0].from != fromTalk {
		m.think("It reminds me of “%s”.", found[0].content)
		return m.say(lineHeard) + " " + m.say(lineRelated, sentence(tell(found[0])))
	}
	m.think("Nothing to look up and nothing that asks to be kept; I say how they can have me keep it.")
	return m.say(lineHeard)
}
