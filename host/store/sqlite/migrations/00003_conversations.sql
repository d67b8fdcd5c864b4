-- +goose Up

ALTER TABLE conversations ADD COLUMN archived INTEGER NOT NULL DEFAULT 0; -- 1 = lists leave it out
ALTER TABLE conversations ADD COLUMN revision INTEGER NOT NULL DEFAULT 1; -- grows with every message and every change
UPDATE conversations SET revision = 1 + message_count;
