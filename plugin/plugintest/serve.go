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

// What Deluge and Endless write.
const (
	DelugeLines  = 1_000_000
	EndlessBytes = 100_000_000
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
