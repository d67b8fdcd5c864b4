package workshop_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/host/workshop"
)

const patience = 60 * time.Second

// bench is a Bench of a small program, which prints what its package and its text say.
type bench struct {
	*workshop.Bench
	t     *testing.T
	built chan error // what came of it, whenever the sources have changed
}

func newBench(t *testing.T) *bench {
	dir := t.TempDir()
	b := &bench{Bench: &workshop.Bench{Dir: dir, Out: filepath.Join(t.TempDir(), "program")}, t: t, built: make(chan error)}
	b.write("go.mod", "module example.com/program\n\ngo 1.26.0\n")
	b.write("main.go", "package main\n\nimport (\n\t_ \"embed\"\n\t\"fmt\"\n\n\t\"example.com/program/words\"\n)\n\n//go:embed text\nvar text string\n\nfunc main() { fmt.Print(words.First, text) }\n")
	b.write("text", "one")
	b.write("words/words.go", "package words\n\nconst First = \"first \"\n")
	if err := b.Build(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.Watch(ctx, func() { b.built <- b.Build(ctx) })
	}()
	t.Cleanup(func() {
		cancel()
		select {
		case <-b.built: // of a change that nobody has waited for
			<-done
		case <-done:
		}
	})
	return b
}

func (b *bench) write(name, text string) {
	b.t.Helper()
	path := filepath.Join(b.Dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		b.t.Fatal(err)
	}
}

// wait waits until a change has been noticed, and returns what came of the build.
func (b *bench) wait(what string) error {
	b.t.Helper()
	select {
	case err := <-b.built:
		return err
	case <-time.After(patience):
		b.t.Fatalf("nobody has noticed %s", what)
		return nil
	}
}

func (b *bench) says(want string) {
	b.t.Helper()
	if out, err := exec.Command(b.Out).Output(); err != nil || string(out) != want {
		b.t.Errorf("it says %q, %v; want %q", out, err, want)
	}
}

func TestBench(t *testing.T) {
	b := newBench(t)
	b.says("first one")
	for _, c := range []struct{ what, file, text, says string }{
		{"a file that is embedded", "text", "two", "first two"},
		{"another package of the module", "words/words.go", "package words\n\nconst First = \"second \"\n", "second two"},
		{"a new file", "more.go", "package main\n\nimport \"fmt\"\n\nfunc init() { fmt.Print(\"new \") }\n", "new second two"},
		{"go.mod", "go.mod", "module example.com/program\n\ngo 1.26.0\n\n// a word\n", "new second two"},
	} {
		b.write(c.file, c.text)
		if err := b.wait(c.what); err != nil {
			t.Errorf("%s: %v", c.what, err)
		}
		b.says(c.says)
	}
}

// TestBenchKeepsWhatWorks: what does not build takes the place of nothing, and is built again when it is mended.
func TestBenchKeepsWhatWorks(t *testing.T) {
	b := newBench(t)
	b.write("words/words.go", "package words\n\nconst First = second\n")
	var said *workshop.GoError
	if err := b.wait("a mistake"); !errors.As(err, &said) || !strings.Contains(said.Output, "undefined: second") {
		t.Errorf("error = %v", err)
	}
	b.says("first one")
	b.write("go.mod", "modul")
	if err := b.wait("a module that is none"); !errors.As(err, &said) {
		t.Errorf("error = %v", err)
	}
	b.says("first one")
	b.write("go.mod", "module example.com/program\n\ngo 1.26.0\n")
	if err := b.wait("the module"); !errors.As(err, &said) {
		t.Errorf("error = %v", err)
	}
	b.write("words/words.go", "package words\n\nconst First = \"last \"\n")
	if err := b.wait("what mends it"); err != nil {
		t.Error(err)
	}
	b.says("last one")
}

func TestBenchOfNothing(t *testing.T) {
	b := &workshop.Bench{Dir: t.TempDir(), Out: filepath.Join(t.TempDir(), "program")}
	if err := b.Build(t.Context()); err == nil {
		t.Error("an empty directory was built")
	}
}
