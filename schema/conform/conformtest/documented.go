package conformtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stagehouse/stagehouse/schema/conform"
)

var (
	idForm      = regexp.MustCompile(`^[a-z]+/[a-z]+/[a-z0-9-]+$`)
	punctuation = regexp.MustCompile("[^a-z0-9 -]+")
)

// Documented holds the checks themselves to what their reports promise: stable names of one form, each of them once, an
// expectation, and a place of the contract that is there. root is the path of the module.
func Documented(t *testing.T, root string, groups []conform.Group) {
	t.Helper()
	ids, places := map[string]bool{}, map[string]string{}
	for _, g := range groups {
		for _, c := range g.Checks {
			id := g.ID(c)
			if ids[id] || !idForm.MatchString(id) {
				t.Errorf("%q is no name for a check, or is there twice", id)
			}
			if c.Expect == "" || c.Run == nil {
				t.Errorf("%s expects nothing", id)
			}
			ids[id], places[c.Contract] = true, id
		}
	}
	for place, id := range places {
		if err := find(root, place); err != nil {
			t.Errorf("%s points to %q: %v", id, place, err)
		}
	}
}

// find looks for a place of the contract.
func find(root, place string) error {
	file, anchor, ok := strings.Cut(place, "#")
	if !ok {
		return findSymbol(root, place)
	}
	text, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		title, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " ")
		if ok && line[0] == '#' && strings.ReplaceAll(punctuation.ReplaceAllString(strings.ToLower(strings.TrimSpace(title)), ""), " ", "-") == anchor {
			return nil
		}
	}
	return os.ErrNotExist
}

// findSymbol looks for a type, or a member of one, such as schema.Chat.Send.
func findSymbol(root, place string) error {
	dir, symbol, _ := strings.Cut(place, ".")
	name, member, _ := strings.Cut(symbol, ".")
	files, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
	if err != nil {
		return err
	}
	for _, path := range files {
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, d := range f.Decls {
			if declares(d, name, member) {
				return nil
			}
		}
	}
	return fmt.Errorf("package %s has no %s", dir, symbol)
}

// declares reports whether d is a function or a method of that name, or declares a type of that name that has that member
// ("" = any).
func declares(d ast.Decl, name, member string) bool {
	if f, ok := d.(*ast.FuncDecl); ok {
		if f.Recv == nil {
			return member == "" && f.Name.Name == name
		}
		of := f.Recv.List[0].Type
		if p, ok := of.(*ast.StarExpr); ok {
			of = p.X
		}
		id, ok := of.(*ast.Ident)
		return ok && id.Name == name && f.Name.Name == member
	}
	for _, s := range d.(*ast.GenDecl).Specs {
		t, ok := s.(*ast.TypeSpec)
		if !ok || t.Name.Name != name {
			continue
		}
		found := member == ""
		ast.Inspect(t.Type, func(n ast.Node) bool {
			if f, ok := n.(*ast.Field); ok && len(f.Names) > 0 {
				found = found || f.Names[0].Name == member
			}
			return !found
		})
		return found
	}
	return false
}
