package provider

import (
	"strings"
	"testing"
)

// FuzzSeam: however an answer comes in pieces, the seam lets the same through; that is the answer, or, if it begins with the end of what
// was said, what comes after it.
func FuzzSeam(f *testing.F) {
	f.Add("w1 w2 w", "w1 w2 w3 w4", uint8(3))
	f.Add("said \n", "said \n\nand more", uint8(1))
	f.Add(strings.Repeat("é", 80)+" x", "something else", uint8(2))
	f.Fuzz(func(t *testing.T, said, answer string, size uint8) {
		if strings.TrimSpace(said) == "" {
			t.Skip()
		}
		end := tail(said)
		if end == "" || len(end) > maxTailBytes || !strings.HasSuffix(strings.TrimSpace(said), end) {
			t.Fatalf("the end of %q is %q", said, end)
		}
		for _, whole := range []string{answer, end + answer} {
			once := NewSeam(said).Next(whole)
			if !strings.HasSuffix(whole, once) {
				t.Fatalf("after %q, %q becomes %q, which is no end of it", said, whole, once)
			}
			pieces, s := "", NewSeam(said)
			for rest := whole; rest != ""; {
				n := min(int(size%9)+1, len(rest))
				pieces += s.Next(rest[:n])
				rest = rest[n:]
			}
			if pieces != once {
				t.Fatalf("after %q, %q becomes %q at once, and %q in pieces", said, whole, once, pieces)
			}
		}
		space := said[len(strings.TrimRight(said, " \n")):]
		if strings.HasSuffix(strings.TrimRight(said, " \n"), end) && answer != "" && NewSeam(said).Next(end+space+"x"+answer) != "x"+answer {
			t.Fatalf("after %q, %q is not joined", said, end+space+"x"+answer)
		}
	})
}
