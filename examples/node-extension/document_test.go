package nodeextension

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/plugin/protocol"
	"github.com/stagehouse/stagehouse/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func read(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTheReadmeShowsThisSource(t *testing.T) {
	if !strings.Contains(read(t, "README.md"), "```ts\n"+read(t, "src", "main.ts")+"```\n") {
		t.Error("README.md does not show src/main.ts as it is")
	}
}

// TestTheModuleSpeaksThisProtocol holds the names and numbers of the module to those of the host.
func TestTheModuleSpeaksThisProtocol(t *testing.T) {
	constants := read(t, "src", "stagehouse", "protocol.ts")
	for name, value := range map[string]any{
		"MAJOR": protocol.Major, "COOKIE_KEY": protocol.CookieKey, "COOKIE_VALUE": protocol.CookieValue,
		"ENV_CHECK": protocol.EnvCheck, "ENV_TETHER": protocol.EnvTether, "ENV_LIFELINE": protocol.EnvLifeline,
		"LIFELINE_STDIN": protocol.LifelineStdin, "MAX_MESSAGE": fmt.Sprintf("%d << 20", protocol.MaxMessageSize>>20),
	} {
		line := fmt.Sprintf("export const %s = '%v'\n", name, value)
		if name == "MAJOR" || name == "MAX_MESSAGE" {
			line = fmt.Sprintf("export const %s = %v\n", name, value)
		}
		if !strings.Contains(constants, line) {
			t.Errorf("protocol.ts does not have %s", line)
		}
	}
	errors := read(t, "src", "stagehouse", "errors.ts")
	for _, c := range schema.ErrorCodes() {
		if !strings.Contains(errors, fmt.Sprintf("\n  %s: [status.", c)) || !strings.Contains(errors, fmt.Sprintf(", %d],\n", c.HTTPStatus())) {
			t.Errorf("errors.ts does not have the code %s", c)
		}
	}
	services := read(t, "src", "stagehouse", "services.ts")
	for _, name := range schema.ServiceNames() {
		if !strings.Contains(services, fmt.Sprintf("\n  %s: definitions.stagehouse.v1.", name)) {
			t.Errorf("services.ts does not have the service %s", name)
		}
	}
}
