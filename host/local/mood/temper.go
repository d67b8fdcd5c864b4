package mood

import (
	"encoding/json"
	"math"
	"time"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/problem"
)

// Option is the key of an agent's brain under which its temper stands.
const Option = "mood"

// Temper is what an agent feels when nothing has moved it, and how soon it comes back to that.
type Temper struct {
	Valence  float64 // -1 to 1
	Arousal  float64 // 0 to 1
	HalfLife time.Duration
}

// Even is the temper of an agent of which nothing else is said.
var Even = Temper{baseline.valence, baseline.arousal, HalfLife}

const temperSchema = `{
	"type": "object", "additionalProperties": false,
	"properties": {
		"valence": {"type": "number", "minimum": -1, "maximum": 1},
		"arousal": {"type": "number", "minimum": 0, "maximum": 1},
		"halfLifeMinutes": {"type": "number", "exclusiveMinimum": 0, "maximum": 525600}
	}
}`

// Problems returns what is wrong with the temper that the options of a brain ask for under [Option], with pointers into the options.
func Problems(options schema.Object) []schema.Problem {
	if _, ok := options[Option]; !ok {
		return nil
	}
	var asked any
	raw, err := json.Marshal(options[Option])
	if err == nil {
		err = json.Unmarshal(raw, &asked)
	}
	var all []schema.Problem
	if err == nil {
		all, err = problem.Schema{Raw: []byte(temperSchema)}.Check(asked)
	}
	if err != nil {
		all = []schema.Problem{problem.Errorf("", "", "%v", err)}
	}
	for i := range all {
		all[i].Pointer = "/" + Option + all[i].Pointer
	}
	return all
}

// TemperOf returns the temper that the options of a brain ask for under [Option], or says what is wrong with them. What they leave
// open is as in Even.
func TemperOf(options schema.Object) (Temper, error) {
	if err := problem.InALine(Problems(options)); err != nil {
		return Even, err
	}
	return Kept(options), nil
}

// Kept returns the temper that options ask for which were looked at before they were kept; Even if they cannot be read.
func Kept(options schema.Object) Temper {
	asked, ok := options[Option]
	if !ok {
		return Even
	}
	own := struct {
		Valence, Arousal float64
		HalfLifeMinutes  float64
	}{Even.Valence, Even.Arousal, Even.HalfLife.Minutes()}
	raw, err := json.Marshal(asked)
	if err != nil || json.Unmarshal(raw, &own) != nil {
		return Even
	}
	return Temper{own.Valence, own.Arousal, time.Duration(own.HalfLifeMinutes * float64(time.Minute))}
}

func (t Temper) point() point { return point{t.Valence, t.Arousal} }

// Baseline returns what an agent feels when nothing has moved it.
func (t Temper) Baseline() schema.Emotion { return emotion(nameOf(t.point(), ""), t.point()) }

// Decay returns what is left of a feeling after some time.
func (t Temper) Decay(e schema.Emotion, after time.Duration) schema.Emotion {
	if e.Name == "" {
		return t.Baseline()
	}
	rest := t.Baseline()
	left := math.Exp2(-max(after, 0).Seconds() / max(t.HalfLife.Seconds(), 1e-3))
	toward := func(from, to float64) float64 { return to + (from-to)*left }
	e.Valence, e.Arousal, e.Intensity = toward(e.Valence, rest.Valence), toward(e.Arousal, rest.Arousal), toward(e.Intensity, rest.Intensity)
	if math.Abs(e.Intensity-rest.Intensity) < faded && distance(point{e.Valence, e.Arousal}, t.point()) < 2*faded {
		e.Name = rest.Name
	}
	return tidy(e)
}
