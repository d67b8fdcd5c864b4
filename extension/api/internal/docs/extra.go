package docs

import (
	"slices"
	"strings"
)

// extra is something in a document that this package has no better form for.
type extra struct {
	Label   string
	Value   string     // if it is a single value
	Columns []string   // if it is a list of things of one kind
	Rows    [][]string // their members, in the order of the columns
	JSON    code       // if it is anything else
}

func extraOf(name string, v any) extra {
	e := extra{Label: labelOf(name)}
	switch t := v.(type) {
	case *object:
		e.JSON = pretty(v)
	case []any:
		if e.Columns = columnsOf(t); e.Columns == nil {
			e.JSON = pretty(v)
			break
		}
		for _, item := range t {
			var row []string
			for _, column := range e.Columns {
				row = append(row, cell(item.(*object), column))
			}
			e.Rows = append(e.Rows, row)
		}
	default:
		e.Value = literal(v)
	}
	return e
}

// columnsOf returns the names that the members of a list of flat objects have; nil = it is no such list.
func columnsOf(list []any) []string {
	var columns []string
	for _, item := range list {
		o, ok := item.(*object)
		if !ok {
			return nil
		}
		for _, name := range o.names {
			switch o.values[name].(type) {
			case *object, []any:
				return nil
			}
			if !slices.Contains(columns, name) {
				columns = append(columns, name)
			}
		}
	}
	return columns
}

func cell(o *object, column string) string {
	v, there := o.values[column]
	if !there {
		return ""
	}
	if s, ok := v.(string); ok {
		return s
	}
	return literal(v)
}

// labelOf makes a heading of the name of an extension; other names stay what they are.
func labelOf(name string) string {
	rest, ok := strings.CutPrefix(name, "x-")
	if !ok || rest == "" {
		return name
	}
	rest = strings.NewReplacer("-", " ", "_", " ").Replace(rest)
	return strings.ToUpper(rest[:1]) + rest[1:]
}
