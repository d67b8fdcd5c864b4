package sqlite

import (
	"strings"
	"unicode"
)

// maxQueryWords bounds how many different words of a search text are looked for.
const maxQueryWords = 32

// unspaced are scripts that put no spaces between words. Each of their characters is a word of its own in the index.
var unspaced = []*unicode.RangeTable{
	unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar,
}

// indexText returns what the index is given for a text: the text, with the characters of unspaced scripts set apart.
func indexText(s string) string {
	if !strings.ContainsFunc(s, isUnspaced) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if isUnspaced(r) {
			b.WriteByte(' ')
			b.WriteRune(r)
			b.WriteByte(' ')
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func isUnspaced(r rune) bool { return r >= 0x0e00 && unicode.In(r, unspaced...) }

// queryWords returns the different words of a search text in order, each fit to stand between quotes in a query: letters,
// digits and marks only, and a run of an unspaced script with a space between its characters, which makes it a phrase.
func queryWords(text string) []string {
	var words []string
	seen := map[string]bool{}
	for _, run := range strings.FieldsFunc(text, func(r rune) bool { return !inWord(r) }) {
		for _, w := range splitScripts(run) {
			key := strings.ToLower(w)
			if !seen[key] {
				seen[key] = true
				words = append(words, w)
			}
			if len(words) == maxQueryWords {
				return words
			}
		}
	}
	return words
}

func inWord(r rune) bool {
	return r != unicode.ReplacementChar && (unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r))
}

// splitScripts parts a run where an unspaced script begins or ends.
func splitScripts(run string) []string {
	var parts []string
	start, was := 0, false
	flush := func(end int) {
		if start == end {
			return
		}
		part := run[start:end]
		if was {
			part = strings.Join(strings.Split(part, ""), " ")
		}
		parts = append(parts, part)
		start = end
	}
	for i, r := range run {
		if is := isUnspaced(r); is != was {
			flush(i)
			was = is
		}
	}
	flush(len(run))
	return parts
}
