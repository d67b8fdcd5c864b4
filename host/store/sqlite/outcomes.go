package sqlite

import (
	"time"

	"github.com/stagehouse/stagehouse/host/store"
)

// Outcome returns what came of a request.
func (s *session) Outcome(principal, scope, key string) (store.Outcome, error) {
	o := store.Outcome{Principal: principal, Scope: scope, Key: key}
	var at int64
	var result string
	err := s.row(`SELECT digest, result, at FROM outcomes WHERE principal = ? AND scope = ? AND key = ?`,
		[]any{principal, scope, key}, &o.Digest, &result, &at)
	o.Result, o.At = []byte(result), timeAt(at)
	return o, err
}

// PutOutcome keeps what came of a request, in the place of what is there.
func (t *tx) PutOutcome(o store.Outcome) error {
	_, err := t.exec(`INSERT INTO outcomes (principal, scope, key, digest, result, at) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET digest = excluded.digest, result = excluded.result, at = excluded.at`,
		o.Principal, o.Scope, o.Key, o.Digest, string(o.Result), nanos(o.At))
	return err
}

// EvictOutcomes deletes what is old, oldest first.
func (t *tx) EvictOutcomes(before time.Time, limit int) (int, error) {
	r, err := t.exec(`DELETE FROM outcomes WHERE (principal, scope, key) IN
		(SELECT principal, scope, key FROM outcomes WHERE at < ? ORDER BY at LIMIT ?)`, nanos(before), limit)
	if err != nil {
		return 0, err
	}
	n, err := r.RowsAffected()
	return int(n), err
}
