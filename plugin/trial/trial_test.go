package trial_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/plugin/trial"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/conform"
	"github.com/stagehouse/stagehouse/schema/conform/conformtest"
	"github.com/stagehouse/stagehouse/sdk/sdktest"
)

func TestMain(m *testing.M) {
	if defect := os.Getenv(envDefect); defect != "" {
		os.Exit(extension(defect))
	}
	if defect := os.Getenv(envRuntime); defect != "" {
		runtimeMain(defect)
	}
	goleak.VerifyTestMain(m)
}

func TestChecksAreDocumented(t *testing.T) {
	conformtest.Documented(t, "../..", trial.Program{}.Groups())
}

// services are those of a host in memory.
func services(conform.T) schema.Services {
	return sdktest.NewHost(schema.Agent{ID: "nyx", Name: "Nyx"}).Services()
}

// build builds a program of this module.
func build(t *testing.T, pkg string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	cmd := exec.Command("go", "build", "-o", path, pkg)
	cmd.Dir = filepath.Join("..", "..")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("build %s: %v", pkg, err)
	}
	return path
}

func TestHello(t *testing.T) {
	spec := plugin.Spec{Name: "hello", Path: build(t, "./examples/hello"), Config: []byte(`{"address":"127.0.0.1:0"}`)}
	conformtest.Run(t, trial.Program{Spec: spec, Services: services}.Groups())
}
