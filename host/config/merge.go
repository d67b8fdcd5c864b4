package config

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"unicode"

	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/rawbytes"
	"github.com/knadh/koanf/v2"

	"github.com/stagehouse/stagehouse/host/internal/strictjson"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/problem"
)

// delim separates the parts of a koanf path. It is a character that no key has, because koanf splits keys at it.
const delim = "\x1f"

// ownValues names Sources.Values in messages.
const ownValues = "the program's own values"

// maxFileBytes bounds the configuration file.
const maxFileBytes = 8 << 20

// merge reads all sources into one tree: defaults, file, the program's own values, environment, flags. The settings are those of the last two. The error
// is that of ctx.
func merge(ctx context.Context, s Sources) (map[string]any, []setting, []schema.Problem, error) {
	k := koanf.New(delim)
	var problems []schema.Problem
	load := func(p koanf.Provider, pa koanf.Parser, source string) {
		if err := k.Load(p, pa); err != nil {
			problems = append(problems, problem.Errorf("", "", "%s: %v", source, err))
		}
	}
	load(confmap.Provider(map[string]any{"data": DefaultData, "logLevel": DefaultLogLevel}, ""), nil, "defaults")
	if s.File != "" {
		b, p, err := readInTime(ctx, s.File)
		if err != nil {
			return nil, nil, nil, err
		}
		if p != nil {
			return nil, nil, []schema.Problem{*p}, nil
		}
		load(rawbytes.Provider(b), strictJSON{}, s.File)
	}
	if s.Values != nil {
		if b, err := json.Marshal(s.Values); err != nil {
			problems = append(problems, problem.Errorf("", "", "%s cannot be encoded: %v", ownValues, err))
		} else {
			load(rawbytes.Provider(b), strictJSON{}, ownValues)
		}
	}
	if !k.Exists("extensions") && len(problems) == 0 {
		load(confmap.Provider(map[string]any{"extensions": map[string]any{"api": map[string]any{}}}, ""), nil, "defaults")
	}
	flags, p := fromFlags(s)
	problems = append(problems, p...)
	settings := append(fromEnviron(s.Env), flags...)
	for i, one := range settings { // one by one: a later one that overlaps with an earlier one wins
		for n := 1; n <= len(one.path); n++ {
			settings[i].made = problem.Pointer(one.path[:n]...)
			if !k.Exists(strings.Join(one.path[:n], delim)) {
				break
			}
		}
		load(confmap.Provider(map[string]any{strings.Join(one.path, delim): one.value}, delim), nil, one.source)
	}
	return k.Raw(), settings, problems, nil
}

// setting is one value that a variable or a flag sets.
type setting struct {
	path   []string
	value  any
	source string
	made   string // pointer to what is there because of it: the value, or an object around it that was not there before
}

// nameSources says of each problem which variable or flag it comes from, if it does not come from the file.
func nameSources(problems []schema.Problem, settings []setting) {
	for i, p := range problems {
		for _, s := range slices.Backward(settings) {
			if problem.Under(p.Pointer, s.made) {
				problems[i].Message += " (set by " + s.source + ")"
				break
			}
		}
	}
}

// readInTime is readFile for as long as ctx lets it: a pipe that nobody writes to, or a file system whose server is gone, may
// not answer for ever, and the one who mends it must not have to wait for that.
func readInTime(ctx context.Context, path string) ([]byte, *schema.Problem, error) {
	type result struct {
		b []byte
		p *schema.Problem
	}
	read := make(chan result, 1)
	go func() {
		b, p := readFile(path)
		read <- result{b, p}
	}()
	select {
	case r := <-read:
		return r.b, r.p, nil
	case <-ctx.Done():
		return nil, nil, fmt.Errorf("read %s: %w", path, context.Cause(ctx))
	}
}

func readFile(path string) ([]byte, *schema.Problem) {
	fail := func(suggestion, format string, args ...any) ([]byte, *schema.Problem) {
		p := problem.Errorf("", suggestion, format, args...)
		return nil, &p
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fail("check the path given with --config", "%s: there is no such file", path)
	case err != nil:
		return fail("check the path given with --config", "cannot read the configuration: %v", err)
	case info.IsDir():
		return fail("name the JSON file inside it", "%s is a directory", path)
	case info.Size() > maxFileBytes:
		return fail("", "%s has %d bytes; at most %d are read", path, info.Size(), maxFileBytes)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return fail("check who may read the file", "cannot read the configuration: %v", err)
	}
	return bytes.TrimPrefix(b, []byte("\ufeff")), nil // some editors begin a file with a byte-order mark
}

// envRoots are the keys of the tree that the environment may set; other variables that begin with STAGEHOUSE_ are not ours
// to read, or mean something else.
var envRoots = []string{"data", "logLevel", "events", "memory", "usage", "extensions", "agents", "runtime"}

// fromEnviron returns what the environment sets, short paths before long ones: a variable for a whole block does not undo one
// for a key inside it. Of two variables of one path, which differ in their case or in an underscore, the last by name wins.
func fromEnviron(environ []string) []setting {
	var settings []setting
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		path, ok := envPath(name)
		switch {
		case !ok, name == dataVariable && value == "":
		case name == dataVariable:
			settings = append(settings, setting{path: path, value: literal(value), source: name})
		default:
			settings = append(settings, setting{path: path, value: scalar(value), source: name})
		}
	}
	slices.SortStableFunc(settings, func(a, b setting) int {
		return cmp.Or(cmp.Compare(len(a.path), len(b.path)), cmp.Compare(a.source, b.source))
	})
	return settings
}

// dataVariable is read by commands that read no configuration too, so its value is what it says, and empty is not set.
const dataVariable = "STAGEHOUSE_DATA"

// envPath turns STAGEHOUSE_EXTENSIONS__API__RATE_LIMIT__MAX into the path extensions, api, rateLimit, max: two underscores go
// one level down, one underscore begins a hump.
func envPath(name string) ([]string, bool) {
	rest, ok := strings.CutPrefix(name, "STAGEHOUSE_")
	if !ok {
		return nil, false
	}
	path := strings.Split(rest, "__")
	for i, p := range path {
		path[i] = camel(p)
	}
	return path, slices.Contains(envRoots, path[0])
}

func camel(s string) string {
	var b strings.Builder
	up := false
	for _, r := range strings.ToLower(s) {
		switch {
		case r == '_':
			up = b.Len() > 0
		case up:
			b.WriteRune(unicode.ToUpper(r))
			up = false
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// fromFlags returns what the flags set, in their order.
func fromFlags(s Sources) ([]setting, []schema.Problem) {
	var flags []setting
	var problems []schema.Problem
	for _, set := range s.Set {
		path, value, ok := strings.Cut(set, "=")
		if !ok || path == "" {
			problems = append(problems, problem.Errorf("", "write it like --set extensions.api.port=3002", "--set %q is not PATH=VALUE", set))
			continue
		}
		flags = append(flags, setting{path: strings.Split(path, "."), value: scalar(value), source: "--set " + path})
	}
	if s.Data != "" {
		flags = append(flags, setting{path: []string{"data"}, value: literal(s.Data), source: "--data"})
	}
	if s.LogLevel != "" {
		flags = append(flags, setting{path: []string{"logLevel"}, value: s.LogLevel, source: "--log-level"})
	}
	return flags, problems
}

// literal returns a text that stands for s when references are resolved in it.
func literal(s string) string { return strings.ReplaceAll(s, "${", "$${") }

// scalar reads a value as JSON where it is JSON, and as text where it is not.
func scalar(s string) any {
	v, err := strictjson.Decode([]byte(s))
	if err != nil {
		return s
	}
	return v
}
