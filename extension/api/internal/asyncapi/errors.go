package asyncapi

import (
	"fmt"
	"strings"

	"github.com/stagehouse/stagehouse/extension/api/internal/problem"
	"github.com/stagehouse/stagehouse/schema"
)

// codeList names codes in a sentence.
func codeList(codes []schema.ErrorCode) string {
	names := make([]string, len(codes))
	for i, c := range codes {
		names[i] = "`" + string(c) + "`"
	}
	return strings.Join(names, ", ")
}

// errorCodes describes every code that an error may have.
func errorCodes() string {
	var b strings.Builder
	b.WriteString("| code | title | retryable |\n|---|---|---|\n")
	for _, c := range schema.ErrorCodes() {
		p := problem.New(c, "")
		fmt.Fprintf(&b, "| `%s` | %s | %t |\n", c, p.Title, p.Retryable)
	}
	return b.String()
}
