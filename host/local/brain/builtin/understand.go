package builtin

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/stagehouse/stagehouse/host/internal/words"
	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/host/local/brain/facts"
	"github.com/stagehouse/stagehouse/host/local/mood"
)

type intent int

const (
	intentNone intent = iota // a greeting, say, and nothing else
	intentWhoAreYou
	intentHowAreYou
	intentThanks
	intentBye
	intentWhatDoYouKnow
	intentWhatDidISay
	intentQuestion
	intentRequest // to do something
	intentFeeling
	intentForget
	intentStatement
	intentUnclear // not a word in it
)

// understanding is what the brain makes of a message.
type understanding struct {
	text   string // without a greeting and the agent's name in front
	tone   mood.Tone
	greets bool
	facts  []facts.Fact
	intent intent
	about  []string // stems of the words that say something
	said   []string // the same words as they were written
	skill  string   // the agent's skill that the message is about; "" = none
	list   bool     // everything about it is asked for, and not one thing
}

var (
	greetingRE = regexp.MustCompile(`(?i)^(hello|hi|hey|hiya|howdy|greetings|good (?:morning|afternoon|evening|day))( there)?\b[\s,.!:-]*`)

	// intents in the order in which they are tried, on the text in lower case.
	intentREs = []struct {
		intent intent
		re     *regexp.Regexp
	}{
		{intentHowAreYou, regexp.MustCompile(`^(and )?how (are|do) you( feel| feeling| doing)?( today| now)?\b[^a-z]*$|^how('s| is) it going|^what'?s up\b[^a-z]*$`)},
		{intentWhoAreYou, regexp.MustCompile(`^(who|what) are you\b|^what can you do\b|^what('s| is) your (name|job|purpose)|^introduce yourself|^tell me about yourself|^are you (a |an )?(ai|bot|robot|human|real|person|machine|llm|language model)\b|^what do you do\b`)},
		{intentWhatDidISay, regexp.MustCompile(`what (did|have) i (just |last )?(say|said|ask|asked|tell|told|write|wrote)\b|what was my last (message|question)`)},
		{intentWhatDoYouKnow, regexp.MustCompile(`what do you (know|remember)( about me| of me)?\s*[?.!]*$|what have you (learned|learnt) about me|do you (know|remember) (anything about )?me\b|who am i\b`)},
		{intentForget, regexp.MustCompile(`^(please |can you |could you |would you )?(forget|erase|delete|unlearn)\b`)},
		{intentThanks, regexp.MustCompile(`^(thank you|thanks|thx|cheers|much appreciated)\b`)},
		{intentBye, regexp.MustCompile(`^(bye|goodbye|good bye|see you|see ya|good night|farewell|ciao)\b`)},
		{intentRequest, regexp.MustCompile(`^(please |can you |could you |would you |will you |help( me)?\b|i need (some |your )?(help|advice)|i want you to |i'd like you to |show me |write |explain |fix |make |create |build |give me )`)},
		{intentQuestion, regexp.MustCompile(`\?\s*$|^(what|who|whose|whom|where|when|why|which|how|do you|does|did|is|are|was|were|am i|have i|has|tell me|remind me)\b`)},
	}
	listRE = regexp.MustCompile(`\b(know|remember|tell me|everything|all) (everything )?about\b|\bwhat (do|did) i (like|love|hate|enjoy|prefer|dislike)\b|\bwhat are my\b`)
)

// understand takes a message apart.
func understand(t brain.Turn) understanding {
	u := understanding{text: strings.TrimSpace(t.Message.Content)}
	u.tone = mood.Appraise(u.text)
	u.strip(t)
	u.about, u.said = telling(u.text)
	u.skill = aboutSkill(t.Agent.Skills, u.text, t.Context)
	if t.AskedBy == "" { // what another agent writes is not about the person
		u.facts = facts.In(u.text)
	}
	lower := strings.ToLower(strings.ReplaceAll(u.text, "’", "'"))
	u.list = listRE.MatchString(lower)
	u.intent = u.intentOf(lower)
	return u
}

// telling returns the words that say something, as stems and as they were written.
func telling(text string) (stems, said []string) {
	seen := map[string]bool{}
	for _, w := range words.Split(text) {
		if st := words.Stem(w); !words.Stop(w) && !seen[st] {
			seen[st] = true
			stems, said = append(stems, st), append(said, w)
		}
	}
	return stems, said
}

// strip takes a greeting and the agent's name away from the front.
func (u *understanding) strip(t brain.Turn) {
	name := regexp.MustCompile(`(?i)^(` + regexp.QuoteMeta(t.Agent.Name) + `|` + regexp.QuoteMeta(t.Agent.ID) + `)\b[\s,.!:-]*`)
	for range 3 {
		if loc := greetingRE.FindStringIndex(u.text); loc != nil {
			u.greets = true
			u.text = u.text[loc[1]:]
		}
		if loc := name.FindStringIndex(u.text); loc != nil {
			u.text = u.text[loc[1]:]
		}
	}
	u.text = strings.TrimSpace(u.text)
}

func (u *understanding) intentOf(lower string) intent {
	if len(words.Split(lower)) == 0 {
		if u.greets {
			return intentNone
		}
		return intentUnclear
	}
	for _, c := range intentREs {
		if c.re.MatchString(lower) {
			return c.intent
		}
	}
	switch {
	case len(u.tone.Words) > 0 && (u.skill == "" || words.Concept(strings.ToLower(u.skill)) == "empathy"):
		return intentFeeling
	case u.skill != "":
		return intentRequest
	}
	return intentStatement
}

// aboutSkill returns the agent's own skill that the text, or the sender's context, is about.
func aboutSkill(skills []string, text string, context map[string]any) string {
	said := map[string]bool{}
	for _, w := range words.Split(text) {
		said[words.Concept(w)] = true
	}
	if s, ok := context["skill"].(string); ok {
		for _, w := range words.Split(s) {
			said[words.Concept(w)] = true
		}
	}
	for _, skill := range skills {
		all := skill != ""
		for _, w := range words.Split(skill) {
			all = all && said[words.Concept(w)]
		}
		if all {
			return skill
		}
	}
	return ""
}

// thought says what the brain makes of the message, for whoever watches it think.
func (u *understanding) thought() string {
	var what string
	switch {
	case len(u.facts) > 0:
		what = "They are telling me something about themselves"
	case u.intent == intentNone:
		what = "A greeting, and nothing else yet"
	case u.intent == intentUnclear:
		what = "I find no word in this that I could go by"
	case u.intent == intentWhoAreYou, u.intent == intentHowAreYou:
		what = "They are asking about me"
	case u.intent == intentWhatDoYouKnow, u.intent == intentWhatDidISay:
		what = "They want to know what I have kept of what they told me"
	case u.intent == intentForget:
		what = "They want me to forget something"
	case u.intent == intentQuestion:
		what = "A question" + u.aboutWhat()
	case u.intent == intentRequest:
		what = "They want something done" + u.aboutWhat()
	case u.intent == intentFeeling:
		what = "This is about how they feel"
	default:
		what = "A statement" + u.aboutWhat()
	}
	if u.skill != "" {
		what += ", which touches my skill " + u.skill
	}
	if len(u.tone.Words) > 0 {
		return fmt.Sprintf("%s. It sounds %s, by %s.", what, u.tone.Emotion.Name, named("the word ", "the words ", u.tone.Words))
	}
	return what + "."
}

func (u *understanding) aboutWhat() string {
	if len(u.said) == 0 {
		return " without a word that I could look up"
	}
	return named("; the word to go by is ", "; the words to go by are ", u.said)
}

func named(one, many string, ws []string) string {
	if len(ws) == 1 {
		return one + quoteAll(ws)
	}
	return many + quoteAll(ws)
}

func quoteAll(ws []string) string {
	const most = 6
	var out []string
	for _, w := range ws[:min(len(ws), most)] {
		out = append(out, "“"+w+"”")
	}
	if len(ws) > most {
		return strings.Join(out, ", ") + " and more"
	}
	return join(out)
}
