// Package words looks at English text as sets of comparable words: split, stripped of the words that say nothing, and cut
// to stems. It is deliberately small: it knows no grammar, and what it does not know it leaves as it is, so text in other
// languages still compares word for word.
package words

import (
	"strings"
	"unicode"
)

// Split returns the words of s in lower case: runs of letters, digits and marks. A typographic or plain apostrophe inside a
// word stays ("don't"), and a possessive ending is dropped ("cat's" is "cat").
func Split(s string) []string {
	s = strings.ReplaceAll(strings.ToLower(s), "’", "'")
	fields := strings.FieldsFunc(s, func(r rune) bool {
		return r != '\'' && !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsMark(r)
	})
	out := fields[:0]
	for _, w := range fields {
		w = strings.TrimSuffix(strings.Trim(w, "'"), "'s")
		if w != "" {
			out = append(out, w)
		}
	}
	return out
}

// Content returns the stems of the words of s that say something, in order and each once.
func Content(s string) []string {
	var out []string
	seen := map[string]bool{}
	for _, w := range Split(s) {
		if Stop(w) {
			continue
		}
		if st := Stem(w); !seen[st] {
			seen[st] = true
			out = append(out, st)
		}
	}
	return out
}

// Overlap returns how much of the stems in want is among have, 0 to 1, and which of them. An empty want overlaps with nothing.
func Overlap(want, have []string) (share float64, common []string) {
	if len(want) == 0 || len(have) == 0 {
		return 0, nil
	}
	has := make(map[string]bool, len(have))
	for _, h := range have {
		has[h] = true
	}
	for _, w := range want {
		if has[w] {
			common = append(common, w)
		}
	}
	return float64(len(common)) / float64(len(want)), common
}

// Stop reports whether a lower-case word says nothing by itself.
func Stop(w string) bool { return stopWords[w] }

var stopWords = set(`a about above after again all also am an and any anybody anyone anything are aren't as at be because
	been before being below between both but by can can't cannot could couldn't did didn't do does doesn't doing don't down
	during each either else ever every everything few for from further get gets getting give go goes going gonna got had
	hadn't has hasn't have haven't having he hello her here hers herself hey hi him himself his how however i i'd i'll i'm i've if
	in into is isn't it it'd it'll it's its itself just let let's lets lot may maybe me might mine more most much
	must my myself need needs no nor not nothing now of off ok okay on once one ones only onto or other others our ours
	ourselves out over own please quite rather really same shall she should shouldn't so some somebody someone something
	still such sure tell than thank thanks that that'd that'll that's the their theirs them themselves then there there's
	these they they'd they'll they're they've thing things this those though through to today too under until up upon us use
	very want wants was wasn't we we'd we'll we're we've well were weren't what what'd what's whats when where which while who
	who's whom whose why will with within without won't would wouldn't yes yet you you'd you'll you're you've your yours
	yourself yourselves help`)

func set(list string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(list) {
		m[w] = true
	}
	return m
}
