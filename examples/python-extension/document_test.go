package pythonextension

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/plugin/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTheReadmeShowsThisSource(t *testing.T) {
	if !strings.Contains(read(t, "README.md"), "```python\n"+read(t, "__main__.py")+"```\n") {
		t.Error("README.md does not show __main__.py as it is")
	}
}

// TestTheProgramSpeaksThisProtocol holds its names and numbers to those of the host.
func TestTheProgramSpeaksThisProtocol(t *testing.T) {
	source := read(t, "protocol.py")
	for _, words := range []string{
		fmt.Sprintf("\nMAJOR = %d\n", protocol.Major),
		fmt.Sprintf("\nCOOKIE = (%q, %q)\n", protocol.CookieKey, protocol.CookieValue),
		fmt.Sprintf("%d << 20", protocol.MaxMessageSize>>20),
		fmt.Sprintf("%q", protocol.EnvCheck), fmt.Sprintf("%q", protocol.EnvTether), fmt.Sprintf("%q", protocol.EnvLifeline),
	} {
		if !strings.Contains(source, words) {
			t.Errorf("protocol.py does not have %s", words)
		}
	}
}
