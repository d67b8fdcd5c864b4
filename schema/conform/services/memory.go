package services

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

func memoryChecks() []check {
	return slices.Concat([]check{
		{"store-get-search-delete", "a memory is stored as asked, read, found, deleted and gone", "schema.Memory", memoryLife},
		{"store-unknown-agent", "a memory of an agent that is not there is CodeNotFound", "schema.Memory.Store", memoryStoreUnknown},
		{"store-keeps-content", "content is kept to the byte, up to MaxMemoryBytes", "schema.Memory.Store", memoryContent},
		{"store-is-found-at-once", "who has stored a memory finds it, while fifty store", "schema.Memory.Search", memoryConcurrent},
		{"get-of-another-agent", "a memory is not another agent's", "schema.Memory.Get", memoryOtherAgent},
		{"of-any-agent", "without an agent a memory is found by its id, by those who may", "schema.Memory.Get", memoryOfAnyAgent},
		{"get-unknown", "a memory that is not there is CodeNotFound", "schema.Memory.Get", memoryGetUnknown},
		{"delete-unknown", "deleting a memory that is not there is CodeNotFound", "schema.Memory.Delete", memoryDeleteUnknown},
		{"search-orders", "the best match comes first, of equal ones the newer", "schema.Memory.Search", memoryOrder},
		{"search-limits", "a search returns at most its limit, which has a default and a bound", "schema.MemoryQuery", memoryLimits},
		{"search-text-is-no-syntax", "nothing in the text of a search is an operator", "schema.MemoryQuery", memorySyntax},
		{"search-finds-among-operators", "a word is found whatever stands beside it", "schema.MemoryQuery", memoryAmongOperators},
		{"search-unicode", "words of any script are found, whatever their case", "schema.Memory.Search", memoryUnicode},
		{"search-nothing", "a word that nobody has stored finds nothing", "schema.Memory.Search", memorySearchNothing},
	}, memoryFilterChecks(), []check{
		{"isolation", "a memory is its principal's, and ScopeAdmin's", "schema.Memory", memoryIsolation},
		{"shared", "a shared memory is everybody's to read, and ScopeAdmin's to delete", "schema.Memory", memoryShared},
	})
}

func memoryStoreUnknown(s *suite) {
	_, err := s.Memory.Store(s.user(), schema.NewMemory{AgentID: "nobody", Content: "x"})
	s.wantCode(err, schema.CodeNotFound)
}

func memoryGetUnknown(s *suite) {
	_, err := s.Memory.Get(s.admin(), nyx, unique("mem"))
	s.wantCode(err, schema.CodeNotFound)
}

func memoryDeleteUnknown(s *suite) {
	s.wantCode(s.Memory.Delete(s.admin(), nyx, unique("mem")), schema.CodeNotFound)
}

func memorySearchNothing(s *suite) {
	hits := must1[[]schema.MemoryHit](s)(s.Memory.Search(s.user(), schema.MemoryQuery{Text: unique("no")}))
	if len(hits) != 0 {
		s.Errorf("found %+v", hits)
	}
}

// store remembers content for nyx.
func (s *suite) store(ctx context.Context, content string) schema.MemoryItem {
	s.Helper()
	return must1[schema.MemoryItem](s)(s.Memory.Store(ctx, schema.NewMemory{AgentID: nyx, Content: content}))
}

// found returns the contents that a search finds, best first, and checks what holds for every search.
func (s *suite) found(ctx context.Context, q schema.MemoryQuery) []string {
	s.Helper()
	hits, err := s.Memory.Search(ctx, q)
	if err != nil {
		s.Fatalf("search %q: %v", q.Text, err)
	}
	var out []string
	for i, h := range hits {
		out = append(out, h.Memory.Content)
		if h.Score <= 0 || i > 0 && h.Score > hits[i-1].Score {
			s.Errorf("search %q: hit %d has score %v", q.Text, i, h.Score)
		}
	}
	return out
}

func memoryLife(s *suite) {
	ctx := s.user()
	metadata := schema.Object{"n": json.Number("9007199254740993"), "deep": map[string]any{"list": []any{"a", nil}}}
	word := unique("xylophone")
	item := must1[schema.MemoryItem](s)(s.Memory.Store(ctx, schema.NewMemory{
		AgentID: nyx, Content: "Remember this " + word, Metadata: metadata,
	}))
	if item.ID == "" || item.AgentID != nyx || item.Principal != schema.CallerFrom(ctx).Principal || item.Shared ||
		item.Content != "Remember this "+word || item.CreatedAt.IsZero() || item.CreatedAt.Location() != time.UTC {
		s.Errorf("stored as %+v", item)
	}
	if !sameJSON(item.Metadata, metadata) {
		s.Errorf("metadata is %v, want %v", item.Metadata, metadata)
	}
	if got := must1[schema.MemoryItem](s)(s.Memory.Get(ctx, nyx, item.ID)); !sameJSON(got, item) {
		s.Errorf("got %+v, stored %+v", got, item)
	}
	hits := must1[[]schema.MemoryHit](s)(s.Memory.Search(ctx, schema.MemoryQuery{AgentID: nyx, Text: word}))
	if len(hits) != 1 || !sameJSON(hits[0].Memory, item) {
		s.Errorf("found %+v", hits)
	}
	s.must(s.Memory.Delete(ctx, nyx, item.ID))
	_, err := s.Memory.Get(ctx, nyx, item.ID)
	s.wantCode(err, schema.CodeNotFound)
	if got := s.found(ctx, schema.MemoryQuery{Text: word}); len(got) != 0 {
		s.Errorf("a deleted memory is found: %v", got)
	}
	s.wantCode(s.Memory.Delete(ctx, nyx, item.ID), schema.CodeNotFound)
}

func memoryContent(s *suite) {
	ctx := s.user()
	for _, content := range []string{
		"  spaces  ", "lines\n\ttabs", "東京 🦊 e\u0301", `{"json":"\u0041"}`, "a'; DROP TABLE memories; --",
		strings.Repeat("long ", schema.MaxMemoryBytes/5),
	} {
		item := s.store(ctx, content)
		if got := must1[schema.MemoryItem](s)(s.Memory.Get(ctx, nyx, item.ID)); got.Content != content {
			s.Errorf("%.40q was changed to %.40q", content, got.Content)
		}
	}
}

func memoryConcurrent(s *suite) {
	ctx := s.user()
	s.atOnce(50, func(i int) error {
		word := fmt.Sprintf("concurrent%dword", i)
		item, err := s.Memory.Store(ctx, schema.NewMemory{AgentID: nyx, Content: "about " + word})
		if err != nil {
			return err
		}
		hits, err := s.Memory.Search(ctx, schema.MemoryQuery{AgentID: nyx, Text: word})
		if err == nil && (len(hits) == 0 || hits[0].Memory.ID != item.ID) { // others may be near
			return fmt.Errorf("%s: found %+v at once", word, hits)
		}
		return err
	})
}

func memoryOtherAgent(s *suite) {
	ctx := s.user()
	word := unique("word")
	item := s.store(ctx, word)
	_, err := s.Memory.Get(ctx, aria, item.ID)
	s.wantCode(err, schema.CodeNotFound)
	s.wantCode(s.Memory.Delete(ctx, aria, item.ID), schema.CodeNotFound)
	if got := s.found(ctx, schema.MemoryQuery{AgentID: aria, Text: word}); len(got) != 0 {
		s.Errorf("another agent remembers %v", got)
	}
	if got := s.found(ctx, schema.MemoryQuery{Text: word}); len(got) != 1 {
		s.Errorf("over every agent %v is found", got)
	}
}

// memoryOfAnyAgent reads and deletes a memory by its id alone; who may is the same.
func memoryOfAnyAgent(s *suite) {
	alice, bob := s.user(), s.user()
	item := s.store(alice, "x")
	if got := must1[schema.MemoryItem](s)(s.Memory.Get(alice, "", item.ID)); !sameJSON(got, item) {
		s.Errorf("got %+v, stored %+v", got, item)
	}
	_, err := s.Memory.Get(bob, "", item.ID)
	s.wantCode(err, schema.CodeNotFound)
	s.wantCode(s.Memory.Delete(bob, "", item.ID), schema.CodeNotFound)
	s.must(s.Memory.Delete(alice, "", item.ID))
	s.wantCode(s.Memory.Delete(alice, "", item.ID), schema.CodeNotFound)
}

func memoryOrder(s *suite) {
	ctx := s.user()
	s.store(ctx, "zebra crossing the street near the old market in the evening while it rains")
	s.store(ctx, "zebra quokka")
	got := s.found(ctx, schema.MemoryQuery{AgentID: nyx, Text: "zebra quokka"})
	if len(got) != 2 || got[0] != "zebra quokka" {
		s.Errorf("the better match is not first: %q", got)
	}
	older := s.store(ctx, "walrus twin")
	newer := s.store(ctx, "walrus twin")
	hits := must1[[]schema.MemoryHit](s)(s.Memory.Search(ctx, schema.MemoryQuery{Text: "walrus"}))
	if len(hits) < 2 || hits[0].Memory.ID != newer.ID || hits[1].Memory.ID != older.ID {
		s.Errorf("of equal matches the newer one is not first: %+v", hits)
	}
}

func memoryLimits(s *suite) {
	ctx := s.user()
	for n := range schema.DefaultSearchLimit + 5 {
		s.store(ctx, fmt.Sprint("pelican number ", n))
	}
	for limit, want := range map[int]int{
		0: schema.DefaultSearchLimit, 1: 1, 12: 12, schema.MaxPageSize + 1: schema.DefaultSearchLimit + 5,
	} {
		if got := s.found(ctx, schema.MemoryQuery{Text: "pelican", Limit: limit}); len(got) != want {
			s.Errorf("limit %d: %d hits, want %d", limit, len(got), want)
		}
	}
}

// syntax is text that full-text engines, SQL and patterns give a meaning to.
func syntax() []string {
	return []string{
		`"`, `""`, `"""`, `'`, `*`, `^`, `%`, `_`, `(`, `)`, `()`, `NEAR(`, `NEAR(a b, 3)`, `AND`, `OR`, `NOT`, `AND OR NOT`,
		`a AND`, `NOT a`, `-x`, `+x`, `col:x`, `content:x`, `{content metadata}: x`, `x*`, `"x`, `x"y`, `x'y`, `; DROP TABLE memories`,
		`\`, `\"`, `a + b`, `^a`, `rank MATCH 'x'`, `?`, `?1`, `:name`, `$1`, `@x`, "x\ny", "x\x00y", `🦊`, `—`, `...`, "\u200b",
		strings.Repeat("( ", 500), strings.Repeat("word ", 800),
	}
}

func memorySyntax(s *suite) {
	ctx := s.user()
	s.store(ctx, "a plain memory")
	for _, text := range syntax() {
		if got := s.found(ctx, schema.MemoryQuery{AgentID: nyx, Text: text}); len(got) > 1 {
			s.Errorf("%.40q found %q", text, got)
		}
	}
}

// memoryAmongOperators looks for one word inside everything that could be syntax, and must find it.
func memoryAmongOperators(s *suite) {
	ctx := s.user()
	s.store(ctx, "the ocelot sleeps")
	for _, text := range syntax() {
		for _, q := range []string{text + " ocelot", "ocelot " + text} {
			if got := s.found(ctx, schema.MemoryQuery{AgentID: nyx, Text: q}); !slices.Contains(got, "the ocelot sleeps") {
				s.Errorf("%.60q found %q", q, got)
			}
		}
	}
	for _, q := range []string{`-ocelot`, `"ocelot`, `ocelot*`, `(ocelot)`, `col:ocelot`, `NEAR(ocelot)`, `^ocelot`, `OCELOT`, `ocelot.`} {
		if got := s.found(ctx, schema.MemoryQuery{AgentID: nyx, Text: q}); !slices.Contains(got, "the ocelot sleeps") {
			s.Errorf("%q found %q", q, got)
		}
	}
}

func memoryUnicode(s *suite) {
	ctx := s.user()
	for content, query := range map[string]string{
		"die Größe zählt":    "größe",
		"Привет мир":         "привет",
		"東京 is a city":       "東京",
		"naïve café culture": "café",
		"γειά σου κόσμε":     "κόσμε",
	} {
		s.store(ctx, content)
		if got := s.found(ctx, schema.MemoryQuery{AgentID: nyx, Text: query}); !slices.Contains(got, content) {
			s.Errorf("%q does not find %q but %q", query, content, got)
		}
	}
}

func memoryIsolation(s *suite) {
	alice, bob := s.user(), s.user()
	word := unique("secret")
	item := s.store(alice, word)
	if got := s.found(bob, schema.MemoryQuery{AgentID: nyx, Text: word}); len(got) != 0 {
		s.Errorf("somebody else finds %v", got)
	}
	_, err := s.Memory.Get(bob, nyx, item.ID)
	s.wantCode(err, schema.CodeNotFound)
	s.wantCode(s.Memory.Delete(bob, nyx, item.ID), schema.CodeNotFound)
	must1[schema.MemoryItem](s)(s.Memory.Get(alice, nyx, item.ID))
	if got := s.found(s.admin(), schema.MemoryQuery{AgentID: nyx, Text: word}); len(got) != 1 {
		s.Errorf("an administrator finds %v", got)
	}
	s.must(s.Memory.Delete(s.admin(), nyx, item.ID))
}

func memoryShared(s *suite) {
	bob := s.user()
	word := unique("common")
	item := must1[schema.MemoryItem](s)(s.Memory.Store(s.admin(), schema.NewMemory{
		AgentID: nyx, Content: word, Shared: true,
	}))
	if got := must1[schema.MemoryItem](s)(s.Memory.Get(bob, nyx, item.ID)); !got.Shared || got.Content != word {
		s.Errorf("somebody else gets %+v", got)
	}
	if got := s.found(bob, schema.MemoryQuery{Text: word}); len(got) != 1 {
		s.Errorf("somebody else finds %v", got)
	}
	s.wantCode(s.Memory.Delete(bob, nyx, item.ID), schema.CodePermissionDenied)
	must1[schema.MemoryItem](s)(s.Memory.Get(bob, nyx, item.ID))
	s.must(s.Memory.Delete(s.admin(), nyx, item.ID))
}
