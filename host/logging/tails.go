package logging

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// Bounds of Tails.
const (
	maxTail     = 1000        // lines of an extension that are kept
	maxLineText = 4 << 10     // bytes of a message, and of an attribute, that are kept
	maxAttrs    = 32          // attributes of a line that are kept
	maxBehind   = 2 * maxTail // lines that a follower may be behind
)

// extensionKey is the attribute that says which extension a line is about.
const extensionKey = "extension"

// Line is one log line about an extension.
type Line struct {
	Time    time.Time `json:"time"`
	Level   string    `json:"level"` // trace, debug, info, warn or error
	Message string    `json:"message"`
	Attrs   []Attr    `json:"attrs,omitempty"` // in their order, without the name of the extension
}

// Attr is an attribute of a Line. The value is as JSON has it, or text.
type Attr struct {
	Key   string `json:"key"`
	Value any    `json:"value"`
}

// Tails keeps the last lines about each extension: those with the attribute extension=NAME that went through its Handler.
// It is safe for concurrent use. Names come from the configuration, which bounds how many there are.
type Tails struct {
	mu    sync.Mutex
	tails map[string]*tail
}

// NewTails returns a Tails without lines.
func NewTails() *Tails { return &Tails{tails: map[string]*tail{}} }

// tail is the last lines of one extension, oldest first, up to twice as many as are told, and who follows them.
type tail struct {
	lines     []Line
	followers []*Follower
}

// Last returns up to n of the last lines about an extension, oldest first.
func (t *Tails) Last(extension string, n int) []Line {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.of(extension).last(n)
}

// Follow returns the same as Last, and a follower of the lines that come after them. The caller closes it.
func (t *Tails) Follow(extension string, n int) ([]Line, *Follower) {
	f := &Follower{tails: t, extension: extension, lines: make(chan Line, maxBehind)}
	t.mu.Lock()
	defer t.mu.Unlock()
	tail := t.of(extension)
	tail.followers = append(tail.followers, f)
	return tail.last(n), f
}

// of returns the tail of an extension. t.mu is held.
func (t *Tails) of(extension string) *tail {
	if t.tails[extension] == nil {
		t.tails[extension] = &tail{}
	}
	return t.tails[extension]
}

func (t *tail) last(n int) []Line {
	n = min(max(n, 0), maxTail, len(t.lines))
	return slices.Clone(t.lines[len(t.lines)-n:])
}

// add keeps a line and tells the followers. Nobody is waited for.
func (t *Tails) add(extension string, l Line) {
	t.mu.Lock()
	defer t.mu.Unlock()
	tail := t.of(extension)
	if len(tail.lines) == 2*maxTail { // now and then, so that a line costs little
		tail.lines = slices.Delete(tail.lines, 0, maxTail)
	}
	tail.lines = append(tail.lines, l)
	tail.followers = slices.DeleteFunc(tail.followers, func(f *Follower) bool {
		select {
		case f.lines <- l:
			return false
		default: // too slow
			close(f.lines)
			return true
		}
	})
}

// Follower gets the lines about an extension as they come.
type Follower struct {
	tails     *Tails
	extension string
	lines     chan Line
}

// Lines returns the channel of the lines. It is closed when the follower is too far behind; after Close nothing comes.
func (f *Follower) Lines() <-chan Line { return f.lines }

// Close ends the following. It may be called more than once.
func (f *Follower) Close() {
	f.tails.mu.Lock()
	defer f.tails.mu.Unlock()
	t := f.tails.of(f.extension)
	t.followers = slices.DeleteFunc(t.followers, func(g *Follower) bool { return g == f })
}

// Handler returns a handler that keeps what is about an extension and passes everything on to next. Lines of at least info
// are kept in any case, those below if next writes them too.
func (t *Tails) Handler(next slog.Handler) slog.Handler { return &keeper{tails: t, next: next} }

// keeper is the handler of a Tails. Groups become prefixes of the keys.
type keeper struct {
	tails     *Tails
	next      slog.Handler
	extension string // "" = not about one, so far
	attrs     []Attr
	prefix    string
}

// Enabled reports whether a line is kept or written.
func (k *keeper) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelInfo || k.next.Enabled(ctx, l)
}

// Handle keeps the line, if it is about an extension.
func (k *keeper) Handle(ctx context.Context, r slog.Record) error {
	seen := *k
	seen.attrs = slices.Clip(k.attrs)
	r.Attrs(func(a slog.Attr) bool {
		seen.see(k.prefix, a)
		return true
	})
	if seen.extension != "" {
		k.tails.add(seen.extension, Line{
			Time: r.Time, Level: toHCLog(r.Level).String(), Message: bounded(r.Message), Attrs: seen.attrs,
		})
	}
	if !k.next.Enabled(ctx, r.Level) {
		return nil
	}
	return k.next.Handle(ctx, r)
}

// WithAttrs returns a handler that sees attrs on every line.
func (k *keeper) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *k
	with.next, with.attrs = k.next.WithAttrs(attrs), slices.Clip(k.attrs)
	for _, a := range attrs {
		with.see(k.prefix, a)
	}
	return &with
}

// WithGroup returns a handler that puts name before the keys that follow.
func (k *keeper) WithGroup(name string) slog.Handler {
	if name == "" {
		return k
	}
	with := *k
	with.next, with.prefix = k.next.WithGroup(name), k.prefix+name+"."
	return &with
}

// see takes note of an attribute.
func (k *keeper) see(prefix string, a slog.Attr) {
	v := a.Value.Resolve()
	switch {
	case v.Kind() == slog.KindGroup:
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, g := range v.Group() {
			k.see(prefix, g)
		}
	case a.Equal(slog.Attr{}):
	case prefix+a.Key == extensionKey:
		k.extension = v.String()
	case len(k.attrs) < maxAttrs:
		k.attrs = append(k.attrs, Attr{Key: prefix + a.Key, Value: plain(v)})
	}
}

// plain returns a value that stays as it is, and is small.
func plain(v slog.Value) any {
	switch v.Kind() {
	case slog.KindBool, slog.KindInt64, slog.KindUint64:
		return v.Any()
	case slog.KindString, slog.KindDuration, slog.KindFloat64, slog.KindTime: // JSON has no infinite number
		return bounded(v.String())
	}
	if err, ok := v.Any().(error); ok {
		return bounded(err.Error())
	}
	if b, err := json.Marshal(v.Any()); err == nil && len(b) <= maxLineText {
		return json.RawMessage(b)
	}
	return bounded(v.String())
}

// bounded cuts a text that is long. The copy does not hold on to the rest of it.
func bounded(s string) string {
	if len(s) <= maxLineText {
		return s
	}
	return strings.ToValidUTF8(strings.Clone(s[:maxLineText]), "") + "…"
}
