package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"

	"github.com/stagehouse/stagehouse/host/store"
)

// A label is the number of a tag, or of a member of the metadata with its value. What a filter asks for is looked up by it in
// memory_labels, and then checked against the table: equal values have equal labels, and others nearly never.

func tagLabel(tag string) int64 { return label("tag", tag) }

// memberLabel is the same for a number and for a text that writes it, however it is written.
func memberLabel(key, value string) int64 {
	if isNumber(value) {
		f, _ := strconv.ParseFloat(value, 64) // infinite if it is out of range
		value = strconv.FormatFloat(f+0, 'g', -1, 64)
	}
	return label("member", key, value)
}

func label(parts ...string) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(strings.Join(parts, "\x00"))) // never fails
	return int64(h.Sum64())
}

// isNumber reports whether a text is a number as JSON writes it.
func isNumber(s string) bool {
	return strings.Trim(s, "+-.0123456789eE") == "" && json.Valid([]byte(s))
}

// labelsOf returns the labels of a memory, given its columns. What is nested in the metadata has none.
func labelsOf(tags, metadata string) ([]int64, error) {
	var names []string
	if err := json.Unmarshal([]byte(tags), &names); err != nil {
		return nil, fmt.Errorf("read tags: %w", err)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(metadata), &members); err != nil {
		return nil, fmt.Errorf("read metadata: %w", err)
	}
	labels := []int64{}
	for _, name := range names {
		labels = append(labels, tagLabel(name))
	}
	for key, raw := range members {
		value := string(raw)
		switch value[0] {
		case '{', '[', 'n':
			continue
		case '"':
			if err := json.Unmarshal(raw, &value); err != nil {
				return nil, fmt.Errorf("read metadata: %w", err)
			}
		}
		labels = append(labels, memberLabel(key, value))
	}
	return labels, nil
}

const insertLabels = `INSERT OR IGNORE INTO memory_labels (label, memory) SELECT value, ? FROM json_each(?)`

// label makes a memory be found by its tags and its metadata, given as columns. They are forgotten with it.
func (t *tx) label(key int64, tags, metadata string) error {
	labels, err := labelsOf(tags, metadata)
	if err != nil || len(labels) == 0 {
		return err
	}
	list, err := encodeAll(labels)
	if err != nil {
		return err
	}
	if _, err := t.exec(insertLabels, key, list[0]); err != nil {
		return fmt.Errorf("label memory: %w", err)
	}
	return nil
}

// wanted is a label that a memory must have to pass a filter.
type wanted struct {
	label int64
	times int // how many memories have it; at most maxCandidates+1 are counted
}

// wantedLabels returns the labels that a memory must have to pass the filters of q, the rarest first. It is false if no memory
// has one of them.
func (s *session) wantedLabels(q store.MemoryQuery) (all []wanted, some bool, err error) {
	for _, tag := range q.Tags {
		all = append(all, wanted{label: tagLabel(tag)})
	}
	for _, m := range q.Metadata {
		all = append(all, wanted{label: memberLabel(m.Key, m.Value)})
	}
	for i := range all {
		err := s.row(`SELECT count(*) FROM (SELECT 1 FROM memory_labels WHERE label = ? LIMIT ?)`,
			[]any{all[i].label, maxCandidates + 1}, &all[i].times)
		if err != nil || all[i].times == 0 {
			return nil, false, err
		}
	}
	slices.SortFunc(all, func(a, b wanted) int { return cmp.Or(cmp.Compare(a.times, b.times), cmp.Compare(a.label, b.label)) })
	return slices.Compact(all), true, nil
}

// labelled joins what makes sure that the memory with that key has all the labels. They are joined, and not asked for with
// EXISTS, which SQLite would do last: a label costs least to look up. The plus keeps it from going through all the memories
// that have the label.
func labelled(labels []wanted, key string) (joins string, args []any) {
	for i, l := range labels {
		joins += fmt.Sprintf(` CROSS JOIN memory_labels l%d ON l%[1]d.label = ? AND l%[1]d.memory = +%s`, i, key)
		args = append(args, l.label)
	}
	return joins, args
}

// labelMemories labels what an older program has left. It is a migration in Go because labels are made here.
func labelMemories(ctx context.Context, tx *sql.Tx) error {
	for last, n := int64(0), indexedAtOnce; n == indexedAtOnce; {
		var err error
		if last, n, err = labelSome(ctx, tx, last); err != nil {
			return fmt.Errorf("label memories: %w", err)
		}
	}
	return nil
}

// labelSome labels the memories behind a key, and returns the last key and how many there were.
func labelSome(ctx context.Context, tx *sql.Tx, after int64) (last int64, n int, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT key, tags, metadata FROM memories WHERE key > ? ORDER BY key LIMIT ?`, after, indexedAtOnce)
	if err != nil {
		return 0, 0, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err has said what was wrong
	found := map[int64][]int64{}
	for rows.Next() {
		var tags, metadata string
		if err := rows.Scan(&last, &tags, &metadata); err != nil {
			return 0, 0, err
		}
		if found[last], err = labelsOf(tags, metadata); err != nil {
			return 0, 0, err
		}
	}
	if err := rows.Err(); err != nil {
		return 0, 0, err
	}
	for key, labels := range found {
		list, err := encodeAll(labels)
		if err != nil {
			return 0, 0, err
		}
		if _, err := tx.ExecContext(ctx, insertLabels, key, list[0]); err != nil {
			return 0, 0, err
		}
	}
	return last, len(found), nil
}
