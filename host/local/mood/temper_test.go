package mood_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/host/local/mood"
	"github.com/stagehouse/stagehouse/schema"
)

func TestTemper(t *testing.T) {
	cheerful, err := mood.TemperOf(schema.Object{"mood": map[string]any{"valence": 0.75, "arousal": 0.5, "halfLifeMinutes": 30}, "model": "m"})
	if want := (mood.Temper{Valence: 0.75, Arousal: 0.5, HalfLife: 30 * time.Minute}); err != nil || cheerful != want {
		t.Fatalf("it is %+v, %v", cheerful, err)
	}
	if e := cheerful.Baseline(); e.Name != mood.Happy || e.Intensity < 0.5 {
		t.Errorf("at its baseline it feels %+v", e)
	}
	if e := cheerful.Decay(schema.Emotion{}, 0); e != cheerful.Baseline() {
		t.Errorf("who never felt anything feels %+v", e)
	}
	felt := mood.Named(mood.Sad)
	if e := cheerful.Decay(felt, 0); e != felt {
		t.Errorf("at once %+v", e)
	}
	if e := cheerful.Decay(felt, 30*time.Minute); e.Name != mood.Sad || math.Abs(e.Valence-0.05) > 1e-3 {
		t.Errorf("after its half-life it feels %+v", e)
	}
	if e := cheerful.Decay(felt, 24*time.Hour); e != cheerful.Baseline() {
		t.Errorf("after a day it feels %+v", e)
	}
	if got, err := mood.TemperOf(schema.Object{"mood": map[string]any{"halfLifeMinutes": 1}}); err != nil || got.Baseline() != mood.Even.Baseline() || got.HalfLife != time.Minute {
		t.Errorf("what is left open is %+v, %v", got, err)
	}
	for says, of := range map[string]any{
		"valence":          map[string]any{"valence": 2},
		"halfLifeMinutes":  map[string]any{"halfLifeMinutes": 0},
		"valenz":           map[string]any{"valenz": 0.5},
		"halfLifeMinutes,": map[string]any{"baseline": "happy"}, // the keys that there are
		"object":           "cheerful",
	} {
		if got, err := mood.TemperOf(schema.Object{"mood": of}); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "mood") || got != mood.Even {
			t.Errorf("%v is %+v, %v", of, got, err)
		}
	}
}
