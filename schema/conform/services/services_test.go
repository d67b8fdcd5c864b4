package services_test

import (
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/schema/conform/conformtest"
	"github.com/stagehouse/stagehouse/schema/conform/services"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestChecksAreDocumented(t *testing.T) {
	conformtest.Documented(t, "../../..", slices.Concat(services.Runtime(nil), services.Errors(nil), services.Lasting(nil)))
}
