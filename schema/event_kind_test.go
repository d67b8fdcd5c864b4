package schema_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strconv"
	"testing"

	"github.com/stagehouse/stagehouse/schema"
)

// TestEventKindsAreAll compares the table with the constants in the source.
func TestEventKindsAreAll(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "event.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	known, payloads := map[string]bool{}, map[reflect.Type]bool{}
	for _, k := range schema.EventKinds() {
		known[string(k.Type)] = true
		payloads[reflect.TypeOf(k.Example)] = true
	}
	declared := 0
	ast.Inspect(file, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := v.Type.(*ast.Ident); ok && kind.Name == "EventType" {
			value, _ := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			if declared++; !known[value] {
				t.Errorf("%s, %s, is not in the table", v.Names[0].Name, value)
			}
		}
		return true
	})
	if declared != len(known) || len(payloads) != len(known) || len(schema.EventTypes()) != declared-1 {
		t.Errorf("%d types are declared, and the table has %d, with %d payloads", declared, len(known), len(payloads))
	}
}
