package sqlite

import (
	"fmt"
	"time"

	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

const agentColumns = `id, name, description, status, status_reason, skills, brain, persona, metadata, emotion, emotion_at,
	revision, desired, declared, created_at, updated_at`

func scanAgent(row scanner) (store.Agent, error) {
	var a store.Agent
	var felt, created, updated int64
	var declared []byte
	err := row.Scan(&a.ID, &a.Name, &a.Description, &a.Status, &a.StatusReason, nested{&a.Skills}, nested{&a.Brain}, &a.Persona,
		nested{&a.Metadata}, nested{&a.Emotion}, &felt, &a.Revision, &a.Desired, &declared, &created, &updated)
	a.EmotionAt, a.CreatedAt, a.UpdatedAt, a.Declaration = timeAt(felt), timeAt(created), timeAt(updated), declared
	a.Declared = declared != nil
	return a, err
}

// Agents returns all agents, ordered by id.
func (s *session) Agents() ([]store.Agent, error) {
	var all []store.Agent
	err := s.rows(`SELECT `+agentColumns+` FROM agents ORDER BY id`, nil, func(row scanner) error {
		a, err := scanAgent(row)
		all = append(all, a)
		return err
	})
	return all, err
}

// Agent returns one agent.
func (s *session) Agent(id string) (store.Agent, error) {
	var found []store.Agent
	err := s.rows(`SELECT `+agentColumns+` FROM agents WHERE id = ?`, []any{id}, func(row scanner) error {
		a, err := scanAgent(row)
		found = append(found, a)
		return err
	})
	if err != nil || len(found) == 0 {
		return store.Agent{}, orNotFound(err)
	}
	return found[0], nil
}

func orNotFound(err error) error {
	if err == nil {
		return store.ErrNotFound
	}
	return err
}

// PutAgent inserts or replaces an agent.
func (t *tx) PutAgent(a store.Agent) error {
	skills := a.Skills
	if skills == nil {
		skills = []string{}
	}
	enc, err := encodeAll(skills, a.Brain, a.Metadata, a.Emotion)
	if err != nil {
		return err
	}
	var declared any
	if a.Declaration != nil {
		declared = string(a.Declaration)
	}
	_, err = t.exec(`INSERT INTO agents (`+agentColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET name = excluded.name, description = excluded.description, status = excluded.status,
		status_reason = excluded.status_reason, skills = excluded.skills, brain = excluded.brain, persona = excluded.persona,
		metadata = excluded.metadata, emotion = excluded.emotion, emotion_at = excluded.emotion_at, revision = excluded.revision,
		desired = excluded.desired, declared = excluded.declared, updated_at = excluded.updated_at`,
		a.ID, a.Name, a.Description, string(a.Status), a.StatusReason, enc[0], enc[1], a.Persona, enc[2], enc[3], nanos(a.EmotionAt),
		a.Revision, a.Desired, declared, nanos(a.CreatedAt), nanos(a.UpdatedAt))
	return err
}

// SetEmotion changes what an agent feels and nothing else.
func (t *tx) SetEmotion(agentID string, e schema.Emotion, at time.Time) error {
	enc, err := nested{e}.encode()
	if err != nil {
		return err
	}
	return t.execOne(`UPDATE agents SET emotion = ?, emotion_at = ? WHERE id = ?`, enc, nanos(at), agentID)
}

// DeleteAgent deletes an agent and its memories.
func (t *tx) DeleteAgent(id string) error {
	if _, err := t.exec(`DELETE FROM memory_words WHERE rowid IN (SELECT key FROM memories WHERE agent_id = ?)`, id); err != nil {
		return fmt.Errorf("remove memories from index: %w", err)
	}
	if err := t.forgetVectors(`memory IN (SELECT key FROM memories WHERE agent_id = ?)`, id); err != nil {
		return err
	}
	if _, err := t.exec(`DELETE FROM memories WHERE agent_id = ?`, id); err != nil {
		return fmt.Errorf("delete memories: %w", err)
	}
	return t.execOne(`DELETE FROM agents WHERE id = ?`, id)
}
