//go:build unix

package plugin_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/plugin/process"
	"github.com/stagehouse/stagehouse/sdk"
)

// The other side of these tests is of the previous release: testdata/previous has its protocol, and an extension and a host
// that know nothing else.

const envModern = "STAGEHOUSE_TEST_MODERN"

// modernMain makes this process an extension of the sdk as it is now, if a test or the previous host has started it as that.
func modernMain() {
	if os.Getenv(envModern) != "" {
		fresh := func() sdk.Extension { return &modern{Address: "127.0.0.1:0"} }
		sdk.Main(sdk.Definition{Name: "modern", Version: "1.0.0", Requires: []string{sdk.ServiceAgents}, New: fresh})
	}
}

// modern has everything that a host of the previous release does not know.
type modern struct {
	Address string `json:"address"`
	Save    bool   `json:"save" doc:"Save something when it starts"`
	Alone   bool   `json:"alone" doc:"Do something that one generation does at a time"`
}

func (x *modern) Start(ctx context.Context, h *sdk.Host) error {
	if x.Save {
		if err := h.State.Save("started.json", true); err != nil {
			return err
		}
	}
	if x.Alone {
		h.GoAlone(func(ctx context.Context) error { <-ctx.Done(); return nil })
	}
	return h.ListenAndServe(ctx, x.Address, sdk.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		page, err := h.Agents.List(h.Self(r.Context(), sdk.ScopeRead), sdk.AgentQuery{})
		for _, a := range page.Agents {
			_, _ = fmt.Fprintf(w, "At your service, %s! ", a.Name)
		}
		return err
	}))
}

func (x *modern) Reload(context.Context, sdk.Extension) error { return nil }

func (x *modern) Metrics() map[string]float64 { return map[string]float64{"greetings_total": 1} }

func (x *modern) Commands() []sdk.Command {
	return []sdk.Command{sdk.NewCommand("greet", "Greets.", func(context.Context, sdk.CommandCall, struct{}) (struct{}, error) {
		return struct{}{}, nil
	})}
}

// previous has the programs of the previous release, which the first test that needs one of them builds.
var previous struct {
	once sync.Once
	dir  string // TestMain removes it
	err  error
}

func buildPrevious() {
	if previous.dir, previous.err = os.MkdirTemp("", "stagehouse-previous"); previous.err != nil {
		return
	}
	c := exec.Command("go", "build", "-o", previous.dir+string(filepath.Separator), "./extension", "./host")
	c.Dir = filepath.Join("testdata", "previous")
	if out, err := c.CombinedOutput(); err != nil {
		previous.err = fmt.Errorf("build the previous release: %w\n%s", err, out)
	}
}

func previousProgram(t *testing.T, name string) string {
	t.Helper()
	previous.once.Do(buildPrevious)
	if previous.err != nil {
		t.Fatal(previous.err)
	}
	return filepath.Join(previous.dir, name)
}

func previousSpec(t *testing.T, block string) plugin.Spec {
	t.Helper()
	return plugin.Spec{
		Name: "greeter", Path: previousProgram(t, "extension"), Private: true, Config: json.RawMessage(block), Env: map[string]string{},
		StartTimeout: patience,
	}
}

func modernSpec(t *testing.T, block string) plugin.Spec {
	t.Helper()
	s := relaySpec(t, block)
	s.Name, s.Env = "greeter", map[string]string{envModern: "1", "GORACE": "exitcode=0 atexit_sleep_ms=0"}
	return s
}

// An extension of the previous release lives under this host as one of its own: it is checked, configured, called, watched,
// replaced without refusing anybody, started anew and drained. Its successor of this release takes its place the same way.
func TestAnExtensionOfThePreviousRelease(t *testing.T) {
	spec := previousSpec(t, `{"greeting": "Good day"}`)
	if r, err := plugin.Check(t.Context(), spec); err != nil || len(r.Problems) > 0 || r.Description.Name != "previous" {
		t.Fatalf("check = %+v, %v", r, err)
	}
	h := newHost(t, openRuntime(t), plugin.WithStateDir(t.TempDir()))
	h.start(spec)
	at := "http://" + h.only().Listeners[0]
	h.saysTo(at, "Good day, Aria! Good day, Nyx! generation 1, 3 checks")
	if s := h.only(); s.State != plugin.StateRunning || s.Restarts != 0 || len(s.Metrics) != 0 {
		t.Errorf("status = %+v", s)
	}

	over, visiting := make(chan struct{}), sync.WaitGroup{}
	visiting.Go(func() {
		for {
			select {
			case <-over:
				return
			default:
			}
			if _, err := get(at); err != nil {
				t.Errorf("somebody is refused: %v", err)
				return
			}
		}
	})
	reload := func(s plugin.Spec) {
		t.Helper()
		if err := h.Reconfigure(t.Context(), s); err != nil { // which it has never heard of
			t.Error(err)
		}
	}
	reload(previousSpec(t, `{"greeting": "Good evening"}`))
	h.saysTo(at, "Good evening, Nyx! generation 2,")
	h.awaitLog("generation 1 drains, final: false")
	reload(modernSpec(t, `{}`))
	h.saysTo(at, "At your service, Nyx!")
	reload(previousSpec(t, `{"greeting": "Good night"}`))
	h.saysTo(at, "Good night, Nyx! generation 4,")
	close(over)
	visiting.Wait()

	if err := syscall.Kill(h.only().PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	h.saysTo(at, "Good night, Nyx! generation 5,")
	if err := h.Stop(t.Context(), "greeter"); err != nil {
		t.Error(err)
	}
	h.awaitLog("generation 5 drains, final: true")
}

func (h *host) saysTo(url, want string) {
	h.t.Helper()
	eventually(h.t, "it to say "+want, func() bool {
		text, err := get(url)
		return err == nil && strings.Contains(text, want)
	})
}

// What an extension of the previous release thinks of its block is heard, in a check and when it starts.
func TestThePreviousReleaseRefusesItsConfiguration(t *testing.T) {
	spec := previousSpec(t, `{"greting": "Good day"}`)
	if r, err := plugin.Check(t.Context(), spec); err != nil || len(r.Problems) != 1 || !strings.Contains(r.Problems[0].Message, `unknown field "greting"`) {
		t.Errorf("check = %+v, %v", r, err)
	}
	var start *plugin.StartError
	err := newHost(t, openRuntime(t)).Start(t.Context(), spec)
	if !errors.As(err, &start) || start.Phase != plugin.PhaseConfigure || !strings.Contains(err.Error(), `unknown field "greting"`) {
		t.Errorf("start = %v", err)
	}
}

// Who speaks another major is told who is behind, in a check and when it starts, and the one that serves goes on.
func TestAnotherMajorSaysWhatToUpgrade(t *testing.T) {
	for major, next := range map[string]string{
		"2": "upgrade the host to a release that speaks version 2, or install a release of ",
		"0": "extension to a release that speaks version 1, or build it with the sdk of this host's release",
	} {
		t.Run("version "+major, func(t *testing.T) {
			spec := previousSpec(t, `{}`)
			h := newHost(t, openRuntime(t))
			h.start(spec)
			spec.Env["PREVIOUS_MAJOR"] = major
			_, checked := plugin.Check(t.Context(), spec)
			for phase, err := range map[plugin.Phase]error{plugin.PhaseCheck: checked, plugin.PhaseLaunch: h.Reload(t.Context(), spec)} {
				var start *plugin.StartError
				var version *process.VersionError
				if !errors.As(err, &start) || start.Phase != phase || !errors.As(err, &version) {
					t.Errorf("%s: %v", phase, err)
					continue
				}
				for _, want := range []string{"extension greeter ", "speaks version " + major, "this host speaks 1", next} {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("%s: %v, and not %q", phase, err, want)
					}
				}
			}
			h.saysTo("http://"+h.only().Listeners[0], "generation 1,")
		})
	}
}

// An extension of this release runs under a host of the previous one, as long as it needs nothing of what that does not have,
// and says so where it does.
func TestAHostOfThePreviousRelease(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	const noState = "gives this extension no directory for its state: it is older than the sdk of the extension, or was made without one; upgrade the host"
	for _, c := range []struct {
		name, block string
		fails       bool
		want        []string
	}{
		{"nothing new", `{}`, false, []string{"init: modern 1.0.0 requires [\"agents\"]\n", "visit: At your service, Nyx!", "drain: 0 unfinished\n"}},
		{"state", `{"save": true}`, true, []string{"start: ", noState}},
		{"alone", `{"alone": true}`, true, []string{"health: ", noState}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
			defer cancel()
			host := exec.CommandContext(ctx, previousProgram(t, "host"), program, c.block)
			host.Env = append(os.Environ(), envModern+"=1")
			out, err := host.CombinedOutput()
			if (err != nil) != c.fails {
				t.Errorf("%v", err)
			}
			for _, want := range c.want {
				if !strings.Contains(string(out), want) {
					t.Errorf("it does not say %q:\n%s", want, out)
				}
			}
		})
	}
}
