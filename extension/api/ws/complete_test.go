package ws

import (
	"go/ast"
	goparser "go/parser"
	"go/token"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// declared is what the source of the package declares that clients must be told of.
type declared struct {
	frames   []string          // structs that are frames of the server, by name
	strings  map[string]string // constants that are text, by name
	integers map[string]int
}

func readSource(t *testing.T) declared {
	t.Helper()
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	d := declared{strings: map[string]string{}, integers: map[string]int{}}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file, err := goparser.ParseFile(token.NewFileSet(), e.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.TypeSpec:
				if s, ok := n.Type.(*ast.StructType); ok && hasType(s) {
					d.frames = append(d.frames, n.Name.Name)
				}
			case *ast.ValueSpec:
				d.add(n)
			}
			return true
		})
	}
	return d
}

// hasType reports whether a struct is a frame: it has a member type.
func hasType(s *ast.StructType) bool {
	return slices.ContainsFunc(s.Fields.List, func(f *ast.Field) bool {
		return f.Tag != nil && strings.Contains(f.Tag.Value, `json:"type"`)
	})
}

// add takes note of a constant.
func (d declared) add(n *ast.ValueSpec) {
	for i, v := range n.Values {
		lit, ok := v.(*ast.BasicLit)
		if !ok {
			continue
		}
		switch lit.Kind {
		case token.STRING:
			d.strings[n.Names[i].Name], _ = strconv.Unquote(lit.Value)
		case token.INT:
			d.integers[n.Names[i].Name], _ = strconv.Atoi(lit.Value)
		}
	}
}

// TestEverythingIsTold compares what the source declares with what clients are told.
func TestEverythingIsTold(t *testing.T) {
	d := readSource(t)
	var structs, frames, commands []string
	for _, f := range Frames() {
		structs, frames = append(structs, reflect.TypeOf(f.Example).Name()), append(frames, f.Type)
		if got := reflect.ValueOf(f.Example).FieldByName("Type").String(); got != f.Type {
			t.Errorf("the example of %s has the type %q", f.Type, got)
		}
	}
	for _, c := range Commands() {
		commands = append(commands, c.Type)
		for _, answer := range c.Answers {
			if !slices.Contains(frames, answer) {
				t.Errorf("a %s is answered by %s, which is no frame", c.Type, answer)
			}
		}
	}
	for _, name := range d.frames {
		if !slices.Contains(structs, name) && name != "command" {
			t.Errorf("clients are not told of %s", name)
		}
	}
	told := 0
	for name, value := range d.strings {
		switch {
		case strings.HasPrefix(name, "frame") && !slices.Contains(frames, value), strings.HasPrefix(name, "type") && !slices.Contains(commands, value):
			t.Errorf("clients are not told of %s, %s", name, value)
		case strings.HasPrefix(name, "frame"), strings.HasPrefix(name, "type"):
			told++
		}
	}
	for name, value := range d.integers {
		if !strings.HasPrefix(name, "Close") {
			continue
		}
		told++
		if !slices.ContainsFunc(CloseCodes(), func(c CloseCode) bool { return c.Code == value }) {
			t.Errorf("clients are not told of %s, %d", name, value)
		}
	}
	if want := len(frames) + len(commands) + len(CloseCodes()); told != want || len(d.frames) < 7 {
		t.Errorf("the source declares %d things in %d structs, and clients are told of %d", told, len(d.frames), want)
	}
}
