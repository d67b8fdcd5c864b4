//go:build unix

package plugin_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/plugin/plugintest"
	"github.com/stagehouse/stagehouse/plugin/process"
	"github.com/stagehouse/stagehouse/schema"
)

// Every way in which an extension can fail to start is diagnosed, and leaves neither a process nor a file nor a
// descriptor behind.
func TestStartDiagnosesWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		script plugintest.Script
		phase  plugin.Phase
		want   string // in the cause
		next   string // in what to do next
	}{
		{plugintest.StdoutFirst, plugin.PhaseLaunch, `it wrote "Welcome to my extension!" to its standard output`, "sdk.Main first"},
		{plugintest.NeverReady, plugin.PhaseLaunch, "was not ready after", "extensions.api.plugin.startTimeoutMs"},
		{plugintest.SilentExit, plugin.PhaseLaunch, "the process ended: exit status 3", "log"},
		{plugintest.DiesEarly, plugin.PhaseLaunch, "panic: no luck today", "log"},
		{plugintest.WrongMajor, plugin.PhaseLaunch, "speaks version 99 of the boundary", "upgrade the host to a release that speaks version 99"},
		{plugintest.DiesInInit, plugin.PhaseInit, "the process ended: exit status 5", "log"},
		{plugintest.Requires, plugin.PhaseInit, `requires the service "memory", which the runtime does not offer`, "use a runtime that offers it"},
		{plugintest.RefusesConfig, plugin.PhaseConfigure, "/port: is not a port (use 1 to 65535); /host: is no address", "correct the block extensions.api"},
		{plugintest.PanicsInStart, plugin.PhaseStart, "panic: out of coffee", "log"},
		{plugintest.HangsInStart, plugin.PhaseStart, "was not ready after", "startTimeoutMs"},
		{plugintest.FailsInStart, plugin.PhaseStart, "the stars are wrong", "correct what it says"},
		{plugintest.NeverHealthy, plugin.PhaseHealth, "no sleep for a week", "correct what it says"},
	} {
		t.Run(string(c.script), func(t *testing.T) {
			h := newHost(t, schema.Services{})
			before := openDescriptors(t)
			spec := plugintest.Spec(t, "api", c.script)
			spec.StartTimeout = startTimeout(c.script)
			err := h.Start(context.Background(), spec)
			var start *plugin.StartError
			if !errors.As(err, &start) {
				t.Fatalf("error = %v", err)
			}
			if start.Extension != "api" || start.Generation != 1 || start.Phase != c.phase ||
				!strings.Contains(start.Cause.Error(), c.want) || !strings.Contains(start.Next, c.next) {
				t.Errorf("error = %+v\nwant phase %s, %q, next %q", start, c.phase, c.want, c.next)
			}
			if len(h.Status()) != 0 {
				t.Errorf("it is still listed: %+v", h.Status())
			}
			h.close()
			eventually(t, "all descriptors to be closed", func() bool { return openDescriptors(t) <= before })
		})
	}
}

func TestStartDiagnosesTheProgram(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := plugintest.Spec(t, "api", plugintest.Good).Path
	for name, c := range map[string]struct {
		spec plugin.Spec
		want string
		next string
	}{
		"missing":        {plugin.Spec{Path: filepath.Join(dir, "none")}, "there is no program", "extensions.api.plugin.path"},
		"missing copy":   {plugin.Spec{Path: filepath.Join(dir, "none"), Private: true}, "there is no program", "extensions.api.plugin.path"},
		"not executable": {plugin.Spec{Path: write("text", "hello", 0o600)}, "not executable", "extensions.api.plugin.path"},
		"no program":     {plugin.Spec{Path: write("odd", "\x00\x01\x02", 0o700)}, "is not a program for this machine", "extensions.api.plugin.path"},
		"a directory":    {plugin.Spec{Path: dir, Private: true}, "it is not a file", "extensions.api.plugin.path"},
		"checksum":       {plugin.Spec{Path: good, SHA256: strings.Repeat("0", 64)}, "its SHA-256 is", "extensions.api.plugin.sha256"},
		"variable":       {plugin.Spec{Path: good, Env: map[string]string{"A=B": "c"}}, "cannot be the name of a variable", ""},
		"reserved":       {plugin.Spec{Path: good, Env: map[string]string{"STAGEHOUSE_CHECK": "1"}}, "STAGEHOUSE_CHECK is the host's own", "extensions.api.plugin.env"},
		"go-plugin's":    {plugin.Spec{Path: good, Env: map[string]string{"PLUGIN_MIN_PORT": "1"}}, "PLUGIN_MIN_PORT is the host's own", "extensions.api.plugin.env"},
		"no path":        {plugin.Spec{}, "no program", ""},
		"grant":          {plugin.Spec{Path: good, Grants: []string{"sorcery"}}, `unknown service "sorcery"`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, schema.Services{})
			c.spec.Name = "api"
			err := h.Start(context.Background(), c.spec)
			var start *plugin.StartError
			if !errors.As(err, &start) || start.Phase != plugin.PhaseLaunch ||
				!strings.Contains(start.Cause.Error(), c.want) || !strings.Contains(start.Next, c.next) {
				t.Errorf("error = %v\nwant %q, next %q", err, c.want, c.next)
			}
		})
	}
}

func TestARequiredServiceMustBeGranted(t *testing.T) {
	h := newHost(t, schema.Services{Memory: struct{ schema.Memory }{}})
	spec := plugintest.Spec(t, "api", plugintest.Requires)
	spec.Grants = []string{schema.ServiceAgents}
	err := h.Start(context.Background(), spec)
	var missing *plugin.MissingError
	if !errors.As(err, &missing) || !missing.Offered || !strings.Contains(err.Error(), "extensions.api.plugin.grants") {
		t.Errorf("error = %v", err)
	}
	spec.Grants = nil
	h.start(spec)
}

func TestAPrivateCopyOutlivesItsOriginal(t *testing.T) {
	h := newHost(t, schema.Services{})
	spec := plugintest.Spec(t, "api", plugintest.Good)
	content, err := os.ReadFile(spec.Path)
	if err != nil {
		t.Fatal(err)
	}
	spec.Path, spec.Private = filepath.Join(t.TempDir(), "program"), true
	if err := os.WriteFile(spec.Path, content, 0o700); err != nil {
		t.Fatal(err)
	}
	h.start(spec)
	if err := os.WriteFile(spec.Path, []byte("something else"), 0o700); err != nil {
		t.Errorf("the program cannot be replaced while it runs: %v", err)
	}
	info, err := os.ReadDir(h.runDir)
	if err != nil || len(info) != 1 {
		t.Fatalf("run directory: %v, %v", info, err)
	}
	if i, err := info[0].Info(); err != nil || i.Mode().Perm() != 0o700 {
		t.Errorf("mode of the private directory = %v, %v", i.Mode(), err)
	}
}

func TestALongRunDirectoryIsNoProblemForSockets(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir()) // itself too long
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 40))
	m := plugin.New(schema.Services{}, plugin.WithRunDir(dir))
	if err := m.Start(context.Background(), plugintest.Spec(t, "api", plugintest.Good)); err != nil {
		t.Error(err)
	}
	if err := m.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestStartEndsWithItsContext(t *testing.T) {
	h := newHost(t, schema.Services{})
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- h.Start(ctx, plugintest.Spec(t, "api", plugintest.HangsInStart)) }()
	eventually(t, "the process to be launched", func() bool { e, _ := os.ReadDir(h.runDir); return len(e) > 0 })
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v", err)
	}
}

func TestCloseEndsAStart(t *testing.T) {
	h := newHost(t, schema.Services{})
	result := make(chan error, 1)
	go func() { result <- h.Start(context.Background(), plugintest.Spec(t, "api", plugintest.NeverReady)) }()
	eventually(t, "the process to be launched", func() bool { e, _ := os.ReadDir(h.runDir); return len(e) > 0 })
	h.close()
	if err := <-result; !errors.Is(err, plugin.ErrClosed) {
		t.Errorf("error = %v", err)
	}
	if err := h.Start(context.Background(), plugintest.Spec(t, "api", plugintest.Good)); !errors.Is(err, plugin.ErrClosed) {
		t.Errorf("start after close = %v", err)
	}
}

func TestANameIsTakenOnce(t *testing.T) {
	h := newHost(t, schema.Services{})
	h.start(plugintest.Spec(t, "api", plugintest.Good))
	err := h.Start(context.Background(), plugintest.Spec(t, "api", plugintest.Good))
	if err == nil || !strings.Contains(err.Error(), "is running already") {
		t.Errorf("error = %v", err)
	}
}

func TestCheck(t *testing.T) {
	result, err := plugin.Check(context.Background(), plugintest.Spec(t, "api", plugintest.RefusesConfig))
	if err != nil || len(result.Problems) != 3 || result.Problems[0].Pointer != "/port" || result.Description.Name != "scripted" {
		t.Errorf("check = %+v, %v", result, err)
	}
	for _, c := range []struct {
		script plugintest.Script
		want   string
	}{
		{plugintest.ChecksGarbage, `it answered "Usage: scripted [flags]`},
		{plugintest.ChecksAfterText, `it wrote "Welcome!" to its standard output beside its answer`},
		{plugintest.ChecksTooMuch, "more than 4194304 bytes"},
		{plugintest.ChecksOldMajor, "speaks version 0 of the boundary between host and extension, and this host speaks 1; next: upgrade "},
		{plugintest.ChecksAndFails, "exit status 4; it said: I cannot even begin; next: correct what it says"},
	} {
		var start *plugin.StartError
		_, err := plugin.Check(context.Background(), plugintest.Spec(t, "api", c.script))
		if !errors.As(err, &start) || start.Phase != plugin.PhaseCheck || !strings.Contains(err.Error(), c.want) || start.Next == "" {
			t.Errorf("%s: error = %v, want %q", c.script, err, c.want)
		}
	}
	spec := plugintest.Spec(t, "api", plugintest.Good)
	spec.SHA256 = strings.Repeat("0", 64)
	var sum *process.ChecksumError
	if _, err := plugin.Check(context.Background(), spec); !errors.As(err, &sum) {
		t.Errorf("a program of another checksum was asked: %v", err)
	}
}

func TestCheckIsBounded(t *testing.T) {
	spec := plugintest.Spec(t, "api", plugintest.ChecksNothing)
	spec.StartTimeout = time.Second
	var start *plugin.StartError
	var late *process.NotReadyError
	_, err := plugin.Check(context.Background(), spec)
	if !errors.As(err, &late) || late.After > patience/2 || !strings.Contains(err.Error(), "it said: let me think") || !errors.As(err, &start) || !strings.Contains(start.Next, "extensions.api.plugin.startTimeoutMs") {
		t.Errorf("error = %v after %v", err, late)
	}
	for _, script := range []plugintest.Script{plugintest.ChecksNothing, plugintest.ChecksWithChild} {
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		begun := time.Now()
		_, err := plugin.Check(ctx, plugintest.Spec(t, "api", script))
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) > patience/2 {
			t.Errorf("%s: %v after %v", script, err, time.Since(begun))
		}
	}
}
