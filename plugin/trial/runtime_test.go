package trial_test

import (
	"context"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/host/local"
	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/plugin/trial"
	"github.com/stagehouse/stagehouse/schema/conform"
	"github.com/stagehouse/stagehouse/schema/conform/conformtest"
	"github.com/stagehouse/stagehouse/sdk"
)

// envRuntime says what is wrong with the runtime that this test binary is when it is run by a host.
const envRuntime = "TRIAL_RUNTIME"

// kept is the reference runtime as a process.
type kept struct {
	Word string `json:"word"`

	defect string
	*local.Runtime
}

// careless is one that knows the key that no runtime has.
type careless struct {
	kept
	NoSuchKey int `json:"noSuchKey"`
}

// runtimeMain is the whole program.
func runtimeMain(defect string) {
	sdk.ServeRuntime(sdk.RuntimeDefinition{Name: "kept", Version: "1", New: func() sdk.Runtime {
		if defect == "accepts anything" {
			return &careless{}
		}
		return &kept{defect: defect}
	}})
}

func (k *kept) Open(ctx context.Context, h *sdk.RuntimeHost) (sdk.Services, error) {
	dir := h.Dir
	if k.defect == "forgets" {
		var err error
		if dir, err = os.MkdirTemp(dir, ""); err != nil {
			return sdk.Services{}, err
		}
	}
	var err error
	if k.Runtime, err = local.Open(ctx, local.Options{Dir: dir, Logger: h.Log}); err != nil {
		return sdk.Services{}, err
	}
	return k.Services(), nil
}

func (k *kept) Close(ctx context.Context) error {
	switch k.defect {
	case "dawdles":
		<-time.After(dawdling)
	case "hangs":
		if err := hang(); err != nil {
			return err
		}
	}
	return k.Runtime.Close(ctx)
}

// runtimeDefects are what may be wrong with a runtime as a process, and the checks that must fail then.
func runtimeDefects() map[string]string {
	return map[string]string{
		"forgets": `runtime/swap/reload-keeps-everything runtime/swap/killed-keeps-everything runtime/active/lifeline
			runtime/active/sigterm`,
		"hangs":            "runtime/active/lifeline runtime/active/sigterm",
		"accepts anything": "runtime/swap/bad-reload-keeps-the-old runtime/describe/unknown-key",
		"dawdles":          "runtime/swap/close-in-time",
	}
}

// runtimeProgram returns this test binary as a runtime with a defect.
func runtimeProgram(t *testing.T, defect string) trial.Runtime {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return trial.Runtime{Spec: plugin.Spec{
		Name: "kept", Path: path, Env: map[string]string{envRuntime: defect, "GORACE": "report_bugs=0 atexit_sleep_ms=0"},
	}}
}

func TestRuntimeChecksAreDocumented(t *testing.T) {
	conformtest.Documented(t, "../..", trial.Runtime{}.Groups())
}

func TestNothingIsWrongWithARuntime(t *testing.T) {
	conformtest.Run(t, runtimeProgram(t, whole).Groups())
}

func TestEveryDefectOfARuntimeIsCaught(t *testing.T) {
	if testing.Short() {
		t.Skip("a process for every defect takes long")
	}
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot stop itself here")
	}
	for defect, caught := range runtimeDefects() {
		t.Run(defect, func(t *testing.T) {
			t.Parallel() // some only wait
			want := strings.Fields(caught)
			match := regexp.MustCompile("^(" + strings.Join(want, "|") + ")$")
			report := conform.Runner{Match: match, Patience: brokenPatience}.Run(t.Context(), defect, runtimeProgram(t, defect).Groups())
			for _, res := range report.Results {
				t.Logf("%s has %s: %.300q", res.ID, res.Outcome, res.Got)
			}
			if report.Count(conform.Failed) != len(want) {
				t.Errorf("%d checks have failed, want %v", report.Count(conform.Failed), want)
			}
		})
	}
}

// TestEveryCheckOfARuntimeCanFail: those of its life are the very checks of an extension.
func TestEveryCheckOfARuntimeCanFail(t *testing.T) {
	var caught []string
	for _, c := range runtimeDefects() {
		caught = append(caught, strings.Fields(c)...)
	}
	for _, c := range defects() {
		for _, id := range ids(c) {
			caught = append(caught, strings.Replace(id, "extension/", "runtime/", 1))
		}
	}
	for _, id := range (conform.Runner{}).Selected(trial.Runtime{}.Groups()) {
		if !slices.Contains(caught, id) {
			t.Errorf("%s catches no defect", id)
		}
	}
}
