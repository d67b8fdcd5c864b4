-- +goose Up

-- To delete an agent is to delete its memories, and SQLite looks for them once more.
CREATE INDEX memories_by_agent ON memories (agent_id, key);

ALTER TABLE memories ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';       -- JSON
ALTER TABLE memories ADD COLUMN importance REAL NOT NULL DEFAULT 0.5;  -- 0 to 1
ALTER TABLE memories ADD COLUMN expires_at INTEGER NOT NULL DEFAULT 0; -- microseconds, for it may be far away; 0 = never
CREATE INDEX memories_by_expiry ON memories (expires_at) WHERE expires_at > 0;
