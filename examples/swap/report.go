package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// report prints the table and reports whether every number is what it has to be.
func report(w io.Writer, o options, phases []phase, lost losses) bool {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "\t%d swaps\t%d kills\t%d restarts\t\n", o.swaps, o.kills, o.restarts)
	row := func(name string, value func(phase) any) {
		fmt.Fprintf(t, "%s\t%v\t%v\t%v\t\n", name, value(phases[0]), value(phases[1]), value(phases[2]))
	}
	row("requests answered", func(p phase) any { return p.requests })
	row("connects refused", func(p phase) any { return p.refused })
	row("requests failed", func(p phase) any { return p.failed })
	row("sockets closed", func(p phase) any { return p.closed })
	row("events received", func(p phase) any { return p.events })
	row("events lost", func(p phase) any { return p.lost })
	row("events doubled", func(p phase) any { return p.doubled })
	row("turns", func(p phase) any { return p.turns })
	row("turns by libraries", func(p phase) any { return p.said })
	row("calls of them failed", func(p phase) any { return p.unsaid })
	row("p50 of one", func(p phase) any { return quantile(p.times, 50) })
	row("p99 of one", func(p phase) any { return quantile(p.times, 99) })
	row("longest request", func(p phase) any { return p.longest.Round(time.Millisecond) })
	_ = t.Flush()
	fmt.Fprintf(w, "\nacknowledged: %d memories, %d lost; %d messages, %d lost, %d doubled\n",
		lost.memories, lost.lostMemories, lost.messages, lost.lostMessages, lost.doubledMessages)
	return verdict(w, phases, lost)
}

func quantile(sorted []time.Duration, percent int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, len(sorted)*percent/100)].Round(time.Millisecond)
}

func verdict(w io.Writer, phases []phase, lost losses) bool {
	ok := true
	demand := func(holds bool, format string, args ...any) {
		if !holds {
			ok = false
			fmt.Fprintf(w, "NOT AS PROMISED: "+format+"\n", args...)
		}
	}
	s := phases[0]
	demand(s.refused == 0, "%d connects were refused while the server was replaced", s.refused)
	demand(s.failed == 0, "%d requests failed while the server was replaced", s.failed)
	demand(s.closed == 0, "%d sockets closed while the server was replaced", s.closed)
	demand(phases[1].refused == 0, "%d connects were refused while the server was killed", phases[1].refused)
	for _, p := range phases {
		demand(p.lost == 0 && p.doubled == 0, "%d events were lost and %d doubled by %s", p.lost, p.doubled, p.name)
		demand(p.unsaid == 0, "%d calls of the client libraries failed by %s", p.unsaid, p.name)
	}
	demand(lost.lostMemories == 0 && lost.lostMessages == 0, "%d memories and %d messages are lost", lost.lostMemories, lost.lostMessages)
	demand(lost.doubledMessages == 0, "%d messages are doubled", lost.doubledMessages)
	fmt.Fprintln(w)
	flat(w, s.sizes, func(format string, args ...any) { demand(false, format, args...) })
	if ok {
		fmt.Fprintln(w, "everything as promised")
	}
	return ok
}
