package sqlite_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/host/store/sqlite"
	"github.com/stagehouse/stagehouse/schema"
)

// TestEveryFormOfAValueIsFound asks for every value in every form, and holds what is found against what metadata is said to
// be compared by: texts and truth values as they are written, numbers as numbers.
func TestEveryFormOfAValueIsFound(t *testing.T) {
	texts := []string{
		"", " ", "0", "-0", "0.0", "1", "1.0", "10e-1", "1E0", "+1", "01", "1.", ".5", "0.5", "5e-1", "-", "e", "1e400", "-1e400", "1e-400",
		"9007199254740992", "9007199254740993", "9223372036854775807", "9223372036854775808", "true", "false", "True", "null", "NaN", "Inf",
		"text", "Text", "téxt", "te\u0301xt", "a\x00b", "a\x00c", `"`, `\`, "{}", "[]", "日本", "🦊", strings.Repeat("long ", 2000),
	}
	s := open(t, t.TempDir())
	kept := map[string]any{}
	var items []schema.MemoryItem
	keep := func(value any) {
		id := fmt.Sprintf("m%d", len(items))
		kept[id] = value
		items = append(items, schema.MemoryItem{ID: id, Content: "word", Metadata: schema.Object{"key": value, "other": "1"}})
	}
	for _, text := range texts {
		keep(text)
		if number(text) != nil {
			keep(json.Number(text))
		}
	}
	for _, value := range []any{true, false, nil, map[string]any{"key": "text"}, []any{"text"}} {
		keep(value)
	}
	remember(t, s, items...)
	for _, asked := range texts {
		for _, text := range []string{"", "word"} {
			found := map[string]bool{}
			for _, id := range filtered(t, s, store.MemoryQuery{Text: text, Metadata: []schema.MetadataEquals{{Key: "key", Value: asked}}}) {
				found[id] = true
			}
			for id, value := range kept {
				if want := equals(value, asked); found[id] != want {
					t.Errorf("metadata %#v, asked for %.40q with the text %q: found is %v", value, asked, text, found[id])
				}
			}
		}
	}
}

// number returns the value of a text that is a number as JSON writes it, as SQLite has it: a whole number if it fits into 64
// bits, else a float64. Of others it returns nil.
func number(text string) *big.Float {
	if strings.Trim(text, "+-.0123456789eE") != "" || !json.Valid([]byte(text)) {
		return nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return new(big.Float).SetInt64(n)
	}
	f, _ := strconv.ParseFloat(text, 64)
	return big.NewFloat(f)
}

// equals is what schema.MetadataEquals says.
func equals(value any, asked string) bool {
	switch v := value.(type) {
	case string:
		return v == asked
	case bool:
		return strconv.FormatBool(v) == asked
	case json.Number:
		n := number(asked)
		return n != nil && n.Cmp(number(string(v))) == 0
	}
	return false
}

// filtered returns the ids of all that a query finds for alice, with or without words.
func filtered(t testing.TB, s store.Store, q store.MemoryQuery) (ids []string) {
	t.Helper()
	q.Limit = 1000
	if q.Text != "" {
		return search(t, s, q)
	}
	q.Viewer.Principal = "alice"
	view(t, s, func(r store.Reader) error {
		found, err := r.RecentMemories(q)
		for _, m := range found {
			ids = append(ids, m.ID)
		}
		return err
	})
	return ids
}

// TestFilterFindsTheFewThatPass among more than are ranked, however old they are, and ranks no more than that where many pass.
func TestFilterFindsTheFewThatPass(t *testing.T) {
	s := open(t, t.TempDir())
	few := schema.MemoryItem{ID: "few", Content: "the note", Tags: []string{"few", "many"}, Importance: 0.9, Metadata: schema.Object{"n": 1}}
	items := []schema.MemoryItem{few}
	for i := range sqlite.MaxCandidates + 100 {
		items = append(items, schema.MemoryItem{ID: fmt.Sprint("n", i), Content: "the note", Tags: []string{"many"}, Importance: 0.5, Metadata: schema.Object{"n": 2}})
	}
	remember(t, s, items...)
	for name, q := range map[string]store.MemoryQuery{
		"tag": {Tags: []string{"few"}}, "tags": {Tags: []string{"many", "few"}}, "one tag twice": {Tags: []string{"few", "few"}},
		"metadata": {Metadata: []schema.MetadataEquals{{Key: "n", Value: "1"}}}, "importance": {MinImportance: 0.8},
		"all": {Tags: []string{"many"}, MinImportance: 0.8, Metadata: []schema.MetadataEquals{{Key: "n", Value: "1.0"}}},
	} {
		for _, q.Text = range []string{"", "the note"} {
			if got := strings.Join(filtered(t, s, q), " "); got != "few" {
				t.Errorf("%s, with the text %q: found %.80q", name, q.Text, got)
			}
		}
	}
	many := store.MemoryQuery{Text: "note", Tags: []string{"many"}, Limit: 1}
	if got, newest := strings.Join(search(t, s, many), " "), fmt.Sprint("n", sqlite.MaxCandidates+99); got != newest {
		t.Errorf("of many that pass %s is found, want the newest, %s", got, newest)
	}
}

// TestLabelsGoWithTheirMemory when it is deleted, or its agent.
func TestLabelsGoWithTheirMemory(t *testing.T) {
	s := open(t, t.TempDir())
	remember(t, s,
		schema.MemoryItem{ID: "one", Content: "x", Tags: []string{"a", "b", "a"}, Metadata: schema.Object{"n": 1, "deep": map[string]any{"n": 1}}},
		schema.MemoryItem{ID: "two", Content: "x", Tags: []string{"a"}},
	)
	count := func(want int) {
		t.Helper()
		if got := sqlite.Labels(t.Context(), s); got != want {
			t.Errorf("there are %d labels, want %d", got, want)
		}
	}
	count(4)
	update(t, s, func(tx store.Tx) error { return tx.DeleteMemory("one") })
	count(1)
	update(t, s, func(tx store.Tx) error { return tx.DeleteAgent("nyx") })
	count(0)
}

// BenchmarkFilteredSearch compares a broad search with filters that few memories pass, or all, with the same one without a
// filter, over the same 50,000 memories.
func BenchmarkFilteredSearch(b *testing.B) {
	s := open(b, b.TempDir())
	items := make([]schema.MemoryItem, 50_000)
	for i := range items {
		items[i] = schema.MemoryItem{
			ID: fmt.Sprint("n", i), Content: fmt.Sprintf("the note in the garden, number n%d", i), Importance: float64(i%100) / 100,
			Tags: []string{"all", fmt.Sprint("shelf", i%500)}, Metadata: schema.Object{"kind": "all", "shelf": i % 500},
		}
	}
	remember(b, s, items...)
	is := func(key, value string) []schema.MetadataEquals {
		return []schema.MetadataEquals{{Key: key, Value: value}}
	}
	for _, c := range []struct {
		name string
		q    store.MemoryQuery
	}{
		{"common-tag", store.MemoryQuery{Tags: []string{"all"}}}, {"rare-tag", store.MemoryQuery{Tags: []string{"shelf77"}}},
		{"common-metadata", store.MemoryQuery{Metadata: is("kind", "all")}}, {"rare-metadata", store.MemoryQuery{Metadata: is("shelf", "77")}},
		{"importance", store.MemoryQuery{MinImportance: 0.99}},
	} {
		b.Run(c.name, func(b *testing.B) {
			plain := store.MemoryQuery{Text: "the note in the garden"}
			c.q.Text = plain.Text
			var unfiltered time.Duration
			for b.Loop() { // side by side, for whatever else the machine does
				b.StopTimer()
				begin := time.Now()
				search(b, s, plain)
				unfiltered += time.Since(begin)
				b.StartTimer()
				search(b, s, c.q)
			}
			b.ReportMetric(float64(b.Elapsed())/float64(unfiltered), "times-unfiltered")
		})
	}
}
