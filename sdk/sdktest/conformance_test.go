package sdktest_test

import (
	"testing"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk/sdktest"
)

func TestGreeterIsAnExtension(t *testing.T) {
	sdktest.TestExtension(t, definition(nil), `{"greeting":"good day"}`, schema.Services{})
}

func TestASubtestCanBeAProcessToo(t *testing.T) {
	t.Run("of an odd name (1)", func(t *testing.T) {
		sdktest.TestExtension(t, definition(nil), ``, schema.Services{})
	})
}
