package mood_test

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/host/local/mood"
	"github.com/stagehouse/stagehouse/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAppraise(t *testing.T) {
	for text, want := range map[string]string{
		"I am so happy today":             mood.Happy,
		"This is fantastic and exciting!": mood.Excited,
		"I feel sad and lonely":           mood.Sad,
		"I'm worried about the deadline":  mood.Anxious,
		"I hate this, it is so stupid!!":  mood.Angry,
		"What is my cat called?":          mood.Curious,
		"Can you hack this?":              mood.Curious,
		"The key is in the vault":         mood.Calm,
		"":                                mood.Calm,
		"Wie heißt meine Katze?":          mood.Curious,
	} {
		if got := mood.Appraise(text); got.Emotion.Name != want {
			t.Errorf("%q sounds %+v, want %s", text, got, want)
		}
	}
}

func TestAppraiseWeighs(t *testing.T) {
	valence := func(s string) float64 { return mood.Appraise(s).Emotion.Valence }
	arousal := func(s string) float64 { return mood.Appraise(s).Emotion.Arousal }
	if valence("I am not happy") >= 0 || valence("I am not sad") <= 0 {
		t.Error("“not” does not turn a word around")
	}
	if valence("sad but very happy") <= valence("very sad but happy") {
		t.Error("“very” has no weight")
	}
	if arousal("this is good!!") <= arousal("this is good") || arousal("THIS IS SO GOOD") <= arousal("this is so good") {
		t.Error("emphasis does not arouse")
	}
}

func TestDecayHalvesTheDistance(t *testing.T) {
	felt, base := mood.Named(mood.Angry), mood.Baseline()
	for n := range 4 {
		got := mood.Even.Decay(felt, time.Duration(n)*mood.HalfLife)
		left := math.Exp2(-float64(n))
		if math.Abs(got.Valence-base.Valence-left*(felt.Valence-base.Valence)) > 1e-3 ||
			math.Abs(got.Arousal-base.Arousal-left*(felt.Arousal-base.Arousal)) > 1e-3 || math.Abs(got.Intensity-left*felt.Intensity) > 1e-3 {
			t.Errorf("after %d half-lives it is %+v", n, got)
		}
	}
	if got := mood.Even.Decay(felt, 100*mood.HalfLife); got.Name != mood.Calm {
		t.Errorf("in the end it is %+v", got)
	}
	if got := mood.Even.Decay(felt, -time.Hour); got != felt {
		t.Errorf("a clock that went back made it %+v", got)
	}
	if got := mood.Even.Decay(schema.Emotion{}, 0); got != mood.Baseline() {
		t.Errorf("who never felt anything feels %+v", got)
	}
}

func TestBlendMovesTowardsWhatIsHeard(t *testing.T) {
	e := mood.Baseline()
	for range 6 {
		e = mood.Blend(e, mood.Appraise("I am so very sad and lonely").Emotion)
	}
	if e.Name != mood.Sad {
		t.Errorf("after hearing it six times it feels %+v", e)
	}
	for range 6 {
		e = mood.Blend(e, mood.Appraise("Now I am so happy, thank you!").Emotion)
	}
	if e.Valence < 0.4 {
		t.Errorf("and after good news %+v", e)
	}
}

// TestAlwaysWithinTheContract feeds anything to everything.
func TestAlwaysWithinTheContract(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := schema.Emotion{
			Name: rapid.String().Draw(t, "name"), Valence: rapid.Float64().Draw(t, "valence"),
			Arousal: rapid.Float64().Draw(t, "arousal"), Intensity: rapid.Float64().Draw(t, "intensity"),
		}
		e, ok := mood.Sound(e)
		if !ok {
			return
		}
		e = mood.Blend(mood.Even.Decay(e, time.Duration(rapid.Int64().Draw(t, "after"))), mood.Appraise(rapid.String().Draw(t, "text")).Emotion)
		if e.Name == "" || math.Abs(e.Valence) > 1 || e.Arousal < 0 || e.Arousal > 1 || e.Intensity < 0 || e.Intensity > 1 || e.Valence != e.Valence {
			t.Fatalf("%+v", e)
		}
	})
	if _, ok := mood.Sound(schema.Emotion{Valence: math.Inf(1)}); ok {
		t.Error("infinity is sound")
	}
}
