// Package facts finds what a person tells about themselves, or asks to have remembered, in what they say. It knows English, by rules
// that can be explained, and finds nothing in other languages.
package facts

import (
	"regexp"
	"strings"
)

// Fact is something that a person told about themselves, or asked to remember.
type Fact struct {
	Content string // in their own words
	Kind    string // request, name, preference or about
	Because string // why it is worth keeping, for a thought
}

var (
	rememberRE = regexp.MustCompile(`(?i)^(?:can you |could you |will you |would you )?(?:please )?(?:remember|don't forget|do not forget|never forget|keep in mind|memori[sz]e|make a note|take a note|note)(?: (?:that|of the fact that|down that|of))?[,:]? (.+?)(?:,? please)?$`)
	lead       = `(?:(?:well|ok|okay|so|and|also|oh|by the way|btw|actually|yes|no|please),? )*`
	factREs    = []struct {
		kind, because string
		re            *regexp.Regexp
	}{
		{"name", "a name is what I should call them by", regexp.MustCompile(`(?i)^` + lead + `((?:my name(?:'s| is)|(?:you can |please )?call me|i am called|i'm called) \S.*)$`)},
		{"preference", "it says what they like or do not like", regexp.MustCompile(`(?i)^` + lead + `(i (?:really |also |do |absolutely |don't |do not |can't )?(?:like|love|enjoy|prefer|hate|dislike|adore|stand) (?:\S.*))$`)},
		{"preference", "it says what they like best", regexp.MustCompile(`(?i)^` + lead + `(my favou?rite [^?]+? (?:is|are) \S.*)$`)},
		{"about", "it names somebody or something of theirs", regexp.MustCompile(`(?i)^` + lead + `(my [^?]{1,60}? (?:is|are|was) (?:called|named) \S.*)$`)},
		{"about", "it is about their life", regexp.MustCompile(`(?i)^` + lead + `(my (?:birthday|job|profession|home ?town|native language|mother tongue|pronouns|time ?zone|age|nickname|hobby|hobbies) (?:is|are) \S.*)$`)},
		{"about", "it is about their life", regexp.MustCompile(`(?i)^` + lead + `(i (?:live|work|study|grew up|was born) (?:in|at|as|for|on|near|with) \S.*)$`)},
		{"about", "it says who they are", regexp.MustCompile(`(?i)^` + lead + `((?:i am|i'm) (?:(?:a|an|from|allergic to|based in) \S.*|\d+ years old\b.*))$`)},
		{"about", "it is about somebody or something of theirs", regexp.MustCompile(`(?i)^` + lead + `(i have (?:a|an|one|two|three|four|five|\d+) (?:\w+ ){0,2}(?:cats?|dogs?|sons?|daughters?|brothers?|sisters?|kids?|children|wife|husband|partner|pets?)\b.*)$`)},
	}
	// what is said of the moment, or of whoever listens, is nothing to keep
	passing    = regexp.MustCompile(`(?i)^` + lead + `(?:(?:i am|i'm) (?:a|an) (?:bit|little|lot|tad|mess|wreck)|i (?:\S+ ){0,2}(?:like|love|enjoy|prefer|hate|dislike|adore|stand) (?:it |this |that )?(?:when |how |what |that )?(?:you|it|this|that)(?:'\w+)?)\b`)
	sentenceRE = regexp.MustCompile(`[^.!?;\n]+(?:\.[^\s.!?;][^.!?;\n]*)*[.!?;]*`) // a dot inside a word ends nothing
	clauseRE   = regexp.MustCompile(`(?i),? (?:and|but) (i |i'm |my )`)
)

// In returns what a text tells that is worth keeping. Questions tell nothing.
func In(text string) []Fact {
	var found []Fact
	text = strings.ReplaceAll(text, "’", "'")
	for _, sentence := range sentenceRE.FindAllString(text, -1) {
		asks := strings.Contains(sentence, "?")
		sentence = strings.Trim(sentence, " \t\r\n.!?;")
		if m := rememberRE.FindStringSubmatch(sentence); m != nil && worthKeeping(m[1], asks, sentence) {
			found = append(found, Fact{strings.TrimSpace(m[1]), "request", "they asked me to remember it"})
			continue
		}
		if asks {
			continue
		}
		for _, clause := range strings.Split(clauseRE.ReplaceAllString(sentence, "\x00$1"), "\x00") {
			if f, ok := factIn(strings.TrimSpace(clause)); ok {
				found = append(found, f)
			}
		}
	}
	return found
}

// worthKeeping tells a request to remember something from a question whether it is remembered.
func worthKeeping(what string, asks bool, sentence string) bool {
	lower := strings.ToLower(sentence)
	polite := strings.HasPrefix(lower, "can ") || strings.HasPrefix(lower, "could ") || strings.HasPrefix(lower, "wi") || strings.HasPrefix(lower, "would ")
	what = strings.ToLower(strings.TrimSpace(what))
	return (!asks || polite) && what != "me" && what != "this" && what != "that" && what != "it"
}

func factIn(clause string) (Fact, bool) {
	if passing.MatchString(clause) {
		return Fact{}, false
	}
	for _, c := range factREs {
		if m := c.re.FindStringSubmatch(clause); m != nil {
			return Fact{m[1], c.kind, c.because}, true
		}
	}
	return Fact{}, false
}
