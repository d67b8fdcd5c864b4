package character

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/problem"
)

// source is a document of another format. What is taken of it is marked, so that nothing is lost without a word.
type source struct {
	doc      map[string]any
	used     map[string]bool // by pointer: taken, or lost with a reason
	lost     []Lost
	examples string // pointer to what the examples were made of
}

// at returns the value at a place, or nil.
func (s *source) at(path ...string) any {
	var v any = s.doc
	for _, key := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[key]
	}
	return v
}

func (s *source) use(path ...string) { s.used[problem.Pointer(path...)] = true }

// text takes a text, without the space around it. Something else is left where it is.
func (s *source) text(path ...string) string {
	t, ok := s.at(path...).(string)
	if ok {
		s.use(path...)
	}
	return strings.TrimSpace(t)
}

// scalar takes a text or a number, as text.
func (s *source) scalar(path ...string) string {
	if n, ok := s.at(path...).(json.Number); ok {
		s.use(path...)
		return n.String()
	}
	return s.text(path...)
}

// lines takes a list of texts, or a text as the only one.
func (s *source) lines(path ...string) []string {
	list, ok := s.at(path...).([]any)
	if !ok {
		return filled([]string{s.text(path...)})
	}
	var out []string
	for i := range list {
		if t, ok := list[i].(string); ok {
			s.use(append(slices.Clone(path), strconv.Itoa(i))...)
			out = append(out, t)
		}
	}
	return filled(out)
}

// weighed takes a list of texts, or an object that gives each a number: the largest number first, and after the text.
func (s *source) weighed(path ...string) []string {
	object, ok := s.at(path...).(map[string]any)
	if !ok {
		return s.lines(path...)
	}
	weight := map[string]float64{}
	for name, v := range object {
		n, ok := v.(json.Number)
		f, err := n.Float64()
		if ok && err == nil {
			s.use(append(slices.Clone(path), name)...)
			weight[name] = f
		}
	}
	names := slices.SortedFunc(maps.Keys(weight), func(a, b string) int {
		return cmp.Or(cmp.Compare(weight[b], weight[a]), cmp.Compare(a, b))
	})
	for i, name := range names {
		names[i] = name + " (" + strconv.FormatFloat(weight[name], 'g', -1, 64) + ")"
	}
	return filled(names)
}

// lose says why a value is not carried over, if there is one.
func (s *source) lose(why string, path ...string) {
	if v := s.at(path...); !empty(v) && !s.used[problem.Pointer(path...)] {
		s.lost = append(s.lost, Lost{problem.Pointer(path...), why})
	}
	s.use(path...)
}

// loseRest says of everything that was not taken that it is lost: of a whole object, if nothing of it was taken.
func (s *source) loseRest(at string, v any) {
	if s.used[at] || empty(v) {
		return
	}
	if at != "" && !s.touched(at) {
		s.lost = append(s.lost, Lost{at, "an agent here has nothing like it"})
		return
	}
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			s.loseRest(at+problem.Pointer(key), v[key])
		}
	case []any:
		for i := range v {
			s.loseRest(at+problem.Pointer(strconv.Itoa(i)), v[i])
		}
	}
}

// touched reports whether something below a place was taken.
func (s *source) touched(at string) bool {
	for place := range s.used {
		if strings.HasPrefix(place, at+"/") {
			return true
		}
	}
	return false
}

// empty reports whether a value says nothing.
func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return strings.TrimSpace(v) == ""
	case []any:
		return !slices.ContainsFunc(v, func(e any) bool { return !empty(e) })
	case map[string]any:
		for _, e := range v {
			if !empty(e) {
				return false
			}
		}
		return true
	}
	return false
}

// unique returns the texts, each once, whatever its case.
func unique(lists ...[]string) []string {
	seen := map[string]bool{}
	var out []string
	for _, text := range slices.Concat(lists...) {
		if key := strings.ToLower(text); !seen[key] {
			seen[key] = true
			out = append(out, text)
		}
	}
	return out
}

// titled puts a title before a text, if there is one.
func titled(title, text string) string {
	if text == "" {
		return ""
	}
	return title + ": " + text
}

// paragraphs joins what is not empty.
func paragraphs(texts ...string) string { return strings.Join(filled(texts), "\n\n") }

func pointerTo(path []string) string { return problem.Pointer(path...) }

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

func anys(texts []string) []any {
	out := make([]any, len(texts))
	for i, t := range texts {
		out[i] = t
	}
	return out
}

// under returns the metadata of a character that was converted, or nil where nothing is known of it.
func under(about schema.Object) schema.Object {
	if len(about) == 0 {
		return nil
	}
	return schema.Object{"character": map[string]any(about)}
}

// equalJSON reports whether two values are the same as JSON.
func equalJSON(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}
