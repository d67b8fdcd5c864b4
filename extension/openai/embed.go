package openai

import (
	"context"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"strings"

	api "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/stagehouse/stagehouse/extension/internal/provider"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk"
)

// maxBatchBytes is how much text goes into one request at most, unless a single one has more: no text has more tokens than
// bytes, and OpenAI takes 300,000 tokens.
const maxBatchBytes = 256 << 10

func (x *Extension) embed(ctx context.Context, r sdk.EmbedRequest) (sdk.Embeddings, error) {
	out := sdk.Embeddings{Model: r.Model}
	if out.Model == "" {
		out.Model = x.EmbeddingModel
	}
	if out.Model == "" {
		return out, schema.Errorf(schema.CodeUnimplemented, "the brain has no embeddings; set extensions.%s.embeddingModel", x.block)
	}
	for rest := r.Texts; len(rest) > 0; {
		n := x.batch(rest)
		vectors, usage, err := x.vectors(ctx, out.Model, rest[:n])
		if err != nil {
			return out, err
		}
		out.Vectors, out.Usage = append(out.Vectors, vectors...), out.Usage.Add(usage)
		rest = rest[n:]
	}
	for _, v := range out.Vectors {
		if len(v) != len(out.Vectors[0]) {
			return out, x.client.Useless("the vectors have different lengths")
		}
	}
	return out, nil
}

// batch returns how many of the texts go into the next request.
func (x *Extension) batch(texts []string) int {
	n, size := 0, 0
	for n < len(texts) && n < x.EmbeddingBatch && (n == 0 || size+len(texts[n]) <= maxBatchBytes) {
		size += len(texts[n])
		n++
	}
	return n
}

// vectors has one request made.
func (x *Extension) vectors(ctx context.Context, model string, texts []string) ([][]float32, sdk.TokenUsage, error) {
	p := api.EmbeddingNewParams{Model: model}
	for _, t := range texts {
		if strings.TrimSpace(t) == "" {
			t = provider.Nothing // the API takes no empty text
		}
		p.Input.OfArrayOfStrings = append(p.Input.OfArrayOfStrings, t)
	}
	if x.EmbeddingDimensions > 0 {
		p.Dimensions = api.Int(int64(x.EmbeddingDimensions))
	}
	var usage sdk.TokenUsage
	vectors, err := provider.Call(ctx, x.client, func(ctx context.Context) ([][]float32, error) {
		var answer *http.Response
		got, err := x.embeddings.New(ctx, p, option.WithResponseInto(&answer))
		if err != nil {
			return nil, x.unread(err, answer != nil)
		}
		usage = sdk.TokenUsage{InputTokens: got.Usage.PromptTokens}
		return x.inOrder(got.Data, len(texts))
	})
	x.client.Used(usage)
	return vectors, usage, err
}

// unread returns the error of a request. The vendor's client has no type for an answer that it cannot read.
func (x *Extension) unread(err error, answered bool) error {
	var known *schema.Error
	var broken net.Error
	if !answered || errors.As(err, &known) || errors.As(err, &broken) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, context.Canceled) {
		return err
	}
	return x.client.Broken("the answer is none of the Embeddings API; is extensions.%s.baseUrl right?", x.block)
}

// inOrder returns the vectors in the order of their texts: that of their indices, or the one in which they are, if they have none.
func (x *Extension) inOrder(data []api.Embedding, n int) ([][]float32, error) {
	all := make([][]float32, n)
	for i, e := range data {
		if !e.JSON.Index.Valid() {
			e.Index = int64(i)
		}
		if e.Index < 0 || e.Index >= int64(n) || all[e.Index] != nil || len(e.Embedding) == 0 {
			return nil, x.client.Useless("the vectors are not those of the texts")
		}
		v := make([]float32, len(e.Embedding))
		for i, f := range e.Embedding {
			if v[i] = float32(f); math.IsNaN(f) || math.IsInf(float64(v[i]), 0) {
				return nil, x.client.Useless("a vector has what is no number")
			}
		}
		all[e.Index] = v
	}
	if len(data) != n {
		return nil, x.client.Useless("there are %d vectors of %d texts", len(data), n)
	}
	return all, nil
}
