//go:build unix

package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// reader is somebody who does what a chapter says, in a clean directory, with the program on the path.
type reader struct {
	t    *testing.T
	ctx  context.Context
	root string // of the sources
	dir  string
	env  []string
}

// readFor bounds a chapter, on a machine that has to compile everything for the first time, too.
const readFor = 5 * time.Minute

// newReader returns a reader with an environment beside that of the test.
func newReader(t *testing.T, env ...string) reader {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), readFor) // what serves is ended after the context of the test
	t.Cleanup(cancel)
	return reader{t: t, ctx: ctx, root: root, dir: t.TempDir(), env: env}
}

// shell returns a script as it is written, but for what belongs to the machine: examples are built from the sources around this
// test, an extension against those and not against a release, and all ports are any that is free.
func (r reader) shell(script string) *exec.Cmd {
	script = strings.ReplaceAll(script, "go build", "go -C "+r.root+" build")
	script = regexp.MustCompile(`(go -C .* build .*-o) (\S+)`).ReplaceAllString(script, "$1 "+r.dir+"/$2")
	script = regexp.MustCompile(`(?m)^stagehouse new extension \w+`).ReplaceAllString(script, "$0 --source "+r.root)
	c := exec.CommandContext(r.ctx, "sh", "-c", "set -eu\n"+script)
	c.Dir = r.dir
	c.Env = append(os.Environ(), "PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH"), "STAGEHOUSE_EXTENSIONS__API__PORT=0")
	c.Env = append(c.Env, r.env...)
	return c
}

// does runs a script to its end, which must be good, and returns what it printed.
func (r reader) does(script string) string {
	r.t.Helper()
	out, err := r.shell(script).CombinedOutput()
	if err != nil {
		r.t.Fatalf("%s\n%v\n%s", script, err, out)
	}
	return string(out)
}

// serves runs a script whose last command serves until it is told to end, which the end of the test does. It returns what is
// found in its output, as soon as it is there.
func (r reader) serves(script, pattern string) string {
	r.t.Helper()
	at := strings.LastIndex(script, "\n") + 1
	c := r.shell(script[:at] + "exec " + script[at:])
	var said syncBuffer
	c.Stdout, c.Stderr = &said, &said
	if err := c.Start(); err != nil {
		r.t.Fatal(err)
	}
	var failure error // read after ended
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		failure = c.Wait()
	}()
	r.t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM) // it may have ended, which the next lines tell
		if <-ended; failure != nil {          // or it is killed when the context ends
			r.t.Errorf("%s\n%v\n%s", script, failure, said.String())
		}
	})
	var found []string
	eventually(r.t, script, func() error {
		select {
		case <-ended:
			r.t.Fatalf("%s\nhas ended:\n%s", script, said.String())
		default:
		}
		if found = regexp.MustCompile(pattern).FindStringSubmatch(said.String()); found == nil {
			return errors.New(said.String())
		}
		return nil
	})
	return found[1]
}

// commands returns the indented commands of a part of a chapter, without what is said about them.
func commands(part string) (all []string) {
	for _, line := range regexp.MustCompile(`(?m)^    (\S.*)$`).FindAllStringSubmatch(part, -1) {
		command, _, _ := strings.Cut(line[1], "  #")
		all = append(all, strings.TrimSpace(command))
	}
	return all
}

func docs(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestStopwatch does what the chapter for authors begins with, and says how long it takes from nothing to an extension that
// runs and is replaced when it is saved. That is at most four commands.
func TestStopwatch(t *testing.T) {
	beginning, _, _ := strings.Cut(docs(t, "authoring.md"), "\n\nWhile ")
	steps := commands(beginning)
	if len(steps) != 4 || steps[2] != "stagehouse dev" {
		t.Fatalf("the steps are %q, and not four of which the third serves", steps)
	}
	r, begun := newReader(t, "STAGEHOUSE_EXTENSIONS__WEATHER__ADDRESS=127.0.0.1:0"), time.Now()
	r.does(steps[0])
	address := r.serves(strings.Join(steps[1:3], "\n"), `(?m)^  weather +(http://\S+)`)
	ask := strings.ReplaceAll(steps[3], "http://127.0.0.1:3002", "-sf "+address)
	if text := r.does(ask); !strings.Contains(text, "Hello, Nyx!") {
		t.Errorf("it says %q", text)
	}
	t.Logf("it runs after %v", time.Since(begun).Round(time.Millisecond))
	program := filepath.Join(r.dir, "weather", "main.go")
	source, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, []byte(strings.ReplaceAll(string(source), "%s, %s!", "%s again, %s!")), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the extension to be replaced", func() error {
		if text := r.does(ask); !strings.Contains(text, "Hello again, Nyx!") {
			return fmt.Errorf("it says %q", text)
		}
		return nil
	})
	t.Logf("it is replaced after %v; it should take a minute at most", time.Since(begun).Round(time.Millisecond))
}

// TestAuthoringChapter carries out the other steps of that chapter, with its first command of a check.
func TestAuthoringChapter(t *testing.T) {
	chapter := docs(t, "authoring.md")
	r := newReader(t, "STAGEHOUSE_EXTENSIONS__HELLO__ADDRESS=127.0.0.1:0")
	steps := commands(section(t, chapter, "## Try it"))
	if len(steps) != 4 || !strings.HasPrefix(steps[3], "stagehouse run ") {
		t.Fatalf("the steps are %q, and not four of which the last one serves", steps)
	}
	if text := r.does(strings.Join(steps[:3], "\n")); !strings.Contains(text, `"name": "hello"`) {
		t.Errorf("it says of itself %s", text)
	}
	address := r.serves(steps[3], `(?m)^  hello +(http://\S+)`)
	if text := r.does("curl -sf " + address); !strings.Contains(text, "Hello, Nyx!") {
		t.Errorf("it says %q", text)
	}
	held := commands(section(t, chapter, "## Hold it to the contract"))
	if len(held) == 0 || !strings.HasPrefix(held[0], "stagehouse conform extension plugins/stagehouse-hello ") {
		t.Fatalf("the extension is held to the contract by %q", held)
	}
	r.does(held[0] + " --run 'extension/(description|config)/'")
}

// TestRuntimesChapter carries out the steps of the chapter for owners of runtimes that TestRuntimeChapter does not.
func TestRuntimesChapter(t *testing.T) {
	chapter := docs(t, "runtimes.md")
	r := newReader(t)
	beginning, _, _ := strings.Cut(chapter, "\n## ")
	held := commands(beginning)
	if len(held) == 0 || !strings.HasPrefix(held[0], "stagehouse conform runtime local ") {
		t.Fatalf("a runtime is held to the contract by %q", held)
	}
	r.does(held[0])
	if report, err := os.ReadFile(filepath.Join(r.dir, "report.xml")); err != nil || !strings.Contains(string(report), `name="runtime/once"`) {
		t.Errorf("the report is %.200s, %v", report, err)
	}

	steps := commands(section(t, chapter, "## Run it"))
	if len(steps) != 2 {
		t.Fatalf("the steps are %q, and not two", steps)
	}
	r.does("go build -o own ./examples/custom-runtime") // go run would leave its data among the sources
	own := strings.NewReplacer("go run ./examples/custom-runtime", "./own", "port=3002", "port=0").Replace(steps[0])
	at := r.serves(own, `msg="extension is running".* listeners=\[(\S+)\]`)
	if text := r.does(strings.ReplaceAll(steps[1], "http://127.0.0.1:3002", "http://"+at)); !strings.Contains(text, `"id":"nyx"`) {
		t.Errorf("the agents are %s", text)
	}
}
