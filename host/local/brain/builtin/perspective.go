package builtin

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

var (
	wordRE       = regexp.MustCompile(`[\pL']+`)
	secondPerson = map[string]string{
		"i": "you", "i'm": "you're", "i've": "you've", "i'll": "you'll", "i'd": "you'd", "me": "you", "my": "your", "mine": "yours",
		"myself": "yourself", "you": "me", "you're": "I'm", "you've": "I've", "your": "my", "yours": "mine", "yourself": "myself",
	}
	verbAfter = map[string]map[string]string{
		"i":   {"am": "are", "was": "were"},
		"you": {"are": "am", "were": "was"},
	}
	// afterSubject are words that show a "you" before them to be a subject.
	afterSubject = []string{"are", "were", "have", "had", "do", "did", "don't", "didn't", "can", "can't", "could", "will", "would", "should", "must", "may", "might", "know", "said", "think", "like"}
)

// toSecondPerson says what a person said about themselves as one says it to them: "my cat" becomes "your cat".
func toSecondPerson(s string) string {
	s = strings.ReplaceAll(s, "’", "'")
	var out strings.Builder
	places, end := wordRE.FindAllStringIndex(s, -1), 0
	for i, at := range places {
		out.WriteString(s[end:at[0]])
		end = at[1]
		word := s[at[0]:at[1]]
		before, after := "", ""
		if i > 0 {
			before = strings.ToLower(s[places[i-1][0]:places[i-1][1]])
		}
		if i+1 < len(places) {
			after = strings.ToLower(s[places[i+1][0]:places[i+1][1]])
		}
		out.WriteString(turned(before, word, after))
	}
	out.WriteString(s[end:])
	return out.String()
}

// turned returns what becomes of a word between two others.
func turned(before, word, after string) string {
	lower := strings.ToLower(word)
	if v, ok := verbAfter[before][lower]; ok {
		return v
	}
	if lower == "you" && slices.Contains(afterSubject, after) {
		return "I"
	}
	if other, ok := secondPerson[lower]; ok {
		return other
	}
	return word
}

// sentence makes a clause a sentence: a capital in front and a stop behind.
func sentence(s string) string {
	s = strings.TrimSpace(s)
	if s == "" {
		return s
	}
	r, n := utf8.DecodeRuneInString(s)
	s = string(unicode.ToUpper(r)) + s[n:]
	if strings.ContainsAny(s[len(s)-1:], ".!?") || strings.HasSuffix(s, "…") || strings.HasSuffix(s, "”") {
		return s
	}
	return s + "."
}
