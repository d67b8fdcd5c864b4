package turns

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTitleAndClipCutBetweenCharacters(t *testing.T) {
	for in, want := range map[string]string{
		"Hello":               "Hello",
		"  two\n lines\there": "two lines here",
		"":                    "",
	} {
		if got := title(in); got != want {
			t.Errorf("title(%q) = %q, want %q", in, got, want)
		}
	}
	long := ""
	for range 40 {
		long += "wörd "
	}
	if got := title(long); len([]rune(got)) > maxTitleRunes || got[len(got)-len("wörd…"):] != "wörd…" {
		t.Errorf("title of a long text is %q", got)
	}
	for limit := 3; limit < 20; limit++ {
		if got := clip("ääääääääääääää", limit); len(got) > limit || []rune(got)[len([]rune(got))-1] != '…' {
			t.Errorf("clip to %d is %q", limit, got)
		}
	}
}
