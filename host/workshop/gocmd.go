package workshop

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// GoError is what the go command has to say about why it failed: for the most part, what the compiler says.
type GoError struct {
	Args   []string // of the go command
	Output string
	Err    error
}

// Error returns the whole of it.
func (e *GoError) Error() string {
	text := fmt.Sprintf("go %s: %v", strings.Join(e.Args, " "), e.Err)
	if e.Output != "" {
		text += "\n" + e.Output
	}
	return text
}

// Unwrap returns why the command ended.
func (e *GoError) Unwrap() error { return e.Err }

// goCommand runs the go command in dir ("" = here) and returns what it prints to its standard output.
func goCommand(ctx context.Context, dir string, args ...string) ([]byte, error) {
	var stdout, all bytes.Buffer
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = &stdout, &all
	err := cmd.Run()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil { // the tests of a package say on standard output what is wrong
		return nil, &GoError{Args: args, Output: strings.TrimSpace(all.String() + stdout.String()), Err: err}
	}
	return stdout.Bytes(), nil
}
