package api_test

import (
	"testing"

	"github.com/stagehouse/stagehouse/extension/api"
	"github.com/stagehouse/stagehouse/sdk/sdktest"
)

// TestExtension holds the API server against what a host expects of every extension, in memory and as a real process.
func TestExtension(t *testing.T) {
	sdktest.TestExtension(t, api.Definition(), `{"port":0}`, newFakeHost().services())
}
