package mood

import (
	"slices"
	"strings"
	"unicode"

	"github.com/stagehouse/stagehouse/host/internal/words"
	"github.com/stagehouse/stagehouse/schema"
)

// Tone is what a text expresses.
type Tone struct {
	Emotion schema.Emotion // Intensity is how clearly it is expressed
	Words   []string       // the words that say so, as they were written; empty = none did
}

// lexicon says which English words, as stems, express which feeling. It is small on purpose: a word is here if it says so
// nearly always, so that what is found can be explained.
var lexicon = func() map[string]string {
	m := map[string]string{}
	for feeling, list := range map[string]string{
		Happy: `happy glad great good nice lovely love wonderful fun enjoy enjoyed smile pleased delighted cheerful yay
			thank thanks grateful hello welcome congratulations perfect beautiful proud`,
		Excited: `excited exciting amazing awesome fantastic incredible thrilled brilliant wow hooray finally`,
		Content: `relaxed peaceful comfortable satisfied relieved fine cozy`,
		Sad: `sad unhappy lonely alone cry crying cried depressed depressing miss lost grief died dead hurt hopeless tired
			miserable disappointed heartbroken sorry`,
		Anxious:   `anxious worried worry nervous afraid scared fear stress stressed overwhelmed panic frightened unsure deadline`,
		Angry:     `angry furious hate hated annoyed annoying mad stupid useless terrible awful ridiculous idiot damn hell unfair rage`,
		Surprised: `surprised surprising unexpected unbelievable suddenly whoa`,
		Curious:   `curious wonder wondering interesting interested fascinating puzzled explore`,
	} {
		for _, w := range strings.Fields(list) {
			m[words.Stem(w)] = feeling
		}
	}
	return m
}()

var (
	negations    = []string{"not", "no", "never", "don't", "doesn't", "didn't", "isn't", "wasn't", "aren't", "can't", "cannot", "won't", "without", "hardly"}
	intensifiers = []string{"very", "so", "really", "extremely", "totally", "absolutely", "incredibly", "too", "deeply"}
)

// Appraise says what the tone of an English text expresses. Words of the lexicon are averaged; "not" and the like within
// three words before turns a word's valence around, "very" and the like right before doubles its weight; exclamation marks
// and capitals raise the arousal. A text in which no word expresses anything sounds curious if it asks, and else calm.
func Appraise(text string) Tone {
	ws := words.Split(text)
	var sum point
	var weight float64
	var tone Tone
	votes := map[string]float64{}
	for i, w := range ws {
		feeling, ok := lexicon[words.Stem(w)]
		if !ok {
			continue
		}
		k := 1.0
		if i > 0 && slices.Contains(intensifiers, ws[i-1]) {
			k = 2
		}
		p := place(feeling)
		if negated(ws[:i]) {
			p, feeling = point{-0.6 * p.valence, 0.6 * p.arousal}, ""
		}
		sum.valence += k * p.valence
		sum.arousal += k * p.arousal
		weight += k
		votes[feeling] += k
		tone.Words = append(tone.Words, w)
	}
	if weight == 0 {
		tone.Emotion = unspoken(text)
		return tone
	}
	p := point{sum.valence / weight, clamp(sum.arousal/weight+emphasis(text), 0, 1)}
	tone.Emotion = emotion(nameOf(p, winner(votes)), p)
	tone.Emotion.Intensity = round(clamp(0.4+0.2*weight+emphasis(text), 0, 1))
	return tone
}

// unspoken is the tone of a text without a word of feeling.
func unspoken(text string) schema.Emotion {
	e := Baseline()
	if strings.Contains(text, "?") {
		e = Named(Curious)
		e.Intensity = 0.6
	}
	e.Arousal = round(clamp(e.Arousal+emphasis(text), 0, 1))
	return e
}

func negated(before []string) bool {
	return slices.ContainsFunc(before[max(0, len(before)-3):], func(w string) bool { return slices.Contains(negations, w) })
}

// winner returns the feeling with the most votes; the first in the order of places on a tie, "" if only negated words spoke.
func winner(votes map[string]float64) string {
	best, name := 0.0, ""
	for _, c := range places {
		if votes[c.name] > best {
			best, name = votes[c.name], c.name
		}
	}
	return name
}

// emphasis is how much louder a text is than plain words: up to 0.3.
func emphasis(text string) float64 {
	loud := 0.1 * float64(min(strings.Count(text, "!"), 2))
	letters, upper := 0, 0
	for _, r := range text {
		if unicode.IsLetter(r) {
			letters++
			if unicode.IsUpper(r) {
				upper++
			}
		}
	}
	if letters >= 8 && upper*10 >= letters*7 {
		loud += 0.1
	}
	return loud
}

func place(name string) point {
	for _, p := range places {
		if p.name == name {
			return p.at
		}
	}
	return baseline
}
