// Command swap replaces, kills and restarts a host and its API server under load, and counts what its clients see of it:
//
//	go run ./examples/swap -swaps 100 -kills 20 -restarts 3
//
// Its HTTP clients never try anything again, and its sockets resume where they were when they are closed. While the server is
// replaced nothing may fail, close, get lost or come twice. When it is killed, or the host is restarted, requests in flight
// fail and sockets close; what was acknowledged is there afterwards, and events are neither lost nor doubled. It prints a
// table, and exits with 1 where a number is not what it has to be.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	program                         string
	swaps, kills, restarts, sockets int
	verbose                         bool
}

func main() {
	var o options
	flag.StringVar(&o.program, "program", "", "the stagehouse binary (default: it is built)")
	flag.IntVar(&o.swaps, "swaps", 100, "how often the API server is replaced")
	flag.IntVar(&o.kills, "kills", 20, "how often it is killed")
	flag.IntVar(&o.restarts, "restarts", 3, "how often the host is killed and started again")
	flag.IntVar(&o.sockets, "sockets", 200, "how many WebSockets follow the events")
	flag.BoolVar(&o.verbose, "v", false, "show the log of the host")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ok, err := run(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "swap:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

// run carries the scenario out and reports whether everything was as it has to be.
func run(ctx context.Context, o options) (bool, error) {
	h, err := newHost(ctx, o)
	if err != nil {
		return false, err
	}
	defer h.remove()
	if err := h.start(ctx); err != nil {
		return false, err
	}
	l := newLoad(h)
	l.begin(ctx, o.sockets)
	defer l.end()
	if err := l.settle(ctx); err != nil {
		return false, err
	}
	before := h.sizes(ctx)
	swaps, err := l.phase(ctx, "swaps", o.swaps, h.swap)
	if err != nil {
		return false, err
	}
	after := h.sizes(ctx)
	kills, err := l.phase(ctx, "kills", o.kills, h.kill)
	if err != nil {
		return false, err
	}
	restarts, err := l.phase(ctx, "restarts", o.restarts, h.restart)
	if err != nil {
		return false, err
	}
	l.end()
	lost, err := l.audit(ctx)
	if err != nil {
		return false, err
	}
	return report(os.Stdout, o, []phase{swaps, kills, restarts}, lost, before, after), nil
}

// patience bounds every wait for something that has to happen.
const patience = 60 * time.Second
