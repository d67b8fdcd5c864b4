package anthropic

import (
	"strings"

	api "github.com/anthropics/anthropic-sdk-go"

	"github.com/stagehouse/stagehouse/extension/internal/provider"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/problem"
)

const officialURL = "https://api.anthropic.com"

// Config is the extension's block of the configuration.
type Config struct {
	APIKey        string `json:"apiKey" doc:"The key, as a reference such as ${env:ANTHROPIC_API_KEY}"`
	BaseURL       string `json:"baseUrl" doc:"The address of the API, or of a server that speaks it, without /v1"`
	Model         string `json:"model" minLength:"1" doc:"The model of agents that name none"`
	MaxTokens     int    `json:"maxTokens" minimum:"1" maximum:"1000000" doc:"How many tokens a step may write, those of its reasoning included, if neither the agent nor the host says it"`
	PromptCaching bool   `json:"promptCaching" doc:"Whether the API is to keep what steps begin with, so that the next one pays less for it"`
	provider.Settings
}

func defaults() Config {
	return Config{
		BaseURL: officialURL, Model: api.ModelClaudeSonnet5_5, MaxTokens: 8192, PromptCaching: true, Settings: provider.Defaults(),
	}
}

// Validate returns what the schema cannot say.
func (c *Config) Validate() []schema.Problem {
	all := c.Settings.Problems()
	all = append(all, provider.AddressProblems(c.BaseURL, c.APIKey != "")...)
	all = append(all, provider.SecretProblems("/apiKey", c.APIKey)...)
	if c.APIKey == "" && c.BaseURL == officialURL {
		all = append(all, problem.Errorf("/apiKey", `set "apiKey": "${env:ANTHROPIC_API_KEY}"`, "the API answers nobody without a key"))
	}
	if strings.HasSuffix(strings.TrimRight(c.BaseURL, "/"), "/v1") {
		all = append(all, problem.Errorf("/baseUrl", "leave /v1 out", "the path of the API comes behind it and has /v1 already"))
	}
	return all
}
