package facts

import (
	"strings"

	"github.com/stagehouse/stagehouse/host/internal/words"
)

// alike is the share of the words of each that two facts have in common which say the same.
const alike = 0.9

// Same reports whether two facts are the same, in these words or nearly so.
func Same(a, b string) bool {
	if strings.EqualFold(strings.TrimSpace(a), strings.TrimSpace(b)) {
		return true
	}
	x, y := words.Content(a), words.Content(b)
	there, _ := words.Overlap(x, y)
	back, _ := words.Overlap(y, x)
	return there >= alike && back >= alike && sameNumbers(a, b)
}

// sameNumbers reports whether two texts have the same numbers and the same negations, in which alike texts differ most.
func sameNumbers(a, b string) bool {
	return strings.Join(telling(a), " ") == strings.Join(telling(b), " ")
}

func telling(s string) []string {
	var out []string
	for _, w := range words.Split(s) {
		if strings.ContainsAny(w, "0123456789") || w == "not" || w == "never" || w == "no" || strings.HasSuffix(w, "n't") {
			out = append(out, w)
		}
	}
	return out
}
