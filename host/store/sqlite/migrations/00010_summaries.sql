-- +goose Up

-- What was said in a conversation up to the message of the number summary_to, in short; 0 = there is no summary.
ALTER TABLE conversations ADD COLUMN summary TEXT NOT NULL DEFAULT '';
ALTER TABLE conversations ADD COLUMN summary_to INTEGER NOT NULL DEFAULT 0;
