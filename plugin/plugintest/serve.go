package plugintest

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
)

const (
	floodLines = 50_000
	longLine   = 1 << 20
)

// leakLimit is how many files Leak and LeakMost may have open.
const leakLimit = 200

// What Deluge and Endless write.
const (
	DelugeLines  = 200_000
	EndlessBytes = 20_000_000
)

// serve answers the commands. Nothing bounds it, as nothing bounds a bad extension.
func (p *served) serve(ln net.Listener) {
	stderr := p.stderr
	answer := func(c Command, f func(http.ResponseWriter)) {
		http.HandleFunc(string(c), func(w http.ResponseWriter, _ *http.Request) { f(w) })
	}
	answer("/", func(w http.ResponseWriter) { _, _ = fmt.Fprint(w, os.Getpid()) })
	answer(Exit, func(http.ResponseWriter) { os.Exit(3) })
	answer(Panic, func(http.ResponseWriter) {
		go func() { panic("the handler went wild") }()
		forever()
	})
	answer(Stop, func(http.ResponseWriter) { stopSelf() })
	answer(Sicken, func(http.ResponseWriter) { p.sick.Store(true) })
	answer(Flood, func(http.ResponseWriter) {
		for i := range floodLines {
			_, _ = fmt.Fprintf(stderr, `{"@level":"info","@message":"flood","i":%d}`+"\n", i)
		}
	})
	answer(Deluge, func(http.ResponseWriter) {
		w := bufio.NewWriterSize(stderr, longLine)
		for i := range DelugeLines {
			_, _ = fmt.Fprintf(w, "line %d of many\n", i)
		}
		_ = w.Flush()
	})
	answer(Endless, func(http.ResponseWriter) {
		for range EndlessBytes / 1_000_000 {
			_, _ = fmt.Fprint(stderr, strings.Repeat("x", 1_000_000))
		}
	})
	answer(LongLine, func(http.ResponseWriter) { _, _ = fmt.Fprintln(stderr, strings.Repeat("x", longLine)) })
	answer(OddLines, func(http.ResponseWriter) {
		_, _ = fmt.Fprint(stderr, `{"@message":1}`+"\n"+`{"@level":[],"@message":"x"}`+"\n{\n\x00\xff\n[]\n"+
			`{"@level":"info","@message":"fine","@timestamp":7,"extension":"forged"}`+"\n")
	})
	answer(LeakMost, func(w http.ResponseWriter) { p.leakUpTo(w, leakLimit*9/10) })
	answer(Leak, func(w http.ResponseWriter) {
		p.leakUpTo(w, leakLimit)
		p.leaks.Store(true)
	})
	answer(Print, func(http.ResponseWriter) {
		fmt.Println("printed to stdout")
		_, _ = fmt.Fprintln(os.Stderr, "printed to stderr")
	})
	answer(MakeChild, func(w http.ResponseWriter) {
		pid, err := child()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = fmt.Fprint(w, pid)
	})
	_ = http.Serve(ln, nil) // it ends with the process
}

// leakUpTo opens files until one has the last number of so many, or it can open no more.
func (p *served) leakUpTo(w http.ResponseWriter, all int) {
	if err := limitFiles(leakLimit); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	for {
		if fd, err := p.leak(); err != nil || fd >= all-1 {
			return
		}
	}
}

// leak opens a file for good and returns its number.
func (p *served) leak() (int, error) {
	f, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leaked = append(p.leaked, f)
	return int(f.Fd()), nil
}
