package openai_test

import (
	"encoding/json"
	"testing"

	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/extension/internal/provider/providertest"
	"github.com/stagehouse/stagehouse/extension/openai"
	"github.com/stagehouse/stagehouse/extension/openai/openaitest"
	"github.com/stagehouse/stagehouse/sdk"
	"github.com/stagehouse/stagehouse/sdk/sdktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Models that OpenAI treats differently: the second one reasons.
const (
	plain  = "gpt-4.1-mini"
	reason = "gpt-5.4-mini"
)

type object = map[string]any

// block returns a block of the configuration that asks the server, and has the keys of more.
func block(t *testing.T, s *openaitest.Server, more object) string {
	t.Helper()
	all := object{"baseUrl": s.URL, "apiKey": openaitest.Key, "model": plain, "maxTokensKey": "max_completion_tokens", "embeddingModel": "text-embedding-3-small"}
	for k, v := range more {
		all[k] = v
	}
	raw, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// start returns a stand-in, and the extension that asks it.
func start(t *testing.T, more object) (*sdktest.Running, *openaitest.Server) {
	t.Helper()
	s := openaitest.New(t)
	return sdktest.Start(t, openai.Definition(), block(t, s, more), sdktest.NewHost().Services()), s
}

// request returns a step in which the user says something.
func request(options sdk.Object, messages ...sdk.ThinkMessage) sdk.ThinkRequest {
	return sdk.ThinkRequest{ID: "1", Provider: "openai", Options: options, Messages: messages}
}

func look() []sdk.Tool {
	return []sdk.Tool{{Name: "look", InputSchema: json.RawMessage(`{"type": "object", "properties": {"at": {"type": "string"}}}`)}}
}

// What the tests of all providers have.
var (
	user, agent, calling, results = providertest.User, providertest.Agent, providertest.Calling, providertest.Results
	hear, well, wrong, eventually = providertest.Hear, providertest.Well, providertest.Wrong, providertest.Eventually
)

type heard = providertest.Heard
