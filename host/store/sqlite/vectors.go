package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	_ "modernc.org/sqlite/vec" // the tables "vec0"

	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// vectorChunk is how many vectors sqlite-vec reads and writes at once. Each agent has chunks of its own, and the last one is not
// full.
const vectorChunk = 64

// maxNear is how many sqlite-vec finds at once, at most.
const maxNear = 4096

// space is a row of memory_spaces.
type space struct {
	key        int64
	dimensions int
}

func (s *session) space(name string) (sp space, err error) {
	err = s.row(`SELECT key, dimensions FROM memory_spaces WHERE name = ?`, []any{name}, &sp.key, &sp.dimensions)
	return sp, err
}

// table returns the name of the table that has the vectors of a space.
func (sp space) table() string { return fmt.Sprintf("memory_vectors_%d", sp.key) }

// PutVectors keeps vectors of a space.
func (t *tx) PutVectors(name string, vectors []store.Vector) error {
	sp, err := t.space(name)
	if errors.Is(err, store.ErrNotFound) {
		_, err = t.exec(`INSERT INTO memory_spaces (name, dimensions) VALUES (?, 0)`, name)
		if err == nil {
			sp, err = t.space(name)
		}
	}
	if err != nil {
		return fmt.Errorf("find space: %w", err)
	}
	for _, v := range vectors {
		if v.Values != nil && sp.dimensions == 0 {
			if sp, err = t.measure(sp, len(v.Values)); err != nil {
				return err
			}
		}
		if err := t.putVector(sp, v); err != nil {
			return err
		}
	}
	return nil
}

// measure makes the table of a space whose vectors have that length.
func (t *tx) measure(sp space, dimensions int) (space, error) {
	if dimensions > store.MaxDimensions {
		return sp, fmt.Errorf("%w: %d dimensions; at most %d are possible", store.ErrVector, dimensions, store.MaxDimensions)
	}
	sp.dimensions = dimensions
	if _, err := t.exec(`UPDATE memory_spaces SET dimensions = ? WHERE key = ?`, dimensions, sp.key); err != nil {
		return sp, fmt.Errorf("measure space: %w", err)
	}
	_, err := t.w.conn.c.ExecContext(t.ctx, fmt.Sprintf(
		`CREATE VIRTUAL TABLE %s USING vec0(agent_id TEXT PARTITION KEY, vector FLOAT[%d] DISTANCE_METRIC=cosine, chunk_size=%d)`,
		sp.table(), dimensions, vectorChunk))
	if err != nil {
		return sp, fmt.Errorf("make table of vectors: %w", err)
	}
	return sp, nil
}

func (t *tx) putVector(sp space, v store.Vector) error {
	if v.Values != nil && len(v.Values) != sp.dimensions {
		return fmt.Errorf("%w: it has %d dimensions, and the others have %d", store.ErrVector, len(v.Values), sp.dimensions)
	}
	var key int64
	var agentID string
	err := t.row(`SELECT m.key, m.agent_id FROM memories m WHERE m.id = ? AND
		NOT EXISTS (SELECT 1 FROM memory_places p WHERE p.space = ? AND p.memory = m.key)`, []any{v.MemoryID, sp.key}, &key, &agentID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("find memory: %w", err)
	}
	unit := store.Unit(v.Values)
	if _, err := t.exec(`INSERT INTO memory_places (space, memory, nowhere) VALUES (?, ?, ?)`, sp.key, key, unit == nil); err != nil {
		return fmt.Errorf("place memory: %w", err)
	}
	if unit == nil {
		return nil
	}
	if _, err := t.exec(`INSERT INTO `+sp.table()+` (rowid, agent_id, vector) VALUES (?, ?, ?)`, key, agentID, vectorBytes(unit)); err != nil {
		return fmt.Errorf("keep vector: %w", err)
	}
	return nil
}

// DropSpace deletes a space with its vectors.
func (t *tx) DropSpace(name string) error {
	sp, err := t.space(name)
	if err != nil {
		return err
	}
	if sp.dimensions > 0 {
		if _, err := t.w.conn.c.ExecContext(t.ctx, `DROP TABLE `+sp.table()); err != nil {
			return fmt.Errorf("drop vectors: %w", err)
		}
	}
	return t.execOne(`DELETE FROM memory_spaces WHERE key = ?`, sp.key)
}

// forgetVectors deletes the vectors of memories, which a condition on the columns of memory_places chooses; what is in that table
// goes with the memories.
func (t *tx) forgetVectors(which string, args ...any) error {
	var spaces []space
	err := t.rows(`SELECT key, dimensions FROM memory_spaces WHERE dimensions > 0`, nil, func(row scanner) error {
		var sp space
		err := row.Scan(&sp.key, &sp.dimensions)
		spaces = append(spaces, sp)
		return err
	})
	for _, sp := range spaces {
		var keys []int64
		err = errors.Join(err, t.rows(`SELECT memory FROM memory_places WHERE space = ? AND NOT nowhere AND `+which, append([]any{sp.key}, args...),
			func(row scanner) error {
				var key int64
				err := row.Scan(&key)
				keys = append(keys, key)
				return err
			}))
		for _, key := range keys {
			_, gone := t.exec(`DELETE FROM `+sp.table()+` WHERE rowid = ?`, key)
			err = errors.Join(err, gone)
		}
	}
	if err != nil {
		return fmt.Errorf("delete vectors: %w", err)
	}
	return nil
}

// NearMemories has sqlite-vec look through the vectors of what may be found, all of them: what it returns is exact.
func (s *session) NearMemories(q store.VectorQuery) (hits []schema.MemoryHit, err error) {
	sp, err := s.space(q.Space)
	if errors.Is(err, store.ErrNotFound) || err == nil && sp.dimensions == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find space: %w", err)
	}
	if len(q.Vector) != sp.dimensions {
		return nil, fmt.Errorf("%w: it has %d dimensions, and the others have %d", store.ErrVector, len(q.Vector), sp.dimensions)
	}
	unit := store.Unit(q.Vector)
	if unit == nil || q.Limit <= 0 {
		return nil, nil
	}
	where, filters, err := visible(q.MemoryQuery)
	if err != nil {
		return nil, err
	}
	args := []any{vectorBytes(unit), min(q.Limit, maxNear)}
	ofAgent, onlyAgent := "", ""
	if q.AgentID != "" {
		ofAgent, onlyAgent = ` AND agent_id = ?`, `m.agent_id = ? AND `
		args = append(args, q.AgentID)
		filters = append([]any{q.AgentID}, filters...)
	}
	args = append(append(args, filters...), q.Except, 1-q.MinCosine)
	err = s.rows(`SELECT `+memoryColumns+`, 1.0 - v.distance FROM (
			SELECT rowid AS key, distance FROM `+sp.table()+` WHERE vector MATCH ? AND k = ?`+ofAgent+` AND rowid IN (
				SELECT m.key FROM memories m WHERE `+onlyAgent+where+` AND NOT EXISTS (SELECT 1 FROM memory_places p
					WHERE p.space = (SELECT key FROM memory_spaces WHERE name = ?) AND p.memory = m.key))
		) v CROSS JOIN memories m ON m.key = v.key WHERE v.distance <= ? ORDER BY v.distance, m.key DESC`, args,
		func(row scanner) error {
			var h schema.MemoryHit
			var err error
			h.Memory, err = scanMemory(row, &h.Score)
			hits = append(hits, h)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("find near memories: %w", err)
	}
	return hits, nil
}

// Unplaced returns memories that have nothing in a space, the newest first.
func (s *session) Unplaced(name string, before int64, limit int) (items []schema.MemoryItem, last int64, err error) {
	if before <= 0 {
		before = math.MaxInt64
	}
	err = s.rows(`SELECT `+memoryColumns+`, m.key FROM memories m WHERE m.key < ? AND NOT EXISTS (SELECT 1 FROM memory_places p
			WHERE p.space = (SELECT key FROM memory_spaces WHERE name = ?) AND p.memory = m.key) ORDER BY m.key DESC LIMIT ?`,
		[]any{before, name, limit}, func(row scanner) error {
			m, err := scanMemory(row, &last)
			items = append(items, m)
			return err
		})
	return items, last, err
}

// Spaces returns the spaces, oldest first.
func (s *session) Spaces() (all []store.Space, err error) {
	err = s.rows(`SELECT s.name, s.dimensions, count(p.memory), coalesce(sum(p.nowhere), 0) FROM memory_spaces s
		LEFT JOIN memory_places p ON p.space = s.key GROUP BY s.key ORDER BY s.key`, nil, func(row scanner) error {
		var sp store.Space
		err := row.Scan(&sp.Name, &sp.Dimensions, &sp.Placed, &sp.Nowhere)
		all = append(all, sp)
		return err
	})
	return all, err
}

// CountMemories returns how many memories there are.
func (s *session) CountMemories() (n int, err error) {
	err = s.row(`SELECT count(*) FROM memories`, nil, &n)
	return n, err
}

// vectorBytes returns a vector as sqlite-vec reads it.
func vectorBytes(v []float32) []byte {
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}
