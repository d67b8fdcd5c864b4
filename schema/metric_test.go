package schema_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stagehouse/stagehouse/schema"
)

func TestValidMetric(t *testing.T) {
	for _, name := range []string{"a", "delivered_total", "p99_ms", strings.Repeat("a", 100)} {
		if !schema.ValidMetric(name, -0.5) {
			t.Errorf("%q is no name", name)
		}
	}
	for _, name := range []string{"", "_a", "9a", "a-b", "A", "aé", strings.Repeat("a", 101)} {
		if schema.ValidMetric(name, 1) {
			t.Errorf("%q is a name", name)
		}
	}
	for _, value := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if schema.ValidMetric("a", value) {
			t.Errorf("%v is a value", value)
		}
	}
}

func TestSoundMetrics(t *testing.T) {
	if got := schema.SoundMetrics(map[string]float64{"A": 1, "a": math.NaN()}); got != nil {
		t.Errorf("%v", got)
	}
	many := map[string]float64{"!": 1}
	for i := range schema.MaxMetrics + 50 {
		many[fmt.Sprintf("m%03d", i)] = float64(i)
	}
	got := schema.SoundMetrics(many)
	if _, last := got[fmt.Sprintf("m%03d", schema.MaxMetrics-1)]; len(got) != schema.MaxMetrics || !last || got["m007"] != 7 {
		t.Errorf("%d of %d: %v", len(got), len(many), got)
	}
}
