-- +goose Up

-- To delete an agent is to delete its memories, and SQLite looks for them once more.
CREATE INDEX memories_by_agent ON memories (agent_id, key);
