package anthropic

import (
	"context"
	"iter"

	api "github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"

	"github.com/stagehouse/stagehouse/extension/internal/provider"
	"github.com/stagehouse/stagehouse/sdk"
)

// Version is that of the extension.
const Version = "1.0.0"

// Definition returns what the extension is.
func Definition() sdk.Definition {
	return sdk.Definition{
		Name:    "anthropic",
		Version: Version,
		Summary: "the models of Anthropic's Messages API, as brains of agents",
		New:     func() sdk.Extension { return &Extension{Config: defaults()} },
	}
}

// Extension asks the API for agents.
type Extension struct {
	Config

	client *provider.Client
	api    api.MessageService
	block  string // the extension's name in the configuration
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
		option.WithoutEnvironmentDefaults(), option.WithoutOpenTelemetry(), option.WithBaseURL(x.BaseURL), option.WithMaxRetries(0),
		option.WithHTTPClient(x.client.HTTP()), option.WithMiddleware(x.client.Middleware),
	}
	if x.APIKey != "" {
		opts = append(opts, option.WithAPIKey(x.APIKey))
	}
	x.api = api.NewClient(opts...).Messages
	return nil
}

// Metrics returns what the client counts.
func (x *Extension) Metrics() map[string]float64 { return x.client.Metrics() }

// Brain returns the brain. It has no embeddings, because the API has none.
func (x *Extension) Brain() sdk.Brain {
	return sdk.NewBrain("A model of Anthropic's Messages API.", x.think)
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
