package logging_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/host/logging"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestJSONLine(t *testing.T) {
	var out bytes.Buffer
	log := logging.New(&out, slog.LevelInfo, true).With("extension", "api").WithGroup("request")
	log.Warn("slow", "method", "GET", slog.Group("client", "ip", "::1"), "error", errors.New("late"))
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("not one JSON object: %v\n%s", err, out.String())
	}
	for key, want := range map[string]any{
		"@level": "warn", "@message": "slow", "extension": "api",
		"request.method": "GET", "request.client.ip": "::1", "request.error": "late",
	} {
		if line[key] != want {
			t.Errorf("%s = %v, want %v", key, line[key], want)
		}
	}
}

func TestLevels(t *testing.T) {
	all := []slog.Level{logging.LevelTrace, slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError}
	for i, least := range all {
		var out bytes.Buffer
		log := logging.New(&out, least, false)
		for _, l := range all {
			log.Log(t.Context(), l, "line")
		}
		if got, want := strings.Count(out.String(), "\n"), len(all)-i; got != want {
			t.Errorf("level %v writes %d lines, want %d", least, got, want)
		}
	}
}
