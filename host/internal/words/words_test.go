package words_test

import (
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/host/internal/words"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStemMakesFormsEqual(t *testing.T) {
	for _, forms := range [][]string{
		{"code", "coding", "coder", "codes", "coded"},
		{"write", "writing", "writer", "writers"},
		{"program", "programming", "programmer", "programs", "programmed"},
		{"cat", "cats"},
		{"story", "stories"},
		{"debug", "debugging", "debugged", "debugger"},
		{"hack", "hacking", "hacker", "hacks"},
		{"like", "liked", "likes", "liking"},
		{"class", "classes"},
		{"bake", "baking", "baker", "baked"},
	} {
		for _, f := range forms[1:] {
			if got, want := words.Stem(f), words.Stem(forms[0]); got != want {
				t.Errorf("Stem(%q) = %q, want %q as of %q", f, got, want, forms[0])
			}
		}
	}
}

func TestStemKeepsDifferentWordsApart(t *testing.T) {
	for _, pair := range [][2]string{{"cat", "car"}, {"red", "read"}, {"sing", "sin"}, {"bus", "bu"}, {"sister", "sis"}, {"berlin", "berl"}} {
		if words.Stem(pair[0]) == words.Stem(pair[1]) {
			t.Errorf("Stem(%q) == Stem(%q) == %q", pair[0], pair[1], words.Stem(pair[0]))
		}
	}
}

func TestSplit(t *testing.T) {
	for text, want := range map[string][]string{
		"":                              nil,
		"  ?! ":                         nil,
		"My cat's name":                 {"my", "cat", "name"},
		"Don’t 'quote' me":              {"don't", "quote", "me"},
		"ÜBER-cool, naïve 3rd":          {"über", "cool", "naïve", "3rd"},
		"我的猫 Miro":                      {"我的猫", "miro"},
		"invalid \xff bytes \xf0\x28ok": {"invalid", "bytes", "ok"},
	} {
		if got := words.Split(text); !slices.Equal(got, want) {
			t.Errorf("Split(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestConceptFindsTheField(t *testing.T) {
	for word, want := range map[string]string{
		"coding": "programming", "programming": "programming", "bugs": "programming", "golang": "programming",
		"hack": "security", "passwords": "security", "poem": "writing", "lonely": "empathy",
		"cat": "cat", "juggling": words.Stem("juggling"),
	} {
		if got := words.Concept(word); got != want {
			t.Errorf("Concept(%q) = %q, want %q", word, got, want)
		}
	}
}

func TestOverlap(t *testing.T) {
	share, common := words.Overlap(words.Content("What is my cat called?"), words.Content("my cat is called Miro"))
	if share != 1 || len(common) != 2 {
		t.Errorf("overlap = %v %q", share, common)
	}
	if share, _ := words.Overlap(nil, []string{"x"}); share != 0 {
		t.Errorf("overlap of nothing = %v", share)
	}
}
