package sqlite

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

const memoryColumns = `m.id, m.agent_id, m.principal, m.shared, m.content, m.metadata, m.created_at, m.tags, m.importance, m.expires_at`

// maxCandidates bounds how many memories one word may bring into a ranking; see SearchMemories.
const maxCandidates = 1000

func scanMemory(row scanner, more ...any) (schema.MemoryItem, error) {
	var m schema.MemoryItem
	var created, expires int64
	dest := []any{
		&m.ID, &m.AgentID, &m.Principal, &m.Shared, &m.Content, nested{&m.Metadata}, &created, nested{&m.Tags}, &m.Importance, &expires,
	}
	err := row.Scan(append(dest, more...)...)
	m.CreatedAt, m.ExpiresAt = timeAt(created), expiryAt(expires)
	return m, err
}

// The end of a memory is kept in microseconds: nanoseconds end in the year 2262.

func expiry(t *time.Time) int64 {
	if t == nil {
		return 0
	}
	return t.UnixMicro()
}

func expiryAt(us int64) *time.Time {
	if us == 0 {
		return nil
	}
	t := time.UnixMicro(us).UTC()
	return &t
}

// InsertMemory keeps a memory and makes it findable.
func (t *tx) InsertMemory(m schema.MemoryItem) error {
	enc, err := encodeAll(m.Metadata, orNone(m.Tags))
	if err != nil {
		return err
	}
	r, err := t.exec(`INSERT INTO memories (id, agent_id, principal, shared, content, metadata, created_at, tags, importance, expires_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		m.ID, m.AgentID, m.Principal, m.Shared, m.Content, enc[0], nanos(m.CreatedAt), enc[1], m.Importance, expiry(m.ExpiresAt))
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
	return t.label(key, enc[1], enc[0])
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
	if err := t.forgetVectors(`memory = ?`, key); err != nil {
		return err
	}
	return t.execOne(`DELETE FROM memories WHERE key = ?`, key)
}

// EvictMemories deletes what has expired.
func (t *tx) EvictMemories(now time.Time, limit int) (int, error) {
	var ids []string
	err := t.rows(`SELECT id FROM memories WHERE expires_at > 0 AND expires_at <= ? ORDER BY expires_at LIMIT ?`, []any{now.UnixMicro(), limit},
		func(row scanner) error {
			var id string
			err := row.Scan(&id)
			ids = append(ids, id)
			return err
		})
	for _, id := range ids {
		err = errors.Join(err, t.DeleteMemory(id))
	}
	return len(ids), err
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

// visible is the condition that decides what a query may find. Its text is always the same, so that it is prepared once.
func visible(q store.MemoryQuery) (where string, args []any, err error) {
	where = `(? OR m.principal = ? OR m.shared) AND (? = '' OR m.agent_id = ?) AND (m.expires_at = 0 OR m.expires_at > ?) AND
		m.importance >= ? AND
		(? OR NOT EXISTS (SELECT 1 FROM json_each(?) want WHERE want.value NOT IN (SELECT value FROM json_each(m.tags)))) AND
		(? OR NOT EXISTS (SELECT 1 FROM json_each(?) want WHERE NOT EXISTS (SELECT 1 FROM json_each(m.metadata) have
			WHERE have.key = want.value ->> 'key' AND CASE
				WHEN have.type = 'text' THEN have.value = want.value ->> 'text'
				WHEN have.type IN ('integer', 'real') THEN have.value = want.value ->> 'number'
				ELSE have.type IN ('true', 'false') AND have.type = want.value ->> 'text' END)))`
	enc, err := encodeAll(orNone(q.Tags), wantedMembers(q.Metadata))
	if err != nil {
		return "", nil, err
	}
	return where, []any{
		q.Viewer.Everything, q.Viewer.Principal, q.AgentID, q.AgentID, q.Now.UnixMicro(), q.MinImportance,
		len(q.Tags) == 0, enc[0], len(q.Metadata) == 0, enc[1],
	}, nil
}

// wantedMember is what a member of the metadata must be: a text, or, where that is one, a number.
type wantedMember struct {
	Key    string      `json:"key"`
	Text   string      `json:"text"`
	Number json.Number `json:"number,omitempty"`
}

func wantedMembers(all []schema.MetadataEquals) []wantedMember {
	out := make([]wantedMember, len(all))
	for i, m := range all {
		out[i] = wantedMember{Key: m.Key, Text: m.Value}
		if isNumber(m.Value) {
			out[i].Number = json.Number(m.Value)
		}
	}
	return out
}

func orNone(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// RecentMemories returns the newest first.
func (s *session) RecentMemories(q store.MemoryQuery) ([]schema.MemoryItem, error) {
	labels, some, err := s.wantedLabels(q)
	if err != nil || !some {
		return nil, err
	}
	where, args, err := visible(q)
	if err != nil {
		return nil, err
	}
	from, order := `memories m`, `m.key`
	if len(labels) > 0 { // the memories with the rarest label, newest first as the index has them
		joins, more := labelled(labels[1:], "l.memory")
		from, order = `(SELECT memory FROM memory_labels WHERE label = ?) l`+joins+` CROSS JOIN memories m ON m.key = l.memory`, `l.memory`
		args = append(append([]any{labels[0].label}, more...), args...)
	}
	var all []schema.MemoryItem
	err = s.rows(`SELECT `+memoryColumns+` FROM `+from+` WHERE `+where+` ORDER BY `+order+` DESC LIMIT ?`, append(args, q.Limit),
		func(row scanner) error {
			m, err := scanMemory(row)
			all = append(all, m)
			return err
		})
	return all, err
}

// MemoriesAfter returns memories in the order in which they were kept.
func (s *session) MemoriesAfter(after int64, limit int) (items []schema.MemoryItem, last int64, err error) {
	err = s.rows(`SELECT `+memoryColumns+`, m.key FROM memories m WHERE m.key > ? ORDER BY m.key LIMIT ?`, []any{after, limit},
		func(row scanner) error {
			m, err := scanMemory(row, &last)
			items = append(items, m)
			return err
		})
	return items, last, err
}

// hit is a memory that was found and the key that says how new it is.
type hit struct {
	store  schema.MemoryHit
	newest int64
}

// SearchMemories ranks by BM25, which it multiplies by 0.9 for a memory of importance 0 up to 1.1 for one of 1. Ranking a word
// that is everywhere would mean to read everything, and tells little; so a word that more than maxCandidates of the visible
// memories have does not choose while rarer words of the text find enough, and where it must choose, the newest maxCandidates
// that pass the filters are ranked.
func (s *session) SearchMemories(q store.MemoryQuery) ([]schema.MemoryHit, error) {
	labels, some, err := s.wantedLabels(q)
	if err != nil || !some {
		return nil, err
	}
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
	hits, err := s.ranked(q, labels, rare, maxCandidates*len(rare))
	if err != nil {
		return nil, err
	}
	if len(hits) < q.Limit {
		more, err := s.ranked(q, labels, common, maxCandidates)
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

// ranked returns the best memories that have one of the words and all the labels. The inner query takes those that may be
// found, newest first, which the index gives without sorting; so the bound holds whatever the words are, and few that pass a
// filter are found however old they are.
func (s *session) ranked(q store.MemoryQuery, labels []wanted, words []string, candidates int) ([]hit, error) {
	if len(words) == 0 {
		return nil, nil
	}
	where, more, err := visible(q)
	if err != nil {
		return nil, err
	}
	if len(labels) > 0 && labels[0].times <= maxCandidates { // a short list is looked through faster than the table of all
		where = `+memory_words.rowid IN (SELECT memory FROM memory_labels WHERE label = ?) AND ` + where
		more = append([]any{labels[0].label}, more...)
		labels = labels[1:]
	}
	joins, args := labelled(labels, "memory_words.rowid")
	args = append(append(append(args, matchExpression(q, words)), more...), candidates, q.Limit)
	var hits []hit
	err = s.rows(`SELECT `+memoryColumns+`, m.key, max(m.score, 1e-9) * (0.9 + 0.2 * m.importance) AS weighed FROM (
			SELECT m.*, -bm25(memory_words, 1.0, 0.0) AS score
			FROM memory_words`+joins+` CROSS JOIN memories m ON m.key = memory_words.rowid
			WHERE memory_words MATCH ? AND `+where+` ORDER BY memory_words.rowid DESC LIMIT ?
		) m ORDER BY weighed DESC, m.key DESC LIMIT ?`, args,
		func(row scanner) error {
			var h hit
			var err error
			h.store.Memory, err = scanMemory(row, &h.newest, &h.store.Score)
			hits = append(hits, h)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("rank matches: %w", err)
	}
	return hits, nil
}

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
