package anthropic_test

import (
	"encoding/json"
	"testing"

	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/extension/anthropic"
	"github.com/stagehouse/stagehouse/extension/anthropic/anthropictest"
	"github.com/stagehouse/stagehouse/extension/internal/provider/providertest"
	"github.com/stagehouse/stagehouse/sdk"
	"github.com/stagehouse/stagehouse/sdk/sdktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Models of three generations, which the API treats differently.
const (
	old   = "claude-haiku-4-5"
	newer = "claude-sonnet-4-6"
	fresh = "claude-opus-5-5"
)

type object = map[string]any

// block returns a block of the configuration that asks the server, and has the keys of more.
func block(t *testing.T, s *anthropictest.Server, more object) string {
	t.Helper()
	all := object{"baseUrl": s.URL, "apiKey": anthropictest.Key, "model": old}
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
func start(t *testing.T, more object) (*sdktest.Running, *anthropictest.Server) {
	t.Helper()
	s := anthropictest.New(t)
	return sdktest.Start(t, anthropic.Definition(), block(t, s, more), sdktest.NewHost().Services()), s
}

// request returns a step in which the user says something.
func request(options sdk.Object, messages ...sdk.ThinkMessage) sdk.ThinkRequest {
	return sdk.ThinkRequest{ID: "1", Provider: "anthropic", Options: options, Messages: messages}
}

// What the tests of all providers have.
var (
	user, agent, calling, results = providertest.User, providertest.Agent, providertest.Calling, providertest.Results
	hear, well, wrong, eventually = providertest.Hear, providertest.Well, providertest.Wrong, providertest.Eventually
)

type heard = providertest.Heard
