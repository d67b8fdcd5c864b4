package e2e

import (
	"net/http"
	"sync"
	"testing"

	"github.com/stagehouse/stagehouse/extension/api"
	"github.com/stagehouse/stagehouse/extension/api/apitest"
)

// contract is what is published about the frames.
var contract = sync.OnceValues(func() (*apitest.Frames, error) { return apitest.NewFrames(api.AsyncAPI()) })

// published returns the contract, once it is known to be one.
func published(t testing.TB) *apitest.Frames {
	t.Helper()
	frames, err := contract()
	if err != nil {
		t.Fatal(err)
	}
	return frames
}

// checkFrame holds a frame of the server, or an event that came by HTTP, against the contract.
func checkFrame(t testing.TB, frame []byte) {
	t.Helper()
	if err := published(t).Check(apitest.FromServer, frame); err != nil {
		t.Error(err)
	}
}

// TestTheContractIsServed: the program publishes the very document that all frames here are held against.
func TestTheContractIsServed(t *testing.T) {
	s := start(t, t.TempDir(), "--set", "extensions.api.port=0")
	a, err := s.try(newClient(t), "", http.MethodGet, "/asyncapi.json", nil)
	if err != nil || a.StatusCode != http.StatusOK || string(a.raw) != string(api.AsyncAPI()) {
		t.Errorf("GET /asyncapi.json without a token: %v, %d bytes", err, len(a.raw))
	}
}
