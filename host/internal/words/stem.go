package words

import "strings"

// Stem cuts the ending off a lower-case English word, so that its forms compare equal: coding, coder, codes and code. It is
// step 1 of Porter's algorithm (M. F. Porter, "An algorithm for suffix stripping", Program 14(3), 1980) with the ending of
// one who does something ("-er") added. A stem is for comparing, not for reading.
func Stem(w string) string {
	if len(w) < 4 || !ascii(w) {
		return w
	}
	w = plural(w)
	switch {
	case strings.HasSuffix(w, "eed"):
		return w[:len(w)-1]
	case len(w) > 5 && strings.HasSuffix(w, "er") && hasVowel(w[:len(w)-2]):
		w = restore(w[:len(w)-2])
	case len(w) == 5 && strings.HasSuffix(w, "er") && isCVC(w[:3]):
		w = restore(w[:3])
	case strings.HasSuffix(w, "ing") && hasVowel(w[:len(w)-3]):
		w = restore(w[:len(w)-3])
	case strings.HasSuffix(w, "ed") && hasVowel(w[:len(w)-2]):
		w = restore(w[:len(w)-2])
	}
	if n := len(w) - 1; n > 2 && w[n] == 'y' && !vowel(w[n-1]) {
		w = w[:n] + "i"
	}
	if n := len(w) - 1; n > 3 && w[n] == 'e' { // "programme" stays comparable to "programming", "write" to "writing"
		w = w[:n]
	}
	return w
}

func plural(w string) string {
	switch {
	case strings.HasSuffix(w, "sses"):
		return w[:len(w)-2]
	case strings.HasSuffix(w, "ies") && len(w) > 4:
		return w[:len(w)-3] + "y"
	case strings.HasSuffix(w, "ss"), strings.HasSuffix(w, "us"), strings.HasSuffix(w, "is"):
		return w
	case strings.HasSuffix(w, "s"):
		return w[:len(w)-1]
	}
	return w
}

// restore gives a stem back what its ending had changed: "programm" is program, "cod" is code.
func restore(w string) string {
	n := len(w)
	switch {
	case n > 2 && w[n-1] == w[n-2] && !vowel(w[n-1]) && strings.IndexByte("lsz", w[n-1]) < 0:
		return w[:n-1]
	case strings.HasSuffix(w, "at"), strings.HasSuffix(w, "bl"), strings.HasSuffix(w, "iz"):
		return w + "e"
	case n == 3 && isCVC(w):
		return w + "e"
	}
	return w
}

func isCVC(w string) bool {
	return !vowel(w[0]) && vowel(w[1]) && !vowel(w[2]) && strings.IndexByte("wxy", w[2]) < 0
}

func hasVowel(s string) bool { return strings.ContainsAny(s, "aeiouy") }

func vowel(c byte) bool { return strings.IndexByte("aeiou", c) >= 0 }

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
