-- +goose Up

-- One row. The epoch identifies the event log for as long as this database lives.
CREATE TABLE log (
    only  INTEGER PRIMARY KEY CHECK (only = 1),
    epoch TEXT NOT NULL
);

CREATE TABLE agents (
    id            TEXT PRIMARY KEY,
    name          TEXT NOT NULL,
    description   TEXT NOT NULL,
    status        TEXT NOT NULL,
    status_reason TEXT NOT NULL,
    skills        TEXT NOT NULL, -- JSON
    brain         TEXT NOT NULL, -- JSON
    persona       TEXT NOT NULL,
    metadata      TEXT NOT NULL, -- JSON
    emotion       TEXT NOT NULL, -- JSON, as it was at emotion_at
    emotion_at    INTEGER NOT NULL, -- as every time here: nanoseconds since 1970, UTC; 0 = never
    revision      INTEGER NOT NULL,
    desired       INTEGER NOT NULL, -- 1 = it should run when the host does
    declared      TEXT,             -- JSON of the declaration that was last merged; NULL = not declared
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL
);

-- Ids of conversations live in a name space of each principal; the key is ours.
CREATE TABLE conversations (
    key           INTEGER PRIMARY KEY AUTOINCREMENT,
    principal     TEXT NOT NULL,
    id            TEXT NOT NULL,
    title         TEXT NOT NULL,
    agent_id      TEXT NOT NULL,
    message_count INTEGER NOT NULL,
    changed       INTEGER NOT NULL, -- number of the last message: the exact order of change, whatever the clock did
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    UNIQUE (principal, id)
);
CREATE INDEX conversations_by_change ON conversations (changed);
CREATE INDEX conversations_by_owner_and_change ON conversations (principal, changed);
CREATE INDEX conversations_by_id_and_change ON conversations (id, changed);

CREATE TABLE messages (
    number       INTEGER PRIMARY KEY AUTOINCREMENT,
    id           TEXT NOT NULL UNIQUE,
    conversation INTEGER NOT NULL REFERENCES conversations (key),
    role         TEXT NOT NULL,
    content      TEXT NOT NULL,
    agent_id     TEXT NOT NULL,
    run_id       TEXT NOT NULL,
    emotion      TEXT, -- JSON
    created_at   INTEGER NOT NULL
);
CREATE INDEX messages_by_conversation ON messages (conversation, number);

CREATE TABLE runs (
    id           TEXT PRIMARY KEY,
    conversation INTEGER NOT NULL REFERENCES conversations (key),
    agent_id     TEXT NOT NULL,
    status       TEXT NOT NULL,
    reason       TEXT NOT NULL,
    error        TEXT NOT NULL,
    message_id   TEXT NOT NULL,
    reply_id     TEXT NOT NULL,
    queued_at    INTEGER NOT NULL,
    started_at   INTEGER NOT NULL, -- 0 = not yet
    finished_at  INTEGER NOT NULL  -- 0 = not yet
);
CREATE INDEX runs_unfinished ON runs (conversation) WHERE status IN ('queued', 'running');
CREATE INDEX runs_unfinished_by_agent ON runs (agent_id) WHERE status IN ('queued', 'running');

CREATE TABLE memories (
    key        INTEGER PRIMARY KEY AUTOINCREMENT,
    id         TEXT NOT NULL UNIQUE,
    agent_id   TEXT NOT NULL REFERENCES agents (id),
    principal  TEXT NOT NULL,
    shared     INTEGER NOT NULL,
    content    TEXT NOT NULL,
    metadata   TEXT NOT NULL, -- JSON
    created_at INTEGER NOT NULL
);
CREATE INDEX memories_by_owner ON memories (principal, key);

-- The index of memories.content. The rows are written by the program, which separates the characters of scripts that do
-- not put spaces between words, so that each can be found. The column scope holds words for the agent and the owner: they
-- narrow a search before anything is ranked, and what it finds is checked against the table.
CREATE VIRTUAL TABLE memory_words USING fts5 (
    words, scope,
    content = '', contentless_delete = 1,
    tokenize = 'porter unicode61 remove_diacritics 2'
);

CREATE TABLE events (
    seq             INTEGER PRIMARY KEY,
    type            TEXT NOT NULL,
    agent_id        TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    run_id          TEXT NOT NULL,
    principal       TEXT NOT NULL,
    time            INTEGER NOT NULL,
    payload         TEXT NOT NULL -- JSON
);
