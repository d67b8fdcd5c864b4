//go:build unix

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestReadme runs every command of the README's tour, in its order, and holds what is printed against what the README
// says: each line of a text block must occur in the output of the commands before it.
func TestReadme(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	tour := section(t, string(b), "## Five minutes")
	steps := regexp.MustCompile("(?s)```sh\n(.*?)```\n(?:```text\n(.*?)```)?").FindAllStringSubmatch(tour, -1)
	if len(steps) < 9 || steps[0][1] != "go run ./host/cmd/stagehouse run\n" {
		t.Fatalf("the tour has %d steps and begins with %v", len(steps), steps)
	}
	data := t.TempDir()
	s := start(t, data, "--set", "extensions.api.port=0")
	dir := t.TempDir()
	env := append(os.Environ(), "STAGEHOUSE_DATA="+data)
	setup := "set -eu\n"
	here := strings.NewReplacer(
		"go run ./host/cmd/stagehouse", binary,
		"http://127.0.0.1:3001", s.base,
		"pkill -9 -f 'extension api'", "pkill -9 -f -P "+strconv.Itoa(s.cmd.Process.Pid)+" 'extension api'", // and not those of other tests
	)
	for _, step := range steps[1:] {
		script := here.Replace(step[1])
		t.Run(firstLine(step[1]), func(t *testing.T) {
			c := exec.CommandContext(t.Context(), "sh", "-c", setup+script)
			c.Dir, c.Env = dir, env
			out, err := c.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s\n%s", err, script, out)
			}
			for _, want := range strings.Split(strings.TrimSpace(step[2]), "\n") {
				if !strings.Contains(string(out), want) {
					t.Errorf("the README promises %q; got\n%s", want, out)
				}
			}
		})
		// What one step exports, the next ones see.
		for _, export := range regexp.MustCompile(`(?m)^export .*$`).FindAllString(script, -1) {
			setup += export + "\n"
		}
	}
}

// section returns what stands under a heading, up to the next one of its level.
func section(t *testing.T, text, heading string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, heading+"\n")
	if !ok {
		t.Fatalf("there is no %q", heading)
	}
	rest, _, _ = strings.Cut(rest, "\n## ")
	return rest
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
