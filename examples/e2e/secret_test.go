//go:build unix

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// blabber is an extension that says what it knows, in the ways in which programs do, and does not start.
const blabber = `#!/bin/sh
if [ "$STAGEHOUSE_CHECK" = 1 ]; then
	echo '{"description": {"name": "blabber", "version": "1", "protocol": 1}}'
	exit
fi
printf "%s\n" "the key is $KEY" >&2
printf "%s\n" '{"@level":"warn","@message":"it is \"sword\\fish\"","quoted":"it is \"sword\\fish\""}' >&2
exit 3
`

// TestTheLogShowsNoSecret has an extension say a secret that it was given.
func TestTheLogShowsNoSecret(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "stagehouse.json")
	for path, content := range map[string]string{
		file:                          `{"extensions": {"blabber": {"plugin": {"path": "blabber", "env": {"KEY": "${file:secret}"}}}}}`,
		filepath.Join(dir, "secret"):  `"sword\fish"` + "\n",
		filepath.Join(dir, "blabber"): blabber,
	} {
		if err := os.WriteFile(path, []byte(content), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	_, stderr, code := run(t, "", "run", "--config", file, "--data", filepath.Join(dir, "data"))
	if code != 2 || !strings.Contains(stderr, `"@message":"the key is ${file:secret}"`) || !strings.Contains(stderr, `"quoted":"it is ${file:secret}"`) {
		t.Errorf("exit code %d, and its log:\n%s", code, stderr)
	}
	if strings.Contains(stderr, "sword") {
		t.Errorf("it printed a secret:\n%s", stderr)
	}
}
