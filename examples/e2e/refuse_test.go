package e2e

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRefusals: what cannot begin says what, where and what to do, exits 2, and leaves nothing half-started.
func TestRefusals(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, takenPort, err := net.SplitHostPort(taken.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("secret", "s3cr3t.invalid")
	for name, test := range map[string]struct {
		args []string
		want []string
	}{
		"taken port":     {[]string{"--set", "extensions.api.port=" + takenPort}, []string{"127.0.0.1:" + takenPort, "extensions.api.port"}},
		"no such file":   {[]string{"--config", filepath.Join(dir, "none.json")}, []string{"none.json", "no such file", "--config"}},
		"a directory":    {[]string{"--config", dir}, []string{dir, "is a directory"}},
		"misspelt key":   {[]string{"--config", write("a.json", `{"extensions":{"api":{"prot":1}}}`)}, []string{"/extensions/api/prot", `did you mean "port"?`}},
		"bad value":      {[]string{"--config", write("b.json", `{"extensions":{"api":{"port":"x"}}}`)}, []string{"/extensions/api/port", "integer"}},
		"open to all":    {[]string{"--config", write("c.json", `{"extensions":{"api":{"host":"0.0.0.0","auth":{"mode":"none"}}}}`)}, []string{"/extensions/api/auth", "allowPublic"}},
		"secret host":    {[]string{"--config", write("d.json", `{"extensions":{"api":{"host":"${file:secret}"}}}`)}, []string{"${file:secret}"}},
		"unknown brain":  {[]string{"--config", write("e.json", `{"agents":[{"id":"a","brain":"gpt"}]}`)}, []string{"/agents/0/brain", `there is no brain "gpt"`, "builtin"}},
		"empty flag":     {[]string{"--config", ""}, []string{"--config is empty"}},
		"unknown flag":   {[]string{"--prot", "1"}, []string{"--prot"}},
		"unknown secret": {[]string{"--set", "extensions.api.host=${env:NOT_SET_ANYWHERE}"}, []string{"/extensions/api/host", "NOT_SET_ANYWHERE"}},
	} {
		t.Run(name, func(t *testing.T) {
			data := filepath.Join(t.TempDir(), "data")
			stdout, stderr, code := run(t, "", append([]string{"run", "--data", data}, test.args...)...)
			if code != 2 {
				t.Errorf("exit code %d, want 2\n%s", code, stderr)
			}
			for _, want := range test.want {
				if !strings.Contains(stderr, want) {
					t.Errorf("the message does not say %q:\n%s", want, stderr)
				}
			}
			if strings.Contains(stderr, "s3cr3t") {
				t.Errorf("it printed a secret:\n%s", stderr)
			}
			if stdout != "" {
				t.Errorf("it said on standard output: %s", stdout)
			}
			if left, _ := filepath.Glob(filepath.Join(data, "run", "*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// TestTheTokenIsShownByTheFirstStartThatSucceeds: one that fails does not use it up.
func TestTheTokenIsShownByTheFirstStartThatSucceeds(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, err := net.SplitHostPort(taken.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	if _, stderr, code := run(t, "", "run", "--data", data, "--set", "extensions.api.port="+port); code != 2 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	if _, err := os.Stat(filepath.Join(data, "api-token")); !os.IsNotExist(err) {
		t.Errorf("a start that failed left a token: %v", err)
	}
	s := start(t, data, "--set", "extensions.api.port=0")
	if !strings.Contains(s.stdout, s.token+" (new; shown only this once)") {
		t.Errorf("the token is not shown:\n%s", s.stdout)
	}
}

func TestBrokenTokensRefuseToStart(t *testing.T) {
	for file, content := range map[string]string{"tokens.json": "{", "api-token": "two\nlines\n"} {
		data := t.TempDir()
		if err := os.WriteFile(filepath.Join(data, file), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, stderr, code := run(t, "", "run", "--data", data, "--set", "extensions.api.port=0")
		if code != 2 || !strings.Contains(stderr, file) {
			t.Errorf("%s: exit code %d: %s", file, code, stderr)
		}
	}
}

func TestTwoHostsOnOneDataDirectory(t *testing.T) {
	data := t.TempDir()
	start(t, data, "--set", "extensions.api.port=0")
	_, stderr, code := run(t, "", "run", "--data", data, "--set", "extensions.api.port=0")
	if code != 2 || !strings.Contains(stderr, data) || !strings.Contains(stderr, "in use by the host with pid") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}
