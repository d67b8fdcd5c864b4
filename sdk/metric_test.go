//go:build unix

package sdk_test

import (
	"context"
	"maps"
	"testing"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk"
	"github.com/stagehouse/stagehouse/sdk/sdktest"
)

// TestMetrics: the manager shows what an extension counts, and a new process begins anew.
func TestMetrics(t *testing.T) {
	m, _ := newManager(t)
	spec := commanderSpec(t, "commander")
	if err := m.Start(context.Background(), spec); err != nil {
		t.Fatal(err)
	}
	counts := func(n float64) func() bool {
		return func() bool { return maps.Equal(m.Status()[0].Metrics, map[string]float64{"which_total": n}) }
	}
	if !counts(0)() {
		t.Errorf("at first it counts %v", m.Status()[0].Metrics)
	}
	for range 3 {
		if _, err := m.Commands().Run(ann(schema.ScopeChat), callOf("which", nil)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the count", counts(3))
	if err := m.Reload(context.Background(), spec); err != nil {
		t.Fatal(err)
	}
	if !counts(0)() {
		t.Errorf("the next generation counts %v", m.Status()[0].Metrics)
	}
}

// miscounting panics when it is to count.
type miscounting struct{}

func (miscounting) Start(context.Context, *sdk.Host) error { return nil }
func (*miscounting) Metrics() map[string]float64           { panic("on purpose") }

func TestAPanicInMetricsIsContained(t *testing.T) {
	d := sdk.Definition{Name: "miscounting", Version: "1", New: func() sdk.Extension { return &miscounting{} }}
	x := sdktest.Start(t, d, ``, sdk.Services{})
	if counted, err := x.Metrics(t.Context()); len(counted) != 0 || err != nil {
		t.Errorf("it counts %v, %v", counted, err)
	}
}
