package schema

import (
	"maps"
	"math"
	"slices"
	"strings"
)

// Bounds of what an extension may count.
const (
	MaxMetrics         = 200
	maxMetricNameBytes = 100
)

// ValidMetric reports whether an extension may count something under that name with that value: 1 to 100 of a-z, 0-9 and _, a letter
// first, and a number that JSON has.
func ValidMetric(name string, value float64) bool {
	return name != "" && len(name) <= maxMetricNameBytes && 'a' <= name[0] && name[0] <= 'z' &&
		strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == "" && !math.IsNaN(value) && !math.IsInf(value, 0)
}

// SoundMetrics returns those of m that are valid, and of very many the first MaxMetrics by name; nil if there is none.
func SoundMetrics(m map[string]float64) map[string]float64 {
	var sound map[string]float64
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if len(sound) == MaxMetrics {
			break
		}
		if ValidMetric(name, m[name]) {
			if sound == nil {
				sound = map[string]float64{}
			}
			sound[name] = m[name]
		}
	}
	return sound
}
