package sdktest

import (
	"context"
	"iter"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/wire"
	"github.com/stagehouse/stagehouse/sdk"
)

// Think has the extension take a step, as a host would for an agent that has it as its brain. The errors are *schema.Error.
func (r *Running) Think(ctx context.Context, q sdk.ThinkRequest) iter.Seq2[sdk.ThinkEvent, error] {
	return wire.Think(speaking(ctx), r.brains, q)
}

// Embed has the extension make vectors of texts.
func (r *Running) Embed(ctx context.Context, q sdk.EmbedRequest) (sdk.Embeddings, error) {
	return wire.Embed(speaking(ctx), r.brains, q)
}

// speaking returns ctx with the caller that it has, or with "ann" who may chat.
func speaking(ctx context.Context) context.Context {
	if schema.CallerFrom(ctx).Principal != "" {
		return ctx
	}
	return schema.WithCaller(ctx, schema.Caller{Principal: "ann", Scopes: []schema.Scope{schema.ScopeChat}})
}
