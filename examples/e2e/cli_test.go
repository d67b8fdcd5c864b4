package e2e

import (
	"strings"
	"testing"
)

// TestTheBannerNamesAnAgentOfThisHost that can be talked to.
func TestTheBannerNamesAnAgentOfThisHost(t *testing.T) {
	for agents, want := range map[string]string{
		`[{"id":"idle","autostart":false},{"id":"ada"}]`: " chat ada --data ",
		`[]`: " chat --data ",
	} {
		if s := start(t, t.TempDir(), "--set", "extensions.api.port=0", "--set", "agents="+agents); !strings.Contains(s.stdout, want) {
			t.Errorf("agents %s: the banner does not say %q:\n%s", agents, want, s.stdout)
		}
	}
}

func TestChatInAPipe(t *testing.T) {
	data := t.TempDir()
	start(t, data, "--set", "extensions.api.port=0")
	stdout, stderr, code := run(t, "Remember that my cat is called Miro.\nWhat is my cat called?\n", "chat", "nyx", "--data", data)
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if len(lines) < 2 || !strings.Contains(lines[len(lines)-1], "Miro") {
		t.Errorf("replies:\n%s", stdout)
	}
	if !strings.Contains(stderr, "nyx thinks:") || !strings.Contains(stderr, "nyx feels") {
		t.Errorf("no thoughts or feelings:\n%s", stderr)
	}

	stdout, stderr, code = run(t, "I need help with coding\n", "chat", "-q", "--data", data)
	if code != 0 || strings.TrimSpace(stdout) == "" || strings.Contains(stderr, "thinks") {
		t.Errorf("routed and quiet: exit code %d\n%s\n%s", code, stdout, stderr)
	}
	_, stderr, code = run(t, "hello\n", "chat", "nobody", "--data", data)
	if code == 0 || !strings.Contains(stderr, "there is no agent nobody") {
		t.Errorf("unknown agent: exit code %d, %s", code, stderr)
	}
	_, stderr, code = run(t, "hello\n", "chat", "nyx", "--data", data, "--token", "sth_wrong")
	if code == 0 || !strings.Contains(stderr, "refused the token") {
		t.Errorf("wrong token: exit code %d, %s", code, stderr)
	}
}
