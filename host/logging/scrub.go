package logging

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
)

// Scrubbed returns a handler that puts every text of a line through scrub before next sees it, so that no secret of the
// configuration gets into the log, whoever says it.
func Scrubbed(next slog.Handler, scrub func(string) string) slog.Handler {
	return &scrubbed{next: next, scrub: scrub}
}

type scrubbed struct {
	next  slog.Handler
	scrub func(string) string
}

// Enabled asks the next handler.
func (s *scrubbed) Enabled(ctx context.Context, l slog.Level) bool { return s.next.Enabled(ctx, l) }

// Handle passes a clean line on.
func (s *scrubbed) Handle(ctx context.Context, r slog.Record) error {
	clean := slog.NewRecord(r.Time, r.Level, s.scrub(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(s.attr(a))
		return true
	})
	return s.next.Handle(ctx, clean)
}

// WithAttrs returns a handler that puts clean attrs on every line.
func (s *scrubbed) WithAttrs(attrs []slog.Attr) slog.Handler {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = s.attr(a)
	}
	return &scrubbed{next: s.next.WithAttrs(clean), scrub: s.scrub}
}

// WithGroup returns a handler that opens a group.
func (s *scrubbed) WithGroup(name string) slog.Handler {
	return &scrubbed{next: s.next.WithGroup(name), scrub: s.scrub}
}

func (s *scrubbed) attr(a slog.Attr) slog.Attr {
	v := a.Value.Resolve()
	switch v.Kind() {
	case slog.KindString:
		v = slog.StringValue(s.scrub(v.String()))
	case slog.KindGroup:
		var group []slog.Attr
		for _, g := range v.Group() {
			group = append(group, s.attr(g))
		}
		v = slog.GroupValue(group...)
	case slog.KindAny:
		v = s.any(v)
	}
	return slog.Attr{Key: a.Key, Value: v}
}

// any returns the value itself where none of its text is a secret.
func (s *scrubbed) any(v slog.Value) slog.Value {
	if err, ok := v.Any().(error); ok {
		return slog.AnyValue(errors.New(s.scrub(err.Error())))
	}
	text := fmt.Sprint(v.Any())
	if clean := s.scrub(text); clean != text {
		return slog.StringValue(clean)
	}
	return v
}
