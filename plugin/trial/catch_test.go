package trial_test

import (
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/plugin/trial"
	"github.com/stagehouse/stagehouse/schema/conform"
	"github.com/stagehouse/stagehouse/schema/conform/conformtest"
)

// defects are what may be wrong with an extension, and the checks that must fail then, without "extension/".
func defects() map[string]string {
	return map[string]string{
		"prints a banner":                     "describe/answers",
		"requires telepathy":                  "describe/is-whole",
		"has no schema":                       "describe/schema",
		"accepts nothing":                     "describe/accepts-the-block",
		"is another version":                  "describe/agrees-with-itself",
		"leaves a child":                      "describe/leaves-nothing process/leaves-nothing",
		"accepts anything":                    "describe/unknown-key config/unknown-key config/no-object host/bad-reload-keeps-the-old",
		"has no name":                         "life/introduces-itself",
		"is always well":                      "life/calls-out-of-order life/drained-is-over",
		"starts again":                        "life/lives-once",
		"tires":                               "life/health-at-once",
		"needs services":                      "life/without-services",
		"drains once":                         "life/drain-repeated",
		"does not drain":                      "life/drained-is-over",
		"drains what runs":                    "life/drain-before-start",
		"dawdles":                             "life/drain-deadline host/stops-in-time",
		"knows ASCII":                         "config/unknown-key-unicode",
		"finds one problem":                   "config/wrong-types",
		"takes what is no object for nothing": "config/no-object",
		"reads small blocks":                  "config/big-block",
		"has a command with an odd name":      "commands/are-whole",
		"has other commands":                  "commands/agree",
		"does what it does not know":          "commands/unknown",
		"takes any input":                     "commands/bad-input",
		"is never away":                       "commands/not-begun",
		"is only unavailable":                 "commands/not-begun brain/drain",
		"has another brain":                   "brain/agrees",
		"is never done":                       "brain/answers",
		"is done twice":                       "brain/answers",
		"says nothing":                        "brain/answers",
		"dies of thinking":                    "brain/answers",
		"stops at a whim":                     "brain/answers",
		"takes any options":                   "brain/options-are-checked",
		"thinks on":                           "brain/cancelled-soon",
		"begins again":                        "brain/goes-on",
		"has one head for all":                "brain/at-once",
		"cuts off what it thinks":             "brain/drain",
		"thinks when it has left":             "brain/drain",
		"embeds ASCII":                        "brain/embeds",
		"embeds a few":                        "brain/embeds-many",
		"counts nonsense":                     "metrics/are-sound",
		"loses count":                         "metrics/totals-grow",
		"calls as nobody":                     "calls/carry-a-caller",
		"calls as somebody":                   "calls/carry-a-caller",
		"refuses its own block":               "reload/its-own-block",
		"dies of another block":               "reload/its-own-block",
		"takes any block":                     "reload/unknown-key",
		"reloads what does not run":           "reload/out-of-order",
		"outlives its host":                   "process/lifeline",
		"ignores SIGTERM":                     "process/sigterm",
		"opens files":                         "process/keeps-its-files",
		"dies of garbage":                     "process/garbage-on-its-listeners",
		"says that it listens":                "host/runs",
		"is there once":                       "host/reload-repeated host/reload-under-way host/killed-comes-back",
		"listens by itself":                   "host/reload-refuses-nobody",
	}
}

// brokenPatience is for an extension that keeps somebody waiting.
const brokenPatience = 5 * time.Second

// program returns this test binary as an extension with a defect.
func program(t *testing.T, defect string) trial.Program {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return trial.Program{Services: services, Brain: []byte(`{"upTo":10}`), Spec: plugin.Spec{
		Name: "greeter", Path: path, Config: []byte(`{"address":"127.0.0.1:0"}`),
		Env: map[string]string{envDefect: defect, "GORACE": "report_bugs=0 atexit_sleep_ms=0"}, // as plugintest has it
	}}
}

func ids(caught string) []string {
	var out []string
	for _, id := range strings.Fields(caught) {
		out = append(out, "extension/"+id)
	}
	return out
}

// TestNothingIsWrong shows that it is the defects that are caught, and not what they are wrapped in.
func TestNothingIsWrong(t *testing.T) { conformtest.Run(t, program(t, whole).Groups()) }

// TestEveryDefectIsCaught runs, against extensions with one defect each, the checks that must find it.
func TestEveryDefectIsCaught(t *testing.T) {
	if testing.Short() {
		t.Skip("a process for every defect takes long")
	}
	if runtime.GOOS != "linux" {
		t.Skip("what is left of an extension is seen on Linux only")
	}
	for defect, caught := range defects() {
		t.Run(defect, func(t *testing.T) {
			t.Parallel() // some only wait
			match := regexp.MustCompile("^(" + strings.Join(ids(caught), "|") + ")$")
			report := conform.Runner{Match: match, Patience: brokenPatience}.Run(t.Context(), defect, program(t, defect).Groups())
			var failed []string
			for _, res := range report.Results {
				t.Logf("%s has %s: %.300q", res.ID, res.Outcome, res.Got)
				if res.Outcome == conform.Failed {
					failed = append(failed, res.ID)
				}
			}
			for _, id := range ids(caught) {
				if !slices.Contains(failed, id) {
					t.Errorf("%s has not failed", id)
				}
			}
		})
	}
}

// TestABrainWithoutItsModel: what needs an answer is skipped where the model cannot be asked, and says why.
func TestABrainWithoutItsModel(t *testing.T) {
	match := regexp.MustCompile("^extension/brain/")
	report := conform.Runner{Match: match, Patience: brokenPatience}.Run(t.Context(), "keyless", program(t, "has no key").Groups())
	var skipped []string
	for _, res := range report.Results {
		switch {
		case res.Outcome == conform.Failed:
			t.Errorf("%s has failed: %q", res.ID, res.Got)
		case res.Outcome == conform.Skipped && strings.Contains(strings.Join(res.Got, " "), "say apiKey"):
			skipped = append(skipped, res.ID)
		}
	}
	want := ids("brain/answers brain/cancelled-soon brain/goes-on brain/at-once brain/drain")
	if !slices.Equal(skipped, want) {
		t.Errorf("%v are skipped, want %v", skipped, want)
	}
}

// TestEveryCheckCanFail: each check catches at least one of the defects.
func TestEveryCheckCanFail(t *testing.T) {
	var caught []string
	for _, c := range defects() {
		caught = append(caught, ids(c)...)
	}
	for _, id := range (conform.Runner{}).Selected(trial.Program{}.Groups()) {
		if !slices.Contains(caught, id) {
			t.Errorf("%s catches no defect", id)
		}
	}
}
