package host

import (
	"context"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

// refusing are brains that say one word, and then that they cannot.
type refusing struct{ schema.Brains }

var errRefused = &schema.Error{Code: schema.CodeRateLimited, Message: "key swordfish is used up", RetryAfter: time.Second}

func (refusing) Think(context.Context, schema.ThinkRequest) iter.Seq2[schema.ThinkEvent, error] {
	return func(yield func(schema.ThinkEvent, error) bool) {
		_ = yield(schema.ThinkEvent{Text: "swordfish"}, nil) && yield(schema.ThinkEvent{}, errRefused)
	}
}

func (refusing) Embed(context.Context, schema.EmbedRequest) (schema.Embeddings, error) {
	return schema.Embeddings{Model: "m"}, errRefused
}

// TestErrorsOfBrainsAreTold without secrets; what a model says is its own business.
func TestErrorsOfBrainsAreTold(t *testing.T) {
	b := brains{refusing{}, func(s string) string { return strings.ReplaceAll(s, "swordfish", "${env:KEY}") }}
	var said string
	var last error
	for e, err := range b.Think(t.Context(), schema.ThinkRequest{}) {
		said += e.Text
		last = err
	}
	out, err := b.Embed(t.Context(), schema.EmbedRequest{})
	if said != "swordfish" || out.Model != "m" {
		t.Errorf("it says %q, and embeds %+v", said, out)
	}
	for _, err := range []error{last, err} {
		e := schema.AsError(err)
		if e == nil || e.Code != schema.CodeRateLimited || e.RetryAfter != time.Second || e.Message != "key ${env:KEY} is used up" {
			t.Errorf("the error is %+v", e)
		}
	}
	if errRefused.Message != "key swordfish is used up" {
		t.Error("somebody else's error was changed")
	}
	for range b.Think(t.Context(), schema.ThinkRequest{}) {
		break
	}
}
