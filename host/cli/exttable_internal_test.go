package cli

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/host"
	"github.com/stagehouse/stagehouse/host/logging"
	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAgeAndMemory(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 1500 * time.Millisecond: "1s", 59 * time.Second: "59s", 61 * time.Second: "1m1s",
		25*time.Hour + 59*time.Minute: "1d1h", 3*time.Hour + 5*time.Minute: "3h5m",
	} {
		if got := age(d); got != want {
			t.Errorf("age of %v = %q, want %q", d, got, want)
		}
	}
	for n, want := range map[uint64]string{0: "-", 1024: "1 KiB", 3 << 19: "1.5 MiB", 5 << 30: "5.0 GiB"} {
		if got := memory(n); got != want {
			t.Errorf("memory of %d = %q, want %q", n, got, want)
		}
	}
}

func TestTableOfExtensions(t *testing.T) {
	var out bytes.Buffer
	err := writeExtensions(&out, []plugin.Status{
		{Name: "api", State: plugin.StateRunning, Generation: 12, PID: 4711, Since: time.Now(), Memory: 3 << 20, Listeners: []string{"127.0.0.1:3001"}},
		{Name: "a-long-name", State: plugin.StateBroken, Generation: 11, Restarts: 10, Since: time.Now(), LastError: "it exited with 3"},
		{Name: "desk", State: plugin.StateRunning, PID: 815, Attach: "/run/desk.sock", Since: time.Now()},
		{Name: "till", State: plugin.StateWaiting, Attach: "/run/till.sock", Since: time.Now(), LastError: "no process waits"},
	}, " --data d")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\n")
	for _, column := range []struct{ head, cell string }{{"STATE", "running"}, {"PID", "4711"}, {"MEMORY", "3.0 MiB"}, {"LISTENERS", "127.0.0.1:3001"}} {
		if at := strings.Index(lines[0], column.head); at < 0 || !strings.HasPrefix(lines[1][at:], column.cell) {
			t.Errorf("%s does not stand under %s:\n%s", column.cell, column.head, out.String())
		}
	}
	if !strings.Contains(out.String(), "a-long-name is broken: it exited with 3\n  → mend it, then: ") || !strings.Contains(out.String(), " ext reload a-long-name --data d\n") {
		t.Errorf("what to do is not said:\n%s", out.String())
	}
	if !strings.Contains(out.String(), " 815 (attached) ") || !strings.HasSuffix(out.String(), "\ntill is waiting: no process waits\n") {
		t.Errorf("what is attached, and what is not, is not said:\n%s", out.String())
	}
}

func TestTextOfADescription(t *testing.T) {
	var out bytes.Buffer
	err := writeDescription(&out, host.Description{
		Status: plugin.Status{Name: "x", State: plugin.StateRunning, Attach: "/run/x.sock", Since: time.Now(), Reloaded: time.Now().Add(-61 * time.Second), Metrics: map[string]float64{"sent_total": 12, "share": 0.25}},
		Description: schema.Description{Commands: []schema.Command{{Name: "roll", Description: "Rolls."}, {Name: "tell", Description: "Tells."}},
			Version: "1.2", Summary: "does it", Requires: []string{"agents"}, ConfigSchema: json.RawMessage(
				`{"properties":{"rate":{"type":"object","properties":{"max":{"type":"integer","default":3,"description":"At most"}}},"mode":{"enum":["a","b"]}}}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"x 1.2: does it\n", "requires  agents\n", ", reloaded in place 1m1s ago\n", "attached  to the process at /run/x.sock, which the host does not run\n", "counts    sent_total 12\n          share 0.25\n", "commands  /roll: Rolls.\n          /tell: Tells.\n", "  rate.max  integer     3  At most\n", `  mode      "a" or "b"  -`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}

func TestWhatIsReloadedInPlace(t *testing.T) {
	now := time.Now()
	before := []plugin.Status{{Name: "api", Generation: 2}, {Name: "desk", Generation: 3, Reloaded: now}}
	for _, c := range []struct {
		now  plugin.Status
		want string
	}{
		{plugin.Status{Name: "api", Generation: 2}, ""},
		{plugin.Status{Name: "api", Generation: 2, Reloaded: now}, ", reloaded in place"},
		{plugin.Status{Name: "api", Generation: 3, Reloaded: now}, ""},
		{plugin.Status{Name: "desk", Generation: 3, Reloaded: now}, ""},
		{plugin.Status{Name: "desk", Generation: 4}, ""},
		{plugin.Status{Name: "new", Generation: 1}, ""},
	} {
		if got := inPlace(before, c.now); got != c.want {
			t.Errorf("%+v: %q, want %q", c.now, got, c.want)
		}
	}
}

func TestTextOfALogLine(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)
	got := logText(logging.Line{Time: at, Level: "warn", Message: "a\x1b[2Jb", Attrs: []logging.Attr{{Key: "n", Value: 3.0}, {Key: "text", Value: "two words\n"}}})
	if want := `2026-01-02T03:04:05.006Z [WARN]  a�[2Jb: n=3 text="two words\n"`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestTextOfAFailure(t *testing.T) {
	got := failureText(host.Failure{Extension: "api", Generation: 4, Phase: plugin.PhaseStart, Cause: "no", Next: "yes", Serving: 3})
	want := "stagehouse: extension api was not reloaded; generation 3 goes on serving\n" +
		"  generation  4\n  phase       start\n  cause       no\n  next        yes\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
