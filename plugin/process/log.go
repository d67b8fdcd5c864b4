package process

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// An extension may write so many lines at once, and so many in the long run; the rest is counted and left out. A long line
// counts as one for every lineUnit bytes that it has begun.
const (
	linesPerSecond = 1000
	linesBurst     = 5000
	lineUnit       = 1 << 10
)

// What is kept of the words of a process, in case that they were its last: so many lines, of so many bytes each.
const (
	maxLast     = 8
	maxLastLine = 2 << 10
	maxLastText = 400 // of a line as it is told
)

// goPluginModule begins the names under which go-plugin logs in the extension's process.
const goPluginModule = "go-plugin"

// levelTrace is hclog's level below debug.
const levelTrace = slog.LevelDebug - 4

// logger turns what an extension writes into records of the host's log: lines of hclog's JSON keep their level, message
// and attributes, anything else is a message as it is. It is safe for concurrent use.
//
// go-plugin would do this as well, and panics on a line such as {"@message":1}.
type logger struct {
	log     *slog.Logger
	limit   *rate.Limiter
	omitted *omissions

	ending atomic.Bool // we have begun to stop the process

	mu    sync.Mutex
	dying bool     // the Go runtime is printing why it ends the process; last is what it said first
	last  [][]byte // lines as they were written, which are read when somebody wants to know
}

func newLogger(log *slog.Logger) *logger {
	return &logger{log: log, limit: rate.NewLimiter(linesPerSecond, linesBurst), omitted: &omissions{log: log}}
}

// stderr takes the lines of standard error.
func (l *logger) stderr() sink { return sink{line: l.errorLine, rest: l.omitted.rest} }

// stdout takes the lines of standard output, which an author prints without meaning harm.
func (l *logger) stdout() sink { return sink{line: l.printedLine, rest: l.omitted.rest} }

// stopping says that the process is being stopped. That go-plugin stumbles over its connections is no error from now on.
func (l *logger) stopping() { l.ending.Store(true) }

// lastWords returns the last lines that the process logged or printed, oldest first.
func (l *logger) lastWords() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var words []string
	for _, line := range l.last {
		text := printable(line)
		if _, msg, attrs, ok := parseHclog(line); ok {
			text = msg
			for _, a := range attrs {
				text += " " + a.String()
			}
		}
		if len(text) > maxLastText {
			text = strings.ToValidUTF8(text[:maxLastText], "") + "…"
		}
		words = append(words, text)
	}
	return words
}

func (l *logger) errorLine(line []byte, cut bool) {
	if line[0] != '{' {
		l.raw(line, cut)
		return
	}
	l.remember(line)
	if !l.allow(line) { // before the work of reading it
		return
	}
	if level, msg, attrs, ok := parseHclog(line); ok && !cut {
		if l.ending.Load() && fromGoPlugin(attrs) {
			level = min(level, slog.LevelDebug)
		}
		l.log.LogAttrs(context.Background(), level, msg, attrs...)
		return
	}
	l.log.LogAttrs(context.Background(), slog.LevelInfo, printable(line), cutAttr(cut)...)
}

// raw handles a line of standard error that is no log line.
func (l *logger) raw(line []byte, cut bool) {
	if level := l.remember(line); l.allow(line) {
		l.log.LogAttrs(context.Background(), level, printable(line), cutAttr(cut)...)
	}
}

func (l *logger) printedLine(line []byte, cut bool) {
	l.remember(line)
	if l.allow(line) {
		l.log.LogAttrs(context.Background(), slog.LevelInfo, printable(line), append(cutAttr(cut), slog.String("stream", "stdout"))...)
	}
}

func printable(line []byte) string { return strings.ToValidUTF8(string(line), "�") }

func cutAttr(cut bool) []slog.Attr {
	if cut {
		return []slog.Attr{slog.Bool("cut", true)}
	}
	return nil
}

// remember keeps the line for lastWords and returns its level, if it is no log line.
func (l *logger) remember(line []byte) slog.Level {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dying {
		return slog.LevelError
	}
	if bytes.HasPrefix(line, []byte("panic: ")) || bytes.HasPrefix(line, []byte("fatal error: ")) {
		l.dying, l.last = true, nil
	}
	if len(l.last) == maxLast {
		l.last = slices.Delete(l.last, 0, 1)
	}
	l.last = append(l.last, bytes.Clone(line[:min(len(line), maxLastLine)]))
	if l.dying {
		return slog.LevelError
	}
	return slog.LevelInfo
}

// fromGoPlugin reports whether a log line is go-plugin's own and not the author's.
func fromGoPlugin(attrs []slog.Attr) bool {
	return slices.ContainsFunc(attrs, func(a slog.Attr) bool {
		name, ok := a.Value.Any().(string)
		return ok && a.Key == "module" && (name == goPluginModule || strings.HasPrefix(name, goPluginModule+"."))
	})
}

// allow reports whether a line may be logged now.
func (l *logger) allow(line []byte) bool {
	if l.limit.AllowN(time.Now(), 1+len(line)/lineUnit) {
		return true
	}
	l.omitted.line(len(line))
	return false
}

// parseHclog reads one line of hclog's JSON format.
func parseHclog(line []byte) (slog.Level, string, []slog.Attr, bool) {
	var m map[string]any
	if json.Unmarshal(line, &m) != nil {
		return 0, "", nil, false
	}
	name, ok1 := m["@level"].(string)
	msg, ok2 := m["@message"].(string)
	if !ok1 || !ok2 {
		return 0, "", nil, false
	}
	var attrs []slog.Attr
	for _, k := range slices.Sorted(maps.Keys(m)) {
		switch k {
		case "@level", "@message", "@timestamp":
		case "extension", "generation": // the host's own word on these is the one that counts
			attrs = append(attrs, slog.Any(k+"_", m[k]))
		default:
			attrs = append(attrs, slog.Any(strings.TrimPrefix(k, "@"), m[k]))
		}
	}
	return levelOf(name), msg, attrs, true
}

func levelOf(name string) slog.Level {
	switch name {
	case "trace":
		return levelTrace
	case "debug":
		return slog.LevelDebug
	case "warn":
		return slog.LevelWarn
	case "error":
		return slog.LevelError
	}
	return slog.LevelInfo
}

// LevelName returns the name of the most talkative level that log takes, in the words of InitRequest.
func LevelName(log *slog.Logger) string {
	for _, l := range []struct {
		level slog.Level
		name  string
	}{{levelTrace, "trace"}, {slog.LevelDebug, "debug"}, {slog.LevelInfo, "info"}, {slog.LevelWarn, "warn"}} {
		if log.Enabled(context.Background(), l.level) {
			return l.name
		}
	}
	return "error"
}
