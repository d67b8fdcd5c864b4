// Package mood models what an agent feels as a point in a plane: valence, unpleasant (-1) to pleasant (1), and arousal, calm
// (0) to excited (1). This is the circumplex model of affect (J. A. Russell, "A circumplex model of affect", Journal of
// Personality and Social Psychology 39, 1980), with arousal moved from -1…1 to 0…1.
//
// A feeling fades: its distance from the baseline of a [Temper] halves every half-life of it, as moods do in models of affect for agents
// (P. Gebhard, "ALMA: a layered model of affect", AAMAS 2005). What is heard moves the present mood towards the feeling that
// it expresses ([Blend]), by emotional contagion; the lexicon of [Appraise] says what it expresses.
package mood

import (
	"math"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

// HalfLife is the time in which a feeling loses half of its distance from the baseline, unless a Temper says otherwise.
const HalfLife = 10 * time.Minute

// faded is the intensity below which a feeling is not told from calm.
const faded = 0.12

// point is a place in the plane.
type point struct{ valence, arousal float64 }

// Names of feelings, and their places.
const (
	Calm      = "calm"
	Content   = "content"
	Happy     = "happy"
	Excited   = "excited"
	Curious   = "curious"
	Surprised = "surprised"
	Anxious   = "anxious"
	Angry     = "angry"
	Sad       = "sad"
)

// baseline is where a feeling goes in the end, unless a Temper says otherwise, and from where its intensity is measured.
var baseline = point{0.1, 0.15}

// places lists the named feelings in a fixed order, so that ties are broken the same way always.
var places = []struct {
	name string
	at   point
}{
	{Calm, baseline},
	{Content, point{0.55, 0.30}},
	{Happy, point{0.75, 0.55}},
	{Excited, point{0.70, 0.90}},
	{Curious, point{0.30, 0.60}},
	{Surprised, point{0.10, 0.90}},
	{Anxious, point{-0.50, 0.75}},
	{Angry, point{-0.75, 0.85}},
	{Sad, point{-0.65, 0.25}},
}

// Named returns a feeling of that name at its full strength; calm for an unknown name.
func Named(name string) schema.Emotion {
	for _, p := range places {
		if p.name == name {
			return emotion(p.name, p.at)
		}
	}
	return Baseline()
}

// Baseline returns what an agent of an even temper feels when nothing has moved it.
func Baseline() schema.Emotion { return Even.Baseline() }

// Blend returns what an agent feels that felt present and hears something that expresses heard. The stronger that is, the
// further it moves: from a quarter of the way to three quarters.
func Blend(present, heard schema.Emotion) schema.Emotion {
	w := 0.25 + 0.5*clamp(heard.Intensity, 0, 1)
	p := point{
		present.Valence + w*(heard.Valence-present.Valence),
		present.Arousal + w*(heard.Arousal-present.Arousal),
	}
	return emotion(nameOf(p, heard.Name), p)
}

// nameOf returns the feeling nearest to p. Among neighbours the one that was heard wins, unless nothing was: anger and anxiety, say, lie close
// to each other in this plane and are told apart by what was said.
func nameOf(p point, heard string) string {
	if intensity(p) < faded {
		return Calm
	}
	const neighbour = 0.2
	name, nearest, toHeard := Calm, math.Inf(1), math.Inf(1)
	for _, c := range places {
		d := distance(p, c.at)
		if d < nearest {
			name, nearest = c.name, d
		}
		if c.name == heard {
			toHeard = d
		}
	}
	if heard != Calm && toHeard < nearest+neighbour {
		return heard
	}
	return name
}

func emotion(name string, p point) schema.Emotion {
	return tidy(schema.Emotion{Name: name, Valence: p.valence, Arousal: p.arousal, Intensity: intensity(p)})
}

// intensity is the distance from the baseline.
func intensity(p point) float64 { return clamp(distance(p, baseline), 0, 1) }

func distance(a, b point) float64 { return math.Hypot(a.valence-b.valence, a.arousal-b.arousal) }

// tidy keeps a feeling within the bounds of the contract and rounds it to what means something.
func tidy(e schema.Emotion) schema.Emotion {
	e.Valence = round(clamp(e.Valence, -1, 1))
	e.Arousal = round(clamp(e.Arousal, 0, 1))
	e.Intensity = round(clamp(e.Intensity, 0, 1))
	return e
}

// Sound returns e within the bounds of the contract, with a name; ok is false if it holds something that is not a number.
func Sound(e schema.Emotion) (_ schema.Emotion, ok bool) {
	for _, x := range []float64{e.Valence, e.Arousal, e.Intensity} {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return e, false
		}
	}
	if e.Name == "" {
		e.Name = nameOf(point{e.Valence, e.Arousal}, "")
	}
	return tidy(e), true
}

func clamp(x, lo, hi float64) float64 { return min(max(x, lo), hi) }

func round(x float64) float64 { return math.Round(x*1e4)/1e4 + 0 } // + 0 makes -0 a plain 0

// Intensity returns how strong a feeling is at its place: its distance from the baseline, at most 1.
func Intensity(e schema.Emotion) float64 { return round(intensity(point{e.Valence, e.Arousal})) }
