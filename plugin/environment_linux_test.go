package plugin_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stagehouse/stagehouse/plugin/plugintest"
	"github.com/stagehouse/stagehouse/schema"
)

// TestAProcessHasAnEnvironmentOfItsOwn: go-plugin adds the host's whole environment behind everything else unless it is told
// not to, so secrets would go along, and what is configured would lose.
func TestAProcessHasAnEnvironmentOfItsOwn(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("TZ", "Europe/Oslo")
	h := newHost(t, schema.Services{})
	spec := plugintest.Spec(t, "api", plugintest.Good)
	spec.Env["TZ"] = "UTC"
	h.start(spec)
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", h.only().PID))
	if err != nil {
		t.Fatal(err)
	}
	var zone string
	for _, v := range strings.Split(string(b), "\x00") {
		name, value, _ := strings.Cut(v, "=")
		switch name {
		case "AWS_SECRET_ACCESS_KEY":
			t.Errorf("the process has %s", v)
		case "TZ":
			zone = value // the last one wins
		}
	}
	if zone != "UTC" {
		t.Errorf("its TZ is %q, want what is configured", zone)
	}
}

// TestAKnownProgramIsStartedAgainAndAgain: go-plugin's check of a program uses up its hash, so a second launch with the same one
// would fail.
func TestAKnownProgramIsStartedAgainAndAgain(t *testing.T) {
	h := newHost(t, schema.Services{})
	spec := plugintest.Spec(t, "api", plugintest.Good)
	b, err := os.ReadFile(spec.Path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b)
	spec.SHA256 = hex.EncodeToString(sum[:])
	h.start(spec)
	for range 2 {
		before := h.only()
		if err := h.Reload(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
		if s := h.only(); s.Generation != before.Generation+1 || !serves(s) {
			t.Errorf("%+v became %+v", before, s)
		}
	}
}
