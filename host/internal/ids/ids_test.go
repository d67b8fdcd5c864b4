package ids_test

import (
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/host/internal/ids"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestIDsSortInTheOrderInWhichTheyWereGiven(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	g := ids.New(func() time.Time { return now })
	var given []string
	for i := range 3000 {
		switch i {
		case 1000:
			now = now.Add(-time.Hour) // the clock goes back
		case 2000:
			now = now.Add(2 * time.Hour)
		}
		given = append(given, g.Next(ids.Run))
	}
	if !slices.IsSorted(given) || len(slices.Compact(slices.Clone(given))) != len(given) {
		t.Error("ids are not in order, or not different")
	}
	for _, id := range given[:3] {
		if !ids.ValidRun(id) {
			t.Errorf("%q cannot be chosen", id)
		}
	}
}
