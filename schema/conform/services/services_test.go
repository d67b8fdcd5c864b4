package services_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/schema/conform/conformtest"
	"github.com/stagehouse/stagehouse/schema/conform/services"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestChecksAreDocumented(t *testing.T) {
	conformtest.Documented(t, "../../..", append(services.Runtime(nil), services.Errors(nil)...))
}
