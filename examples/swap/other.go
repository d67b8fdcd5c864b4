package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// languages are those of the clients that are no part of this program, and how to run them; each is told the address, the
// file of the token, and the number of sockets.
var languages = map[string]func(ctx context.Context, root string) (*exec.Cmd, error){
	"node":   node,
	"python": python,
}

func node(_ context.Context, root string) (*exec.Cmd, error) {
	if _, err := os.Stat(filepath.Join(root, "examples/client-js/node_modules/ws")); err != nil {
		return nil, fmt.Errorf("the client for JavaScript is not installed; run \"npm ci\" in examples/client-js: %w", err)
	}
	path, err := exec.LookPath("node")
	return exec.Command(path, filepath.Join(root, "examples/swap/clients/follow.mjs")), err
}

// python looks for an interpreter that has the package: that of the system often has it where the first on the PATH has not.
func python(ctx context.Context, root string) (*exec.Cmd, error) {
	var errs []error
	for _, path := range []string{"python3", "/usr/bin/python3"} {
		out, err := exec.CommandContext(ctx, path, "-c", "import websockets").CombinedOutput()
		if err == nil {
			return exec.Command(path, filepath.Join(root, "examples/swap/clients/follow.py")), nil
		}
		errs = append(errs, fmt.Errorf("%s: %w %s", path, err, lastLine(out)))
	}
	return nil, fmt.Errorf("no python has the package websockets (Debian: python3-websockets): %w", errors.Join(errs...))
}

func lastLine(b []byte) string {
	text := strings.TrimSpace(string(b))
	return text[strings.LastIndex(text, "\n")+1:]
}

// tally is what a client has seen since it began. One that is a library has also said something, in a conversation of its own: so many
// messages, "swap message number N of LANGUAGE", from 0; and so often it failed to.
type tally struct{ Events, Lost, Doubled, Closed, Said, Unsaid int64 }

// other is a running client in another language.
type other struct {
	language string
	cmd      *exec.Cmd
	ask      io.WriteCloser

	mu      sync.Mutex
	answers *bufio.Scanner
}

// startOther starts a client with so many sockets.
func startOther(ctx context.Context, h *host, language string, sockets int) (*other, error) {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return nil, fmt.Errorf("find the sources of the clients: %w", err)
	}
	command, ok := languages[language]
	if !ok {
		return nil, fmt.Errorf("there is no client in %q", language)
	}
	cmd, err := command(ctx, strings.TrimSpace(string(root)))
	if err != nil {
		return nil, err
	}
	cmd.Args = append(cmd.Args, h.address, filepath.Join(h.data, "api-token"), strconv.Itoa(sockets))
	cmd.Stderr = os.Stderr
	o := &other{language: language, cmd: cmd}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if o.ask, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	o.answers = bufio.NewScanner(out)
	return o, cmd.Start()
}

// tally asks the client what it has seen.
func (o *other) tally() (tally, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var t tally
	_, err := io.WriteString(o.ask, "\n")
	if err == nil && !o.answers.Scan() {
		err = errors.Join(io.ErrUnexpectedEOF, o.answers.Err())
	}
	if err == nil {
		err = json.Unmarshal(o.answers.Bytes(), &t)
	}
	if err != nil {
		return t, fmt.Errorf("ask the client in %s: %w", o.language, err)
	}
	return t, nil
}

// settle waits until the client has received something.
func (o *other) settle(ctx context.Context) error {
	begin, err := o.tally()
	if err != nil {
		return err
	}
	return poll(ctx, "events for the client in "+o.language, func() error {
		now, err := o.tally()
		if err == nil && (now.Events < begin.Events+20 || begin.Said > 0 && now.Said == begin.Said) {
			err = fmt.Errorf("%d events, %d messages", now.Events-begin.Events, now.Said-begin.Said)
		}
		return err
	})
}

// end ends the client, and returns the messages that were acknowledged to it, with their conversation.
func (o *other) end() (said map[string]string, err error) {
	last, err := o.tally()
	said = map[string]string{}
	for n := range last.Said {
		said[fmt.Sprintf("swap message number %d of %s", n, o.language)] = "swap-" + o.language
	}
	_ = o.ask.Close() // which tells it to end
	if failed := o.cmd.Wait(); failed != nil {
		err = errors.Join(err, fmt.Errorf("the client in %s: %w", o.language, failed))
	}
	return said, err
}
