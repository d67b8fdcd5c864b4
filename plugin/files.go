package plugin

import (
	"fmt"

	"github.com/stagehouse/stagehouse/plugin/process"
)

// manyFiles is how many open files are worth a word in the log, and every doubling of them, wherever the limit is.
const manyFiles = 4096

// fileGauge decides when somebody should know how many files a generation has open.
type fileGauge struct {
	told uint64 // how many there were when it was told last
	near bool   // it was told that the limit is near
}

// tell reports whether f is news: the limit has come near, or there are many and twice as many as were told of last. A
// limit that comes near again is news after half of it was free.
func (g *fileGauge) tell(f process.Files) bool {
	if f.Open < f.Limit/2 {
		g.near = false
	}
	near := f.Near() && !g.near
	if !near && f.Open < max(manyFiles, 2*g.told) {
		return false
	}
	g.near = g.near || near
	g.told = max(g.told, f.Open)
	return true
}

// lookAtFiles warns of a generation that seems to leak descriptors, before it can open no more.
func (g *generation) lookAtFiles() {
	f := g.proc.Files()
	if f.Open == 0 {
		return
	}
	g.files = f
	if !g.gauge.tell(f) {
		return
	}
	g.log.Warn("extension has many files open", "open", f.Open, "limit", f.Limit,
		"next", "if it has no more connections than usual, it leaks them: reload it now and mend it; otherwise raise the limit of open files (ulimit -n, LimitNOFILE=)")
}

// withFiles adds to the cause of a fall that the process had hardly a file left to open, which may be the cause of it.
func (g *generation) withFiles(cause error) error {
	if f := g.files; f.Near() {
		return fmt.Errorf("%w; it had %d files open, of %d that it may have: it leaks them, or its limit is too low (ulimit -n, LimitNOFILE=)",
			cause, f.Open, f.Limit)
	}
	return cause
}
