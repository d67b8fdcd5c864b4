package sqlite_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/host/store/sqlite"
	"github.com/stagehouse/stagehouse/schema"
)

func remember(t testing.TB, s store.Store, items ...schema.MemoryItem) {
	t.Helper()
	update(t, s, func(tx store.Tx) error {
		for i, m := range items {
			if m.ID == "" {
				m.ID = fmt.Sprintf("m%d", i)
			}
			if m.AgentID == "" {
				m.AgentID = "nyx"
			}
			if m.Principal == "" {
				m.Principal = "alice"
			}
			if _, err := tx.Agent(m.AgentID); err != nil {
				if err := tx.PutAgent(agent(m.AgentID)); err != nil {
					return err
				}
			}
			if err := tx.InsertMemory(m); err != nil {
				return err
			}
		}
		return nil
	})
}

func search(t testing.TB, s store.Store, q store.MemoryQuery) []string {
	t.Helper()
	if q.Limit == 0 {
		q.Limit = 10
	}
	if q.Viewer == (store.Viewer{}) {
		q.Viewer.Principal = "alice"
	}
	ids := []string{}
	view(t, s, func(r store.Reader) error {
		hits, err := r.SearchMemories(q)
		for i, h := range hits {
			if h.Score <= 0 || i > 0 && h.Score > hits[i-1].Score {
				t.Errorf("hit %d has score %v after %v", i, h.Score, hits[max(i, 1)-1].Score)
			}
			ids = append(ids, h.Memory.ID)
		}
		return err
	})
	return ids
}

func TestSearch(t *testing.T) {
	s := open(t, t.TempDir())
	remember(t, s,
		schema.MemoryItem{ID: "cat", Content: "My cat is called Miro."},
		schema.MemoryItem{ID: "cats", Content: "Cats sleep a lot; every cat does"},
		schema.MemoryItem{ID: "cafe", Content: "We met in the Café Müller"},
		schema.MemoryItem{ID: "han", Content: "我的猫叫小白"},
		schema.MemoryItem{ID: "kana", Content: "ねこのなまえはタマです"},
		schema.MemoryItem{ID: "thai", Content: "แมวของฉันชื่อมิโร"},
		schema.MemoryItem{ID: "ops", Content: "use AND, OR and NOT with NEAR"},
		schema.MemoryItem{ID: "code", Content: `call foo("bar"); /* x:y */ it's 42%`},
	)
	for _, c := range []struct {
		text string
		want string // ids in any order, sorted as given by the database
	}{
		{"miro", "cat"},
		{"cat", "cats cat"},
		{"CATS", "cats cat"},
		{"cafe muller", "cafe"},
		{"猫", "han"},
		{"小白", "han"},
		{"白小", ""},
		{"ねこ", "kana"},
		{"แมว", "thai"},
		{"NOT", "ops"},
		{"near", "ops"},
		{`"bar"`, "code"},
		{"words:bar", "code"},
		{"scope", ""},
		{"42%", "code"},
		{"call*", "cat code"},
		{"-miro", "cat"},
		{"^miro", "cat"},
		{"(((", ""},
		{"", ""},
		{"\x00", ""},
		{"zebra miro", "cat"},
	} {
		if got := strings.Join(search(t, s, store.MemoryQuery{Text: c.text}), " "); got != c.want {
			t.Errorf("search %q found %q, want %q", c.text, got, c.want)
		}
	}
}

// TestBroadSearchIsBounded asks for words that are everywhere. The rare one must decide, however old its memory is.
func TestBroadSearchIsBounded(t *testing.T) {
	s := open(t, t.TempDir())
	items := []schema.MemoryItem{{ID: "rare", Content: "the zebra is in the garden"}}
	for i := range sqlite.MaxCandidates + 100 {
		items = append(items, schema.MemoryItem{ID: fmt.Sprint("n", i), Content: fmt.Sprintf("the note in the garden number %d", i)})
	}
	remember(t, s, items...)
	if got := search(t, s, store.MemoryQuery{Text: "the zebra in the garden"}); len(got) != 10 || got[0] != "rare" {
		t.Errorf("found %v, want ten with the rare one first", got)
	}
	newest := fmt.Sprint("n", sqlite.MaxCandidates+99)
	if got := search(t, s, store.MemoryQuery{Text: "the garden", Limit: 1}); len(got) != 1 || got[0] != newest {
		t.Errorf("found %v, want the newest, %s", got, newest)
	}
}

// FuzzSearchText checks that no text is an error, and that a word of a memory is found whatever stands around it.
func FuzzSearchText(f *testing.F) {
	for _, text := range []string{
		"", "plain words", `"`, `""`, `a"b`, "a AND", "NOT", "NEAR(a b)", "words:", "a:b", "*", "a*", "^a", "(", ")", "-a", "+", "a + b", "{a b}:c",
		"\x00", "a\x00b", "\xff", "a\xffb", "日本語", "แมว", "é e\u0301", "\u200b", "🐈", "' OR 1=1 --", "%", "_", strings.Repeat("word ", 100), strings.Repeat("(", 500),
	} {
		f.Add(text)
	}
	s := open(f, f.TempDir())
	remember(f, s, schema.MemoryItem{ID: "needle", Content: "the needle in the haystack"})
	f.Fuzz(func(t *testing.T, text string) {
		view(t, s, func(r store.Reader) error {
			_, err := r.SearchMemories(store.MemoryQuery{Viewer: store.Viewer{Principal: "alice"}, AgentID: "nyx", Text: text, Limit: 5})
			return err
		})
		for _, w := range sqlite.QueryWords(text) {
			if strings.ContainsAny(w, "\"\x00") || !utf8.ValidString(w) {
				t.Errorf("word %q of %q is not fit for a query", w, text)
			}
		}
		if got := search(t, s, store.MemoryQuery{Text: "needle " + text}); len(got) != 1 {
			t.Errorf("“needle” before %q found %v", text, got)
		}
	})
}

// BenchmarkSearch compares a broad question with a rare word over the same 20,000 memories.
func BenchmarkSearch(b *testing.B) {
	s := open(b, b.TempDir())
	var items []schema.MemoryItem
	for i := range 20_000 {
		items = append(items, schema.MemoryItem{ID: fmt.Sprint("n", i), Content: fmt.Sprintf("the note in the garden, number n%d", i)})
	}
	remember(b, s, items...)
	for _, c := range []struct{ name, text string }{{"rare", "n777"}, {"broad", "the note in the garden"}, {"mixed", "the note n777 in the garden"}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				search(b, s, store.MemoryQuery{Text: c.text})
			}
		})
	}
}
