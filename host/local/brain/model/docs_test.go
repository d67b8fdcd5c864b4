package model

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stagehouse/stagehouse/schema"
)

// TestSettingsAreDocumented holds the table in docs/brains.md to what is read.
func TestSettingsAreDocumented(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "docs", "brains.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(raw), "## Settings of an agent's brain\n")
	text, _, _ = strings.Cut(text, "\n## ")
	defaults := map[string]string{}
	var names []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([A-Za-z]+)` \\| ([^|]*) \\|").FindAllStringSubmatch(text, -1) {
		names = append(names, row[1])
		defaults[row[1]] = strings.Trim(row[2], "`")
	}
	if !slices.Equal(names, ownOptions) {
		t.Errorf("the table has %q, and what is read is %q", names, ownOptions)
	}
	var shape struct{ Properties map[string]json.RawMessage }
	if err := json.Unmarshal([]byte(settingsSchema), &shape); err != nil || len(shape.Properties) != len(ownOptions) {
		t.Errorf("the schema has %d settings, %v", len(shape.Properties), err)
	}
	s, _, err := parse(schema.Brain{Provider: "x"})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"contextTokens": strconv.Itoa(s.ContextTokens), "maxSteps": strconv.Itoa(s.MaxSteps), "emotion": s.Emotion, "remember": s.Remember,
		"dryRun": strconv.FormatBool(s.DryRun),
	} {
		if defaults[name] != want {
			t.Errorf("the default of %s is shown as %q, and is %q", name, defaults[name], want)
		}
	}
}
