//go:build unix

package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func brainsChapter(t *testing.T) string {
	t.Helper()
	chapter, err := os.ReadFile(filepath.Join("..", "..", "docs", "brains.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(chapter)
}

// TestBrainsChapterIsValid has the configurations of the chapter on brains, and of the README, validated, as a reader would.
func TestBrainsChapterIsValid(t *testing.T) {
	dir := t.TempDir()
	installProviders(t, dir)
	for _, name := range []string{"OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GROQ_API_KEY"} {
		t.Setenv(name, "a-key-of-"+name)
	}
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	text := section(t, string(readme), "## Models") + brainsChapter(t)
	all := regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(text, -1)
	if len(all) < 5 {
		t.Errorf("the chapter has %d configurations", len(all))
	}
	for i, found := range all {
		if !strings.Contains(found[1], `"extensions"`) {
			continue
		}
		file := filepath.Join(dir, fmt.Sprintf("%d.json", i))
		write(t, file, found[1])
		if stdout, stderr, code := run(t, "", "validate", "--config", file); code != 0 || !strings.Contains(stdout, "is valid (no errors, no warnings)") {
			t.Errorf("%s%s%s", found[1], stdout, stderr)
		}
	}
}

// shape is what the chapter shows of a JSON Schema.
type shape struct {
	Type             string
	Description      string
	Enum             []string
	Minimum, Maximum *json.Number
	Default          json.RawMessage
	Properties       map[string]shape
}

// TestBrainsChapterIsComplete holds the tables of the chapter to what the programs of providers say of themselves.
func TestBrainsChapterIsComplete(t *testing.T) {
	if err := buildProviders(); err != nil {
		t.Fatal(err)
	}
	chapter := brainsChapter(t)
	common := tableOf(section(t, chapter, "## Providers"))
	for name, heading := range map[string]string{"openai": "## OpenAI and servers with its API", "anthropic": "## Anthropic"} {
		raw, err := exec.Command(provider(name), "describe").Output()
		if err != nil {
			t.Fatal(err)
		}
		var is struct {
			ConfigSchema shape
			Brain        struct{ OptionsSchema shape }
		}
		if err := json.Unmarshal(raw, &is); err != nil {
			t.Fatal(err)
		}
		keys, options, ok := strings.Cut(section(t, chapter, heading), "may have these options:")
		if !ok {
			t.Fatalf("%s has no options", heading)
		}
		shown := maps.Clone(common)
		maps.Copy(shown, tableOf(keys))
		sameRows(t, name+", block", shown, is.ConfigSchema.rows("", shape.value))
		wanted := is.Brain.OptionsSchema.rows("", shape.takes)
		delete(wanted, "maxTokens") // which an agent says to the host, and the host to all providers
		sameRows(t, name+", options", tableOf(options), wanted)
	}
}

// tableOf returns the rows of tables that begin with a name, by that.
func tableOf(text string) map[string]string {
	all := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([A-Za-z.]+)` \\|(.*)$").FindAllStringSubmatch(text, -1) {
		all[row[1]] = strings.TrimSpace(row[2])
	}
	return all
}

func sameRows(t *testing.T, what string, shown, is map[string]string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(is)) {
		if shown[name] != is[name] {
			t.Errorf("%s: %s is shown as\n\t%s\nand is\n\t%s", what, name, shown[name], is[name])
		}
	}
	for name := range shown {
		if _, ok := is[name]; !ok {
			t.Errorf("%s: there is no %s", what, name)
		}
	}
}

// rows returns the row of each property, the second column of which is of it.
func (s shape) rows(prefix string, second func(shape) string) map[string]string {
	all := map[string]string{}
	for name, p := range s.Properties {
		if p.Properties != nil {
			maps.Copy(all, p.rows(prefix+name+".", second))
			continue
		}
		all[prefix+name] = strings.TrimSpace(second(p) + " | " + p.Description + " |")
	}
	return all
}

// value returns the default.
func (s shape) value() string {
	if s.Default == nil {
		return ""
	}
	return "`" + strings.Trim(string(s.Default), `"`) + "`"
}

// takes returns what a value may be.
func (s shape) takes() string {
	switch {
	case len(s.Enum) > 0:
		return "`" + strings.Join(s.Enum, "`, `") + "`"
	case s.Minimum != nil && s.Maximum != nil:
		return fmt.Sprintf("%s to %s", *s.Minimum, *s.Maximum)
	case s.Minimum != nil:
		return fmt.Sprintf("%s or more", *s.Minimum)
	}
	return map[string]string{
		"string": "text", "boolean": "`true`, `false`", "array": "a list of texts", "object": "an object", "integer": "a whole number",
	}[s.Type]
}
