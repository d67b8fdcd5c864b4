package logging

import (
	"context"
	"log/slog"
)

// Scrubbed returns a logger that writes to log what scrub leaves of messages and of the values of attributes. A value that
// is neither text nor an error is left as it is unless its text has something to scrub.
func Scrubbed(log *slog.Logger, scrub func(string) string) *slog.Logger {
	return slog.New(&scrubbing{Handler: log.Handler(), scrub: scrub})
}

type scrubbing struct {
	slog.Handler
	scrub func(string) string
}

// Handle scrubs one line.
func (h *scrubbing) Handle(ctx context.Context, r slog.Record) error {
	clean := slog.NewRecord(r.Time, r.Level, h.scrub(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(h.attr(a))
		return true
	})
	return h.Handler.Handle(ctx, clean)
}

// WithAttrs scrubs attrs, once for all lines.
func (h *scrubbing) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &scrubbing{Handler: h.Handler.WithAttrs(h.attrs(attrs)), scrub: h.scrub}
}

// WithGroup returns a handler that scrubs too.
func (h *scrubbing) WithGroup(name string) slog.Handler {
	return &scrubbing{Handler: h.Handler.WithGroup(name), scrub: h.scrub}
}

func (h *scrubbing) attrs(attrs []slog.Attr) []slog.Attr {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = h.attr(a)
	}
	return clean
}

func (h *scrubbing) attr(a slog.Attr) slog.Attr {
	v := a.Value.Resolve()
	switch v.Kind() {
	case slog.KindGroup:
		return slog.Attr{Key: a.Key, Value: slog.GroupValue(h.attrs(v.Group())...)}
	case slog.KindString, slog.KindAny:
		text := v.String()
		if clean := h.scrub(text); clean != text {
			return slog.String(a.Key, clean)
		}
	}
	return slog.Attr{Key: a.Key, Value: v}
}
