package client_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience bounds every wait of these tests; a loaded two-core machine needs some.
const patience = 30 * time.Second

func TestMain(m *testing.M) {
	flag.Parse()
	house := &house{}
	if !fuzzing() {
		var err error
		if house, err = openHouse(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	goleak.VerifyTestMain(m,
		goleak.Cleanup(func(code int) {
			house.close()
			os.Exit(code)
		}),
		// Of the API server that some tests run in this process: the clock of the Date header, and the sweeper of idle workers,
		// which sees only every ten seconds that its server has stopped.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	)
}

// fuzzing reports whether fuzz tests are what is run: they need no host, and their workers have pipes that it would inherit.
func fuzzing() bool {
	return flag.Lookup("test.fuzz").Value.String() != "" || flag.Lookup("test.fuzzworker").Value.String() == "true"
}

// house is a host that runs as the program, for the examples.
type house struct {
	dir string
	cmd *exec.Cmd
}

// openHouse builds the program, starts it, and tells the examples by the environment where it serves.
func openHouse() (*house, error) {
	dir, err := os.MkdirTemp("", "stagehouse-client")
	if err != nil {
		return nil, err
	}
	h := &house{dir: dir}
	program := filepath.Join(dir, "stagehouse")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	build := exec.Command("go", "build", "-o", program, "github.com/stagehouse/stagehouse/host/cmd/stagehouse")
	if out, err := build.CombinedOutput(); err != nil {
		h.close()
		return nil, fmt.Errorf("build the program: %w\n%s", err, out)
	}
	h.cmd = exec.Command(program, "run", "--data", filepath.Join(dir, "data"), "--set", "extensions.api.port=0")
	h.cmd.Dir = dir
	if err := h.cmd.Start(); err != nil {
		h.cmd = nil
		h.close()
		return nil, err
	}
	if err := h.introduce(); err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

// introduce waits until the host serves, and sets the environment.
func (h *house) introduce() error {
	for giveUp := time.Now().Add(patience); time.Now().Before(giveUp); <-time.After(10 * time.Millisecond) {
		var state struct{ Extensions map[string][]string }
		b, err := os.ReadFile(filepath.Join(h.dir, "data", "host.json"))
		if err != nil || json.Unmarshal(b, &state) != nil || len(state.Extensions["api"]) == 0 {
			continue
		}
		token, err := os.ReadFile(filepath.Join(h.dir, "data", "api-token"))
		if err != nil {
			return err
		}
		return errors.Join(
			os.Setenv("STAGEHOUSE_URL", "http://"+state.Extensions["api"][0]),
			os.Setenv("STAGEHOUSE_TOKEN", string(token[:len(token)-1])),
		)
	}
	return errors.New("the host does not serve")
}

func (h *house) close() {
	if h.cmd != nil {
		_ = h.cmd.Process.Kill()
		_ = h.cmd.Wait()
	}
	if h.dir != "" {
		_ = os.RemoveAll(h.dir)
	}
}
