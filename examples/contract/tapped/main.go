// Command tapped is stagehouse for the tests of clients in other languages: the very same command line, with a tap in front of the
// API server that "run" starts. Every exchange and every frame is held against the published contract, and what breaks it is
// written to standard error, and to the end of the file that CONTRACT_BROKEN names. The address that is configured is the one of
// the tap; the server has a port of its own.
package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/stagehouse/stagehouse/extension/api"
	"github.com/stagehouse/stagehouse/extension/api/apitest"
	"github.com/stagehouse/stagehouse/host/cli"
	"github.com/stagehouse/stagehouse/sdk"
)

func main() {
	p := cli.Program{
		Args: os.Args[1:], Environ: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Exit: os.Exit,
		BuiltIns: map[string]func(){
			"api": func() { sdk.Main(api.Definition()) },
		},
	}
	t := &test{}
	if len(p.Args) > 0 && p.Args[0] == "run" {
		tap, err := newBanner(p.Args, t)
		if err != nil {
			fmt.Fprintln(os.Stderr, "tapped:", err)
			os.Exit(cli.ExitRefused)
		}
		p.Args, p.Stdout = append(p.Args, "--set", "extensions.api.port=0"), tap
	}
	code := p.Run(context.Background())
	os.Exit(max(code, t.end()))
}

// test is what the tap fails.
type test struct {
	mu     sync.Mutex
	failed bool
	over   []func()
}

// Helper implements apitest.T.
func (*test) Helper() {}

// Cleanup implements apitest.T.
func (t *test) Cleanup(f func()) { t.over = append(t.over, f) }

// Errorf implements apitest.T.
func (t *test) Errorf(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed = true
	text := fmt.Sprintf("the contract is broken: "+format+"\n", args...)
	fmt.Fprint(os.Stderr, text)
	path := os.Getenv("CONTRACT_BROKEN")
	if path == "" {
		return
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		defer file.Close()
		_, err = file.WriteString(text)
	}
	if err != nil {
		panic(err) // nobody would hear of it
	}
}

// end returns the exit code that the tap has come to.
func (t *test) end() int {
	for _, f := range t.over {
		f()
	}
	if t.failed {
		return cli.ExitFailed
	}
	return cli.ExitOK
}

// banner is the standard output of "run". When that says where the API server is, it starts the tap, and says where that is.
type banner struct {
	t         *test
	address   string // of the tap
	exchanges *apitest.Exchanges
	frames    *apitest.Frames
}

func newBanner(args []string, t *test) (*banner, error) {
	b := &banner{t: t}
	var err error
	if b.address, err = configured(args); err != nil {
		return nil, err
	}
	if b.exchanges, err = apitest.NewExchanges(api.OpenAPI()); err != nil {
		return nil, err
	}
	b.frames, err = apitest.NewFrames(api.AsyncAPI())
	return b, err
}

var served = regexp.MustCompile(`(?m)^ *api +http://(\S+)`)

// Write implements io.Writer.
func (b *banner) Write(text []byte) (int, error) {
	if found := served.FindSubmatch(text); found != nil {
		listener, err := net.Listen("tcp", b.address)
		if err != nil {
			return 0, err
		}
		tap := apitest.Listen(b.t, listener, string(found[1]), b.exchanges, b.frames)
		b.t.Cleanup(func() {
			answers, messages := tap.Judged()
			fmt.Fprintf(os.Stderr, "tapped: held %d answers and %d events and frames against the contract\n", answers, messages)
		})
		_, err = os.Stdout.Write(bytes.ReplaceAll(text, found[1], []byte(listener.Addr().String())))
		return len(text), err
	}
	return os.Stdout.Write(text)
}

// configured returns the address that the arguments of "run" have the API server listen at.
func configured(args []string) (string, error) {
	var file struct {
		Extensions struct {
			API struct {
				Host string
				Port *int
			}
		}
	}
	for i := 1; i+1 < len(args); i++ {
		port, set := strings.CutPrefix(args[i+1], "extensions.api.port=")
		switch {
		case args[i] == "--config":
			text, err := os.ReadFile(args[i+1])
			if err != nil {
				return "", err
			}
			if err := json.Unmarshal(text, &file); err != nil {
				return "", err
			}
		case args[i] == "--set" && set:
			n, err := strconv.Atoi(port)
			if err != nil {
				return "", err
			}
			file.Extensions.API.Port = &n
		}
	}
	port := 3001
	if p := file.Extensions.API.Port; p != nil {
		port = *p
	}
	return net.JoinHostPort(cmp.Or(file.Extensions.API.Host, "127.0.0.1"), strconv.Itoa(port)), nil
}
