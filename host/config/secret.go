package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/problem"
)

// secretRef matches ${env:NAME} and ${file:PATH}, $${ which stands for a literal ${, and every other ${, which is a mistake.
var secretRef = regexp.MustCompile(`\$\$\{|\$\{(?:(env|file):([^}]*)\})?`)

// maxSecretBytes bounds a file that a reference names.
const maxSecretBytes = 1 << 20

// resolveSecrets replaces the references in every string of the tree, in place. The scrubber hides what it has found.
func resolveSecrets(tree map[string]any, s Sources) (scrubber, origins, []schema.Problem) {
	r := resolver{environ: s.Env, base: filepath.Dir(s.File), found: map[string]string{}, places: map[string]string{}}
	for k, v := range tree {
		tree[k] = r.value(v, k)
	}
	return newScrubber(r.found), newOrigins(r.places), r.problems
}

type resolver struct {
	environ  []string
	base     string            // of relative paths: where the configuration file is
	found    map[string]string // the reference of each secret
	places   map[string]string // the reference at each key that has one
	problems []schema.Problem
}

func (r *resolver) value(v any, path ...string) any {
	switch v := v.(type) {
	case string:
		return secretRef.ReplaceAllStringFunc(v, func(ref string) string { return r.reference(ref, path) })
	case map[string]any:
		for k, e := range v {
			v[k] = r.value(e, append(path[:len(path):len(path)], k)...)
		}
	case []any:
		for i, e := range v {
			v[i] = r.value(e, append(path[:len(path):len(path)], strconv.Itoa(i))...)
		}
	}
	return v
}

func (r *resolver) reference(ref string, path []string) string {
	if ref == "$${" {
		return "${"
	}
	m := secretRef.FindStringSubmatch(ref)
	if m[1] == "" {
		r.problems = append(r.problems, problem.Errorf(problem.Pointer(path...), "write $${ for the text itself",
			"${ begins a reference, and this is none: references are ${env:NAME} and ${file:PATH}"))
		return ref
	}
	lookup := r.env
	if m[1] == "file" {
		lookup = r.file
	}
	secret, err := lookup(m[2])
	if err != nil {
		r.problems = append(r.problems, problem.Errorf(problem.Pointer(path...), "", "%s: %v", ref, err))
		return ref
	}
	r.found[secret], r.places[strings.Join(path, ".")] = ref, ref
	return secret
}

func (r *resolver) env(name string) (string, error) {
	for _, e := range r.environ {
		if k, v, ok := strings.Cut(e, "="); ok && k == name {
			return v, nil
		}
	}
	return "", fmt.Errorf("the environment has no variable %s; set it before the host starts", name)
}

func (r *resolver) file(path string) (string, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(r.base, path)
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("there is no file %s", path)
	case err != nil:
		return "", err
	case !info.Mode().IsRegular() || info.Size() > maxSecretBytes:
		return "", fmt.Errorf("not a regular file of at most %d bytes", maxSecretBytes)
	}
	b, err := os.ReadFile(path)
	return strings.TrimRight(string(b), "\r\n"), err
}
