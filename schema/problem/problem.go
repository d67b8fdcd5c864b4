// Package problem finds and words what is wrong with a configuration, so that the host and every extension say it alike.
package problem

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/stagehouse/stagehouse/schema"
)

// Errorf returns a problem that nothing starts with. An empty suggestion is none.
func Errorf(pointer, suggestion, format string, args ...any) schema.Problem {
	return schema.Problem{
		Severity: schema.SeverityError, Pointer: pointer, Suggestion: suggestion, Message: fmt.Sprintf(format, args...),
	}
}

// Fatal reports whether any of the problems keeps things from starting: whether one is not a warning.
func Fatal(problems []schema.Problem) bool {
	return slices.ContainsFunc(problems, func(p schema.Problem) bool { return p.Severity != schema.SeverityWarning })
}

// Sort puts errors first and each group in the order of its places, so that two runs read alike.
func Sort(problems []schema.Problem) {
	slices.SortStableFunc(problems, func(a, b schema.Problem) int {
		return cmp.Or(
			cmp.Compare(a.Severity, b.Severity), // "error" < "warning"
			cmp.Compare(a.Pointer, b.Pointer),
			cmp.Compare(a.Message, b.Message),
		)
	})
}

// Pointer joins tokens into an RFC 6901 JSON pointer.
func Pointer(tokens ...string) string {
	var b strings.Builder
	for _, t := range tokens {
		b.WriteByte('/')
		b.WriteString(strings.NewReplacer("~", "~0", "/", "~1").Replace(t))
	}
	return b.String()
}

// Under reports whether pointer names the value at base or something inside it.
func Under(pointer, base string) bool { return pointer == base || strings.HasPrefix(pointer, base+"/") }

// InALine returns problems as one error, each with its place and what to do about it; nil = there are none.
func InALine(problems []schema.Problem) error {
	if len(problems) == 0 {
		return nil
	}
	texts := make([]string, len(problems))
	for i, p := range problems {
		texts[i] = strings.TrimPrefix(strings.TrimPrefix(p.Pointer, "/")+": "+p.Message, ": ")
		if p.Suggestion != "" {
			texts[i] += " (" + p.Suggestion + ")"
		}
	}
	return errors.New(strings.Join(texts, "; "))
}
