package services

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

func memoryFilterChecks() []check {
	return []check{
		{"store-tags-importance-expiry", "tags, importance and expiry are kept, and have defaults", "schema.NewMemory", memoryParticulars},
		{"store-already-expired", "a memory that has expired already is CodeInvalidArgument", "schema.NewMemory", memoryExpired},
		{"search-filters", "a search keeps what has all the tags, the metadata and the importance asked for", "schema.MemoryQuery", memoryFilters},
		{"search-without-text", "without text the newest come first", "schema.MemoryQuery", memoryNewest},
		{"search-importance-weighs", "importance decides between equal matches, and no more", "schema.Memory.Search", memoryImportance},
	}
}

func memoryExpired(s *suite) {
	at := time.Now().Add(-time.Hour)
	_, err := s.Memory.Store(s.user(), schema.NewMemory{AgentID: nyx, Content: "x", ExpiresAt: &at})
	s.wantCode(err, schema.CodeInvalidArgument)
}

func memoryParticulars(s *suite) {
	ctx, importance, at := s.user(), 0.75, time.Date(2999, 1, 1, 12, 0, 0, 0, time.FixedZone("", 3600))
	item := must1[schema.MemoryItem](s)(s.Memory.Store(ctx, schema.NewMemory{
		AgentID: nyx, Content: "x", Tags: []string{"one", "two"}, Importance: &importance, ExpiresAt: &at,
	}))
	if !slices.Equal(item.Tags, []string{"one", "two"}) || item.Importance != 0.75 || item.ExpiresAt == nil || !item.ExpiresAt.Equal(at) || item.ExpiresAt.Location() != time.UTC {
		s.Errorf("stored as %+v", item)
	}
	if got := must1[schema.MemoryItem](s)(s.Memory.Get(ctx, nyx, item.ID)); !sameJSON(got, item) {
		s.Errorf("got %+v, stored %+v", got, item)
	}
	plain := s.store(ctx, "y")
	if plain.Tags == nil || len(plain.Tags) != 0 || plain.Importance != schema.DefaultImportance || plain.ExpiresAt != nil {
		s.Errorf("without particulars it is %+v", plain)
	}
}

func memoryFilters(s *suite) {
	ctx, high, low := s.user(), 0.9, 0.1
	for _, m := range []schema.NewMemory{
		{Content: "apple one", Tags: []string{"red", "sweet"}, Importance: &high, Metadata: schema.Object{"n": json.Number("1"), "kind": "fruit"}},
		{Content: "apple two", Tags: []string{"red"}, Metadata: schema.Object{"n": json.Number("1.5"), "ok": true}},
		{Content: "pear three", Tags: []string{"sweet"}, Importance: &low, Metadata: schema.Object{"n": "1", "ok": false, "deep": map[string]any{"n": json.Number("1")}}},
		{Content: "pear four"},
	} {
		m.AgentID = nyx
		must1[schema.MemoryItem](s)(s.Memory.Store(ctx, m))
	}
	is := func(key, value string) []schema.MetadataEquals {
		return []schema.MetadataEquals{{Key: key, Value: value}}
	}
	for _, c := range []struct {
		q    schema.MemoryQuery
		want []string
	}{
		{schema.MemoryQuery{Tags: []string{"red"}}, []string{"apple two", "apple one"}},
		{schema.MemoryQuery{Tags: []string{"red", "sweet"}}, []string{"apple one"}},
		{schema.MemoryQuery{Tags: []string{"sweet"}, Text: "pear"}, []string{"pear three"}},
		{schema.MemoryQuery{Tags: []string{"re"}}, nil},
		{schema.MemoryQuery{MinImportance: 0.5}, []string{"pear four", "apple two", "apple one"}},
		{schema.MemoryQuery{MinImportance: 0.9}, []string{"apple one"}},
		{schema.MemoryQuery{Metadata: is("n", "1")}, []string{"pear three", "apple one"}},
		{schema.MemoryQuery{Metadata: is("n", "1.50")}, []string{"apple two"}},
		{schema.MemoryQuery{Metadata: is("ok", "true")}, []string{"apple two"}},
		{schema.MemoryQuery{Metadata: is("ok", "false")}, []string{"pear three"}},
		{schema.MemoryQuery{Metadata: is("ok", "0")}, nil},
		{schema.MemoryQuery{Metadata: is("kind", "fruit")}, []string{"apple one"}},
		{schema.MemoryQuery{Metadata: is("deep.n", "1")}, nil},
		{schema.MemoryQuery{Metadata: append(is("kind", "fruit"), is("n", "1")...)}, []string{"apple one"}},
		{schema.MemoryQuery{Metadata: append(is("kind", "fruit"), is("n", "2")...)}, nil},
		{schema.MemoryQuery{Tags: []string{"red"}, Metadata: is("n", "1"), MinImportance: 0.5, Text: "apple", AgentID: nyx}, []string{"apple one"}},
	} {
		if got := s.found(ctx, c.q); !slices.Equal(got, c.want) {
			s.Errorf("%+v found %q, want %q", c.q, got, c.want)
		}
	}
	if got := s.found(s.user(), schema.MemoryQuery{Tags: []string{"red"}}); len(got) != 0 {
		s.Errorf("somebody else finds %q", got)
	}
}

func memoryNewest(s *suite) {
	ctx := s.user()
	for _, content := range []string{"one", "two", "three"} {
		s.store(ctx, content)
	}
	if got := s.found(ctx, schema.MemoryQuery{AgentID: nyx, Limit: 2}); !slices.Equal(got, []string{"three", "two"}) {
		s.Errorf("the newest are %q", got)
	}
}

// memoryImportance: between two memories that fit as well the more important one comes first, though it is older, and one
// that fits much better comes before both.
func memoryImportance(s *suite) {
	ctx, all, none := s.user(), 1.0, 0.0
	for _, m := range []schema.NewMemory{
		{Content: "heron matters", Importance: &all}, {Content: "heron doubts", Importance: &none}, {Content: "heron heron egret", Importance: &none},
	} {
		m.AgentID = nyx
		must1[schema.MemoryItem](s)(s.Memory.Store(ctx, m))
	}
	got := s.found(ctx, schema.MemoryQuery{Text: "heron egret"})
	if want := []string{"heron heron egret", "heron matters", "heron doubts"}; !slices.Equal(got, want) {
		s.Errorf("found %q, want %q", got, want)
	}
}
