// Package logging writes log lines with hclog behind log/slog, which is what every signature of stagehouse takes.
package logging

import (
	"context"
	"io"
	"log/slog"
	"slices"

	"github.com/hashicorp/go-hclog"
)

// LevelTrace is four below slog.LevelDebug, as is the custom.
const LevelTrace = slog.LevelDebug - 4

// New returns a logger that writes lines of at least level to w: for a person, or as one JSON object a line.
func New(w io.Writer, level slog.Level, json bool) *slog.Logger {
	return slog.New(&handler{out: hclog.New(&hclog.LoggerOptions{
		Level:      toHCLog(level),
		Output:     w,
		JSONFormat: json,
		TimeFormat: "2006-01-02T15:04:05.000Z07:00",
	})})
}

// handler is a slog.Handler over hclog. Groups become prefixes of the keys: "request.method".
type handler struct {
	out    hclog.Logger
	prefix string
}

// Enabled asks hclog.
func (h *handler) Enabled(_ context.Context, l slog.Level) bool {
	switch toHCLog(l) {
	case hclog.Trace:
		return h.out.IsTrace()
	case hclog.Debug:
		return h.out.IsDebug()
	case hclog.Info:
		return h.out.IsInfo()
	case hclog.Warn:
		return h.out.IsWarn()
	}
	return h.out.IsError()
}

// Handle writes one line.
func (h *handler) Handle(_ context.Context, r slog.Record) error {
	var args []any
	r.Attrs(func(a slog.Attr) bool {
		args = appendAttr(args, h.prefix, a)
		return true
	})
	h.out.Log(toHCLog(r.Level), r.Message, args...)
	return nil
}

// WithAttrs returns a handler that puts attrs on every line.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	var args []any
	for _, a := range attrs {
		args = appendAttr(args, h.prefix, a)
	}
	return &handler{out: h.out.With(args...), prefix: h.prefix}
}

// WithGroup returns a handler that puts name before the keys that follow.
func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return &handler{out: h.out, prefix: h.prefix + name + "."}
}

func appendAttr(args []any, prefix string, a slog.Attr) []any {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, g := range v.Group() {
			args = appendAttr(args, prefix, g)
		}
		return args
	}
	if a.Equal(slog.Attr{}) {
		return args
	}
	value := v.Any()
	if err, ok := value.(error); ok {
		value = err.Error()
	}
	return append(slices.Clip(args), prefix+a.Key, value)
}

func toHCLog(l slog.Level) hclog.Level {
	switch {
	case l < slog.LevelDebug:
		return hclog.Trace
	case l < slog.LevelInfo:
		return hclog.Debug
	case l < slog.LevelWarn:
		return hclog.Info
	case l < slog.LevelError:
		return hclog.Warn
	}
	return hclog.Error
}
