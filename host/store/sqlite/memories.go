package sqlite

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

const memoryColumns = `m.id, m.agent_id, m.principal, m.shared, m.content, m.metadata, m.created_at`

// maxCandidates bounds how many memories one word may bring into a ranking; see SearchMemories.
const maxCandidates = 1000

func scanMemory(row scanner, more ...any) (schema.MemoryItem, error) {
	var m schema.MemoryItem
	var created int64
	dest := []any{&m.ID, &m.AgentID, &m.Principal, &m.Shared, &m.Content, nested{&m.Metadata}, &created}
	err := row.Scan(append(dest, more...)...)
	m.CreatedAt = timeAt(created)
	return m, err
}

// InsertMemory keeps a memory and makes it findable.
func (t *tx) InsertMemory(m schema.MemoryItem) error {
	metadata, err := nested{m.Metadata}.encode()
	if err != nil {
		return err
	}
	r, err := t.exec(`INSERT INTO memories (id, agent_id, principal, shared, content, metadata, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		m.ID, m.AgentID, m.Principal, m.Shared, m.Content, metadata, nanos(m.CreatedAt))
	if err != nil {
		return err
	}
	key, err := r.LastInsertId()
	if err != nil {
		return err
	}
	last := privateWord // every scope has as many words, for BM25 counts them as the memory's
	if m.Shared {
		last = sharedWord
	}
	scope := scopeWord('a', m.AgentID) + " " + scopeWord('p', m.Principal) + " " + last
	if _, err = t.exec(`INSERT INTO memory_words (rowid, words, scope) VALUES (?, ?, ?)`, key, indexText(m.Content), scope); err != nil {
		return fmt.Errorf("index memory: %w", err)
	}
	return nil
}

// DeleteMemory forgets a memory.
func (t *tx) DeleteMemory(id string) error {
	var key int64
	if err := t.row(`SELECT key FROM memories WHERE id = ?`, []any{id}, &key); err != nil {
		return err
	}
	if _, err := t.exec(`DELETE FROM memory_words WHERE rowid = ?`, key); err != nil {
		return fmt.Errorf("remove memory from index: %w", err)
	}
	return t.execOne(`DELETE FROM memories WHERE key = ?`, key)
}

// Memory returns one memory.
func (s *session) Memory(id string) (schema.MemoryItem, error) {
	var found []schema.MemoryItem
	err := s.rows(`SELECT `+memoryColumns+` FROM memories m WHERE m.id = ?`, []any{id}, func(row scanner) error {
		m, err := scanMemory(row)
		found = append(found, m)
		return err
	})
	if err != nil || len(found) == 0 {
		return schema.MemoryItem{}, orNotFound(err)
	}
	return found[0], nil
}

// visible is the condition that decides what a query may find.
func visible(q store.MemoryQuery) (where string, args []any) {
	where = `(? OR m.principal = ? OR m.shared) AND (? = '' OR m.agent_id = ?)`
	return where, []any{q.Viewer.Everything, q.Viewer.Principal, q.AgentID, q.AgentID}
}

// RecentMemories returns the newest first.
func (s *session) RecentMemories(q store.MemoryQuery) ([]schema.MemoryItem, error) {
	where, args := visible(q)
	var all []schema.MemoryItem
	err := s.rows(`SELECT `+memoryColumns+` FROM memories m WHERE `+where+` ORDER BY m.key DESC LIMIT ?`, append(args, q.Limit),
		func(row scanner) error {
			m, err := scanMemory(row)
			all = append(all, m)
			return err
		})
	return all, err
}

// hit is a memory that was found and the key that says how new it is.
type hit struct {
	store  schema.MemoryHit
	newest int64
}

// SearchMemories ranks by BM25. Ranking a word that is everywhere would mean to read everything, and tells little; so a
// word that more than maxCandidates of the visible memories have does not choose while rarer words of the text find
// enough, and where it must choose, the newest maxCandidates of them are ranked.
func (s *session) SearchMemories(q store.MemoryQuery) ([]schema.MemoryHit, error) {
	var rare, common []string
	for _, word := range queryWords(q.Text) {
		n := 0
		err := s.row(`SELECT count(*) FROM (SELECT 1 FROM memory_words WHERE memory_words MATCH ? LIMIT ?)`,
			[]any{matchExpression(q, []string{word}), maxCandidates + 1}, &n)
		switch {
		case err != nil:
			return nil, fmt.Errorf("count matches: %w", err)
		case n > maxCandidates:
			common = append(common, word)
		case n > 0:
			rare = append(rare, word)
		}
	}
	hits, err := s.ranked(q, rare, maxCandidates*len(rare))
	if err != nil {
		return nil, err
	}
	if len(hits) < q.Limit {
		more, err := s.ranked(q, common, maxCandidates)
		if err != nil {
			return nil, err
		}
		hits = merge(hits, more)
	}
	out := make([]schema.MemoryHit, 0, min(q.Limit, len(hits)))
	for _, h := range hits[:min(q.Limit, len(hits))] {
		out = append(out, h.store)
	}
	return out, nil
}

// ranked returns the best memories that have one of the words. The innermost query takes them newest first, which the
// index gives without sorting, so the bound holds whatever the words are; the next one ranks them by the index alone; only
// the best are looked up in the table. There are a few more of those than asked for, because two ids may share a word.
func (s *session) ranked(q store.MemoryQuery, words []string, candidates int) ([]hit, error) {
	if len(words) == 0 {
		return nil, nil
	}
	const spare = 8
	where, args := visible(q)
	args = append([]any{matchExpression(q, words), candidates, q.Limit + spare}, append(args, q.Limit)...)
	var hits []hit
	err := s.rows(`SELECT `+memoryColumns+`, m.key, w.score FROM (
			SELECT key, score FROM (
				SELECT rowid AS key, -bm25(memory_words, 1.0, 0.0) AS score FROM memory_words WHERE memory_words MATCH ? ORDER BY rowid DESC LIMIT ?
			) ORDER BY score DESC, key DESC LIMIT ?
		) w CROSS JOIN memories m ON m.key = w.key WHERE `+where+` ORDER BY w.score DESC, m.key DESC LIMIT ?`, args,
		func(row scanner) error {
			var h hit
			var err error
			h.store.Memory, err = scanMemory(row, &h.newest, &h.store.Score)
			h.store.Score = max(h.store.Score, minScore)
			hits = append(hits, h)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("rank matches: %w", err)
	}
	return hits, nil
}

// minScore keeps a score above 0: BM25 of a word that every memory has is 0 but for rounding.
const minScore = 1e-9

// merge joins two results without doubles, best first.
func merge(a, b []hit) []hit {
	seen := make(map[int64]bool, len(a))
	for _, h := range a {
		seen[h.newest] = true
	}
	for _, h := range b {
		if !seen[h.newest] {
			a = append(a, h)
		}
	}
	slices.SortFunc(a, func(x, y hit) int {
		return cmp.Or(cmp.Compare(y.store.Score, x.store.Score), cmp.Compare(y.newest, x.newest))
	})
	return a
}

// The word in the column scope that says whether a memory is shared.
const sharedWord, privateWord = "s1", "s0"

// scopeWord is the word for an id in the column scope. It ends in a digit, so that no stemmer shortens it. Two ids may have
// the same word: what a search finds is checked against the table.
func scopeWord(kind byte, id string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id)) // never fails
	return fmt.Sprintf("%c%d", kind, h.Sum64())
}

// matchExpression asks for memories in the scope of q that have one of the words.
func matchExpression(q store.MemoryQuery, words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = `"` + w + `"` // queryWords leaves no quote in a word
	}
	expr := `words : (` + strings.Join(quoted, ` OR `) + `)`
	if q.AgentID != "" {
		expr += ` AND scope : "` + scopeWord('a', q.AgentID) + `"`
	}
	if !q.Viewer.Everything {
		expr += ` AND scope : ("` + scopeWord('p', q.Viewer.Principal) + `" OR "` + sharedWord + `")`
	}
	return expr
}
