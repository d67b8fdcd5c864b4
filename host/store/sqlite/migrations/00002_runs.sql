-- +goose Up

ALTER TABLE messages ADD COLUMN partial INTEGER NOT NULL DEFAULT 0; -- 1 = its writer was cut off

ALTER TABLE runs ADD COLUMN since INTEGER NOT NULL DEFAULT 0;    -- number of the event just before its first one
ALTER TABLE runs ADD COLUMN principal TEXT NOT NULL DEFAULT '';  -- of its conversation
UPDATE runs SET principal = (SELECT principal FROM conversations c WHERE c.key = runs.conversation);
CREATE INDEX runs_by_owner ON runs (principal);
CREATE INDEX runs_by_conversation ON runs (conversation);

-- What came of requests that may be made again.
CREATE TABLE outcomes (
    principal TEXT NOT NULL,
    scope     TEXT NOT NULL,
    key       TEXT NOT NULL,
    digest    TEXT NOT NULL,
    result    TEXT NOT NULL, -- JSON
    at        INTEGER NOT NULL,
    PRIMARY KEY (principal, scope, key)
) WITHOUT ROWID;
CREATE INDEX outcomes_by_age ON outcomes (at);
