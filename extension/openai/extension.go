package openai

import (
	"context"
	"iter"

	api "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/stagehouse/stagehouse/extension/internal/provider"
	"github.com/stagehouse/stagehouse/sdk"
)

// Version is that of the extension.
const Version = "1.0.0"

// Definition returns what the extension is.
func Definition() sdk.Definition {
	return sdk.Definition{
		Name:    "openai",
		Version: Version,
		Summary: "the models of OpenAI and of servers with the same API, as brains of agents",
		New:     func() sdk.Extension { return &Extension{Config: defaults()} },
	}
}

// Extension asks a server for agents.
type Extension struct {
	Config

	client     *provider.Client
	chat       api.ChatCompletionService
	embeddings api.EmbeddingService
	block      string // the extension's name in the configuration
}

var (
	_ sdk.Extension = (*Extension)(nil)
	_ sdk.Validator = (*Extension)(nil)
	_ sdk.Thinker   = (*Extension)(nil)
	_ sdk.Measurer  = (*Extension)(nil)
)

// Start makes the client. It asks the server nothing.
func (x *Extension) Start(_ context.Context, h *sdk.Host) error {
	x.block = h.Name
	x.client = provider.New(x.Settings, provider.Server{Extension: h.Name, BaseURL: x.BaseURL, Key: x.APIKey, Log: h.Log})
	context.AfterFunc(h.Context(), x.client.Close)
	opts := []option.RequestOption{
		option.WithBaseURL(x.BaseURL), option.WithMaxRetries(0), option.WithHTTPClient(x.client.HTTP()), option.WithMiddleware(x.client.Middleware),
	}
	if x.APIKey != "" {
		opts = append(opts, option.WithAPIKey(x.APIKey))
	}
	// The services, unlike a whole client, take nothing from the environment.
	x.chat, x.embeddings = api.NewChatCompletionService(opts...), api.NewEmbeddingService(opts...)
	return nil
}

// Metrics returns what the client counts.
func (x *Extension) Metrics() map[string]float64 { return x.client.Metrics() }

// Brain returns the brain.
func (x *Extension) Brain() sdk.Brain {
	return sdk.NewBrain("A model of OpenAI, or of a server with the same API.", x.think, sdk.Embeds(x.embed))
}

func (x *Extension) think(ctx context.Context, r sdk.ThinkRequest, o options) iter.Seq2[sdk.ThinkEvent, error] {
	params, err := x.params(r, o)
	if err != nil {
		return func(yield func(sdk.ThinkEvent, error) bool) { yield(sdk.ThinkEvent{}, err) }
	}
	return x.client.Think(ctx, func(ctx context.Context) iter.Seq2[sdk.ThinkEvent, error] {
		return func(yield func(sdk.ThinkEvent, error) bool) {
			a := &attempt{x: x, params: params, seam: provider.NewSeam(provider.BrokenOff(r.Messages)), yield: yield}
			if err := a.run(ctx); err != nil && !a.left {
				yield(sdk.ThinkEvent{}, err)
			}
		}
	})
}
