package builtin

import (
	"regexp"
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
)

// toSecondPerson says what a person said about themselves as one says it to them: "my cat" becomes "your cat".
func toSecondPerson(s string) string {
	s = strings.ReplaceAll(s, "’", "'")
	previous := ""
	return wordRE.ReplaceAllStringFunc(s, func(w string) string {
		lower := strings.ToLower(w)
		said := previous
		previous = lower
		if v, ok := verbAfter[said][lower]; ok {
			return v
		}
		out, ok := secondPerson[lower]
		if !ok {
			return w
		}
		if lower == "you" && subjectYou(s) {
			return "I"
		}
		return out
	})
}

// subjectYou reports whether "you" is a subject in s, as far as the verb "to be" shows it.
func subjectYou(s string) bool {
	return strings.Contains(strings.ToLower(s), "you are") || strings.Contains(strings.ToLower(s), "you were")
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
