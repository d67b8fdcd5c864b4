// Command swap replaces, kills and restarts a host and its API server under load, and counts what its clients see of it:
//
//	go run ./examples/swap -swaps 100 -kills 20 -restarts 3
//
// Its HTTP clients never try anything again, and its sockets resume where they were when they are closed; some of them can be
// of other languages. While the server is replaced nothing may fail, close, get lost or come twice. When it is killed, or the host is
// restarted, requests in flight fail and sockets close; what was acknowledged is there afterwards, and events are neither lost nor
// doubled. Those who talk by the client libraries see nothing of that either: no call of theirs fails, or leaves them in doubt, and
// what they say is said once. It prints a table, and exits with 1 where a number is not what it has to be.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	program                         string
	swaps, kills, restarts, sockets int
	clients                         string
	verbose                         bool
}

func main() {
	var o options
	flag.StringVar(&o.program, "program", "", "the stagehouse binary (default: it is built)")
	flag.IntVar(&o.swaps, "swaps", 100, "how often the API server is replaced")
	flag.IntVar(&o.kills, "kills", 20, "how often it is killed")
	flag.IntVar(&o.restarts, "restarts", 3, "how often the host is killed and started again")
	flag.IntVar(&o.sockets, "sockets", 200, "how many WebSockets follow the events")
	flag.StringVar(&o.clients, "clients", "", "clients in other languages that have some of them, such as node,python")
	flag.BoolVar(&o.verbose, "v", false, "show the log of the host")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ok, err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "swap:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

// run carries the scenario out and reports whether everything was as it has to be.
func run(ctx context.Context, o options) (ok bool, err error) {
	h, err := newHost(ctx, o)
	if err != nil {
		return false, err
	}
	defer h.remove()
	if err := h.start(ctx); err != nil {
		return false, err
	}
	l := newLoad(h)
	defer func() { err = errors.Join(err, l.end()) }()
	others := strings.FieldsFunc(o.clients, func(r rune) bool { return r == ',' })
	if err := l.begin(ctx, o.sockets, others); err != nil {
		return false, err
	}
	if err := l.settle(ctx); err != nil {
		return false, err
	}
	swaps, err := l.phase(ctx, "swaps", o.swaps, h.swap)
	if err != nil {
		return false, err
	}
	kills, err := l.phase(ctx, "kills", o.kills, h.kill)
	if err != nil {
		return false, err
	}
	restarts, err := l.phase(ctx, "restarts", o.restarts, h.restart)
	if err != nil {
		return false, err
	}
	if err := l.end(); err != nil {
		return false, err
	}
	lost, err := l.audit(ctx)
	if err != nil {
		return false, err
	}
	return report(os.Stdout, o, []phase{swaps, kills, restarts}, lost), nil
}

// patience bounds every wait for something that has to happen.
const patience = 60 * time.Second
