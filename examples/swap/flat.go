package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// measure is one of the sizes, and by how much its median may differ between the first and the last quarter of the swaps
// without having grown: connections and calls come and go, and a heap is not always as full.
type measure struct {
	name   string
	of     func(sizes) float64
	times  float64 // of what it was
	beyond float64 // that
}

const mib = 1 << 20

var measures = []measure{
	{"processes of the host", func(s sizes) float64 { return float64(s.processes) }, 1, 0},
	{"goroutines of the host", func(s sizes) float64 { return float64(s.goroutines) }, 1, 40},
	{"open files of the host", func(s sizes) float64 { return float64(s.files) }, 1, 4},
	{"open files of the API server", func(s sizes) float64 { return float64(s.apiFiles) }, 1, 12},
	{"MiB of the host's heap", func(s sizes) float64 { return float64(s.heap) / mib }, 1.5, 16},
	{"MiB of the API server", func(s sizes) float64 { return float64(s.apiMemory) / mib }, 1.5, 16},
}

// flat prints how everything was at the beginning and at the end of the swaps, and calls grown with what has grown.
func flat(w io.Writer, all []sizes, grown func(format string, args ...any)) {
	quarter := max(1, len(all)/4)
	if len(all) < 2 {
		return
	}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "\tthe first %d swaps\tthe last %d\t\n", quarter, quarter)
	for _, m := range measures {
		fmt.Fprintf(t, "%s\t%.0f\t%.0f\t\n", m.name, m.median(all[:quarter]), m.median(all[len(all)-quarter:]))
	}
	_ = t.Flush()
	for _, m := range measures {
		if first, last := m.median(all[:quarter]), m.median(all[len(all)-quarter:]); last > m.times*first+m.beyond {
			grown("the %s grow from swap to swap: %.0f became %.0f", m.name, first, last)
		}
	}
}

func (m measure) median(of []sizes) float64 {
	values := make([]float64, len(of))
	for i, s := range of {
		values[i] = m.of(s)
	}
	slices.Sort(values)
	return values[len(values)/2]
}
