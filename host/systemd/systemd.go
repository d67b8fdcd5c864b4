// Package systemd tells the service manager what the host is doing, where there is one: NOTIFY_SOCKET names its socket. An
// extension does not inherit that, so that it cannot speak for the host.
package systemd

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Notifier speaks to the service manager. Without one, its methods do nothing. It is safe for concurrent use.
type Notifier struct{ log *slog.Logger }

// New returns a notifier. What cannot be said is a line of log.
func New(log *slog.Logger) Notifier { return Notifier{log: log} }

// Ready says that everything serves, with one line about it.
func (n Notifier) Ready(status string) { n.say(daemon.SdNotifyReady, statusLine(status)) }

// Reloading says that a reload begins. Ready says that it is over, however it went.
func (n Notifier) Reloading() {
	// The time tells the manager whether this is the answer to its signal; see Type=notify-reload in systemd.service(5).
	n.say(daemon.SdNotifyReloading, strings.TrimSpace(daemon.SdNotifyMonotonicUsec()), statusLine("reloading"))
}

// Stopping says that the host has begun to stop.
func (n Notifier) Stopping() {
	n.say(daemon.SdNotifyStopping, statusLine("finishing what is in flight"))
}

// Watchdog says that the host is alive, at half of the interval of the manager's watchdog, for as long as alive returns nil
// in time. It returns when ctx is done, at once where there is no watchdog, and never while alive does not return: then
// nothing is said, and the manager does what it is there for.
func (n Notifier) Watchdog(ctx context.Context, alive func(context.Context) error) {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		n.log.Warn("the watchdog of the service manager is not understood", "error", err.Error())
	}
	if err != nil || interval <= 0 {
		return
	}
	tick := time.NewTicker(interval / 2)
	defer tick.Stop()
	for {
		if err := n.check(ctx, interval/2, alive); err == nil {
			n.say(daemon.SdNotifyWatchdog)
		} else if ctx.Err() == nil {
			n.log.Error("the host is not well; the watchdog of the service manager is not told otherwise", "error", err.Error())
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (n Notifier) check(ctx context.Context, bound time.Duration, alive func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	return alive(ctx)
}

func (n Notifier) say(lines ...string) {
	var said []string
	for _, l := range lines {
		if l != "" {
			said = append(said, l)
		}
	}
	if _, err := daemon.SdNotify(false, strings.Join(said, "\n")); err != nil {
		n.log.Warn("the service manager could not be told", "error", err.Error())
	}
}

// statusLine is what systemctl status shows.
func statusLine(text string) string { return "STATUS=" + strings.ReplaceAll(text, "\n", " ") }
