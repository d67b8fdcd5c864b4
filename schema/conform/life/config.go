package life

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/conform"
)

// bigBlockBytes is the size of a big block.
const bigBlockBytes = 1 << 20

// with returns the block with one more member.
func (s Subject) with(t conform.T, key string, value any) []byte {
	t.Helper()
	return s.withAll(t, map[string]any{key: value})
}

func (s Subject) withAll(t conform.T, members map[string]any) []byte {
	t.Helper()
	block := map[string]any{}
	if err := json.Unmarshal(s.block(), &block); err != nil {
		t.Fatalf("the block to check with is no JSON object: %v", err)
	}
	maps.Copy(block, members)
	b, err := json.Marshal(block)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return b
}

// configure introduces the host to a new instance and hands it a block.
func (s Subject) configure(t conform.T, block []byte) (Extension, []schema.Problem) {
	t.Helper()
	x := s.Open(t)
	if _, err := x.Init(bound(t)); err != nil {
		t.Fatalf("Init: %v", err)
	}
	problems, err := x.Configure(bound(t), block)
	if err != nil {
		t.Fatalf("Configure: %v", err)
	}
	return x, problems
}

// named fails the check unless one of the problems is an error at a place, with a text for a person.
func named(t conform.T, problems []schema.Problem, pointer string) {
	t.Helper()
	if !slices.ContainsFunc(problems, func(p schema.Problem) bool {
		return p.Severity == schema.SeverityError && p.Message != "" && (p.Pointer == pointer || strings.HasPrefix(p.Pointer, pointer+"/"))
	}) {
		t.Errorf("there is no error at %s among %+v", pointer, problems)
	}
}

func (s Subject) unknownKey(t conform.T) {
	x, problems := s.configure(t, s.with(t, "noSuchKey/~", 1))
	named(t, problems, "/noSuchKey~1~0")
	_, err := x.Start(bound(t))
	refused(t, "Start after a bad block", err)
}

func (s Subject) unknownUnicode(t conform.T) {
	_, problems := s.configure(t, s.with(t, "ключ 🦊", 1))
	named(t, problems, "/ключ 🦊")
}

// wrongTypes gives every key whose schema has a type a value of another one.
func (s Subject) wrongTypes(t conform.T) {
	var own struct {
		Properties map[string]struct {
			Type string
		}
	}
	if err := json.Unmarshal(s.Schema(t), &own); err != nil {
		t.Fatalf("read its JSON Schema: %v", err)
	}
	wrong := map[string]any{}
	for key, p := range own.Properties {
		switch p.Type {
		case "":
		case "array":
			wrong[key] = map[string]any{}
		default:
			wrong[key] = []any{}
		}
	}
	if len(wrong) == 0 {
		t.Skipf("its configuration has no key with a type")
	}
	_, problems := s.configure(t, s.withAll(t, wrong))
	for key := range wrong {
		named(t, problems, "/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(key))
	}
}

func (s Subject) noObject(t conform.T) {
	for _, block := range []string{`[]`, `"x"`, `{`} {
		x := s.Open(t)
		if _, err := x.Init(bound(t)); err != nil {
			t.Fatalf("Init: %v", err)
		}
		problems, err := x.Configure(bound(t), []byte(block))
		bad := slices.ContainsFunc(problems, func(p schema.Problem) bool { return p.Severity == schema.SeverityError })
		if err == nil && !bad || schema.CodeOf(err) == schema.CodeUnavailable {
			t.Errorf("the block %s gives the problems %+v and the error %v", block, problems, err)
		}
		_, err = x.Start(bound(t))
		refused(t, "Start after the block "+block, err)
	}
}

func (s Subject) bigBlock(t conform.T) {
	x, problems := s.configure(t, s.with(t, "noSuchKey", strings.Repeat("x", bigBlockBytes)))
	named(t, problems, "/noSuchKey")
	_, err := x.Start(bound(t))
	refused(t, "Start after a bad block", err)
}
