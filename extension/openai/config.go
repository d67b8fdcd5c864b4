package openai

import (
	"net/url"
	"strings"

	"github.com/stagehouse/stagehouse/extension/internal/provider"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/problem"
)

const officialURL = "https://api.openai.com/v1"

// What servers call the limit of the tokens of an answer.
const (
	limitNew = "max_completion_tokens"
	limitOld = "max_tokens"
)

// Config is the extension's block of the configuration.
type Config struct {
	APIKey              string `json:"apiKey" doc:"The key, as a reference such as ${env:OPENAI_API_KEY}; a server of your own may need none"`
	BaseURL             string `json:"baseUrl" doc:"The address of the API, mostly with /v1, such as http://localhost:11434/v1 for Ollama"`
	Model               string `json:"model" doc:"The model of agents that name none"`
	MaxTokens           int    `json:"maxTokens" minimum:"0" maximum:"1000000" doc:"How many tokens a step may write, those of its reasoning included, if neither the agent nor the host says it; 0 = as many as the server lets it"`
	MaxTokensKey        string `json:"maxTokensKey" enum:"max_completion_tokens,max_tokens" doc:"What the server calls that limit; without it, max_completion_tokens for OpenAI and max_tokens for others"`
	StreamUsage         bool   `json:"streamUsage" doc:"Whether the server is asked what a step has used; a few refuse that"`
	EmbeddingModel      string `json:"embeddingModel" doc:"The model that makes vectors of texts; without it, the brain has none"`
	EmbeddingDimensions int    `json:"embeddingDimensions" minimum:"0" maximum:"65536" doc:"The length of its vectors; 0 = the model's own"`
	EmbeddingBatch      int    `json:"embeddingBatch" minimum:"1" maximum:"2048" doc:"How many texts go into one request; some servers take few"`
	provider.Settings
}

func defaults() Config {
	return Config{BaseURL: officialURL, StreamUsage: true, EmbeddingBatch: 128, Settings: provider.Defaults()}
}

// Validate returns what the schema cannot say.
func (c *Config) Validate() []schema.Problem {
	all := c.Settings.Problems()
	all = append(all, provider.AddressProblems(c.BaseURL, c.APIKey != "")...)
	all = append(all, provider.SecretProblems("/apiKey", c.APIKey)...)
	if c.APIKey == "" && strings.TrimRight(c.BaseURL, "/") == officialURL {
		all = append(all, problem.Errorf("/apiKey", `set "apiKey": "${env:OPENAI_API_KEY}", or "baseUrl" to another server`, "OpenAI answers nobody without a key"))
	}
	return append(all, c.pathProblems()...)
}

// pathProblems returns what is likely to be wrong with the path of the address.
func (c *Config) pathProblems() []schema.Problem {
	u, err := url.Parse(c.BaseURL)
	if err != nil || u.Host == "" {
		return nil // which has been said
	}
	path := strings.TrimRight(u.Path, "/")
	switch {
	case u.RawQuery != "" || u.Fragment != "":
		return []schema.Problem{problem.Errorf("/baseUrl", "leave out ? and #, and what follows", "what comes behind the path is not sent")}
	case strings.HasSuffix(path, "/chat/completions"), strings.HasSuffix(path, "/embeddings"):
		return []schema.Problem{problem.Errorf("/baseUrl", "leave out what comes behind /v1", "the extension adds that part of the path itself")}
	case path == "":
		return []schema.Problem{{
			Severity: schema.SeverityWarning, Pointer: "/baseUrl", Message: "it has no path, and most servers have their API at /v1",
			Suggestion: "write " + strings.TrimRight(c.BaseURL, "/") + "/v1",
		}}
	}
	return nil
}

// limitKey returns what the server calls the limit of the tokens of an answer. OpenAI's newer models take no max_tokens, and many
// other servers nothing else.
func (c *Config) limitKey() string {
	if c.MaxTokensKey != "" {
		return c.MaxTokensKey
	}
	if u, err := url.Parse(c.BaseURL); err == nil {
		if host := strings.ToLower(u.Hostname()); strings.HasSuffix(host, ".openai.com") || strings.HasSuffix(host, ".openai.azure.com") {
			return limitNew
		}
	}
	return limitOld
}
