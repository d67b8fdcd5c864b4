package memory

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"

	stems "github.com/stagehouse/stagehouse/host/internal/words"
	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// Memory returns one memory.
func (s *state) Memory(id string) (schema.MemoryItem, error) {
	m, ok := s.memories[id]
	if !ok {
		return schema.MemoryItem{}, store.ErrNotFound
	}
	return m.MemoryItem, nil
}

// memoriesFor returns the memories that a query may find, the newest first.
func (s *state) memoriesFor(q store.MemoryQuery) []memory {
	var all []memory
	for _, m := range s.memories {
		if (q.Viewer.Everything || m.Shared || m.Principal == q.Viewer.Principal) && (q.AgentID == "" || m.AgentID == q.AgentID) &&
			(q.Now.IsZero() || !expired(m.MemoryItem, q.Now)) && m.Importance >= q.MinImportance &&
			!slices.ContainsFunc(q.Tags, func(tag string) bool { return !slices.Contains(m.Tags, tag) }) &&
			!slices.ContainsFunc(q.Metadata, func(want schema.MetadataEquals) bool { return !equals(m.Metadata[want.Key], want.Value) }) {
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b memory) int { return cmp.Compare(b.number, a.number) })
	return all
}

// equals reports whether a member of the metadata is what a query says in words.
func equals(have any, want string) bool {
	switch v := have.(type) {
	case string:
		return v == want
	case bool:
		return strconv.FormatBool(v) == want
	case json.Number:
		n, err := v.Float64()
		asked, notOne := strconv.ParseFloat(want, 64)
		return err == nil && notOne == nil && n == asked
	}
	return false
}

// RecentMemories returns the newest first.
func (s *state) RecentMemories(q store.MemoryQuery) (items []schema.MemoryItem, err error) {
	all := s.memoriesFor(q)
	for _, m := range all[:min(q.Limit, len(all))] {
		items = append(items, m.MemoryItem)
	}
	return items, nil
}

// MemoriesAfter returns memories in the order in which they were kept.
func (s *state) MemoriesAfter(after int64, limit int) (items []schema.MemoryItem, last int64, err error) {
	all := s.memoriesFor(store.MemoryQuery{Viewer: store.Viewer{Everything: true}})
	slices.Reverse(all)
	from, _ := slices.BinarySearchFunc(all, after+1, func(m memory, n int64) int { return cmp.Compare(m.number, n) })
	for _, m := range all[from:min(from+limit, len(all))] {
		items, last = append(items, m.MemoryItem), m.number
	}
	return items, last, nil
}

// SearchMemories adds up how rare the words are that a memory shares with the text, and multiplies that by 0.9 for a memory of
// importance 0 up to 1.1 for one of 1. It looks at every memory.
func (s *state) SearchMemories(q store.MemoryQuery) (hits []schema.MemoryHit, err error) {
	all, asked := s.memoriesFor(q), wordsOf(q.Text)
	have, times := make([][]string, len(all)), make(map[string]int, len(asked))
	for i, m := range all {
		for _, w := range wordsOf(m.Content) {
			if contains(asked, w) {
				have[i] = append(have[i], w)
				times[w]++
			}
		}
	}
	for i, m := range all {
		score := 0.0
		for _, w := range have[i] {
			score += math.Log(1 + float64(len(all))/float64(times[w]))
		}
		if score > 0 {
			hits = append(hits, schema.MemoryHit{Memory: m.MemoryItem, Score: score * (0.9 + 0.2*m.Importance)})
		}
	}
	slices.SortStableFunc(hits, func(a, b schema.MemoryHit) int { return cmp.Compare(b.Score, a.Score) })
	return hits[:min(q.Limit, len(hits))], nil
}

// wordsOf returns the different words of a text, sorted: the stems of runs of letters, digits and marks, and every character of
// a script that puts no spaces between words.
func wordsOf(text string) []string {
	var words []string
	for _, run := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.In(r, unicode.L, unicode.N, unicode.M) }) {
		from := 0
		for i, r := range run {
			if unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar) {
				words = append(words, stems.Stem(run[from:i]), string(r))
				from = i + len(string(r))
			}
		}
		words = append(words, stems.Stem(run[from:]))
	}
	slices.Sort(words)
	if words = slices.Compact(words); len(words) > 0 && words[0] == "" {
		words = words[1:]
	}
	return words
}

// contains looks a word up among the words of a text.
func contains(words []string, w string) bool {
	_, found := slices.BinarySearch(words, w)
	return found
}
