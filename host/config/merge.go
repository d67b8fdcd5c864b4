package config

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"strings"
	"unicode"

	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/rawbytes"
	"github.com/knadh/koanf/v2"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/problem"
)

// delim separates the parts of a koanf path. It is a character that no key has, because koanf splits keys at it.
const delim = "\x1f"

// maxFileBytes bounds the configuration file.
const maxFileBytes = 8 << 20

// merge reads all sources into one tree: defaults, file, environment, flags.
func merge(s Sources) (map[string]any, []schema.Problem) {
	k := koanf.New(delim)
	var problems []schema.Problem
	load := func(p koanf.Provider, pa koanf.Parser, source string) {
		if err := k.Load(p, pa); err != nil {
			problems = append(problems, problem.Errorf("", "", "%s: %v", source, err))
		}
	}
	load(confmap.Provider(map[string]any{"data": DefaultData, "logLevel": DefaultLogLevel}, ""), nil, "defaults")
	if s.File != "" {
		b, p := readFile(s.File)
		if p != nil {
			return nil, []schema.Problem{*p}
		}
		load(rawbytes.Provider(b), strictJSON{}, s.File)
	}
	if !k.Exists("extensions") && len(problems) == 0 {
		load(confmap.Provider(map[string]any{"extensions": map[string]any{"api": map[string]any{}}}, ""), nil, "defaults")
	}
	load(env.Provider(delim, env.Opt{
		Prefix:        "STAGEHOUSE_",
		TransformFunc: fromEnv,
		EnvironFunc:   func() []string { return s.Env },
	}), nil, "environment")
	flags, p := fromFlags(s)
	problems = append(problems, p...)
	load(confmap.Provider(flags, delim), nil, "flags")
	return k.Raw(), problems
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
var envRoots = []string{"data", "logLevel", "events", "extensions", "agents"}

// fromEnv turns STAGEHOUSE_EXTENSIONS__API__RATE_LIMIT__MAX=5 into the path extensions, api, rateLimit, max: two
// underscores go one level down, one underscore begins a hump.
func fromEnv(name, value string) (string, any) {
	parts := strings.Split(strings.TrimPrefix(name, "STAGEHOUSE_"), "__")
	for i, p := range parts {
		parts[i] = camel(p)
	}
	for _, root := range envRoots {
		if parts[0] == root {
			return strings.Join(parts, delim), scalar(value)
		}
	}
	return "", nil
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

// fromFlags returns the flags as a map of koanf paths.
func fromFlags(s Sources) (map[string]any, []schema.Problem) {
	flags := map[string]any{}
	var problems []schema.Problem
	for _, set := range s.Set {
		path, value, ok := strings.Cut(set, "=")
		if !ok || path == "" {
			problems = append(problems, problem.Errorf("", "write it like --set extensions.api.port=3002", "--set %q is not PATH=VALUE", set))
			continue
		}
		flags[strings.ReplaceAll(path, ".", delim)] = scalar(value)
	}
	if s.Data != "" {
		flags["data"] = s.Data
	}
	if s.LogLevel != "" {
		flags["logLevel"] = s.LogLevel
	}
	return flags, problems
}

// scalar reads a value as JSON where it is JSON, and as text where it is not.
func scalar(s string) any {
	v, err := decodeStrict([]byte(s))
	if err != nil {
		return s
	}
	return v
}
