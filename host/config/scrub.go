package config

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/stagehouse/stagehouse/schema"
)

// minSecretBytes is the length from which a value is worth hiding: shorter ones stand in every message by chance.
const minSecretBytes = 4

// scrubber puts the references back where a text would show a secret. The zero value knows no secret.
type scrubber struct{ replacer *strings.Replacer }

// newScrubber hides secrets, each given with its reference: as they are, as a message or JSON quotes them, and each of their
// lines alone, because what reads a file of several lines complains about one of them.
func newScrubber(secrets map[string]string) scrubber {
	refs := map[string]string{}
	for _, secret := range slices.Sorted(maps.Keys(secrets)) {
		for _, text := range append(strings.Split(secret, "\n"), secret) {
			text = strings.TrimSpace(text)
			if len(text) < minSecretBytes {
				continue
			}
			for _, form := range forms(text) {
				refs[form] = secrets[secret]
			}
		}
	}
	if len(refs) == 0 {
		return scrubber{}
	}
	var pairs []string
	for _, form := range slices.SortedFunc(maps.Keys(refs), longestFirst) {
		pairs = append(pairs, form, refs[form])
	}
	return scrubber{strings.NewReplacer(pairs...)}
}

// forms returns the ways in which a text stands in messages, without the quotes around it.
func forms(text string) []string {
	inner := func(quoted string) string { return quoted[1 : len(quoted)-1] }
	all := []string{text, inner(strconv.Quote(text)), inner(strconv.QuoteToASCII(text))}
	for _, html := range []bool{false, true} {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(html)
		if e.Encode(text) == nil { // a string always can be
			all = append(all, inner(strings.TrimSuffix(b.String(), "\n")))
		}
	}
	return all
}

// longestFirst orders texts so that one which contains another is found before it.
func longestFirst(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) }

// text returns t with every secret replaced by its reference.
func (s scrubber) text(t string) string {
	if s.replacer == nil {
		return t
	}
	return s.replacer.Replace(t)
}

// scrub does it to what is said in problems, in place.
func (s scrubber) scrub(problems []schema.Problem) []schema.Problem {
	for i := range problems {
		problems[i].Message = s.text(problems[i].Message)
		problems[i].Suggestion = s.text(problems[i].Suggestion)
	}
	return problems
}
