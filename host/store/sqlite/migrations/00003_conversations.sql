-- +goose Up

ALTER TABLE conversations ADD COLUMN archived INTEGER NOT NULL DEFAULT 0; -- 1 = lists leave it out
ALTER TABLE conversations ADD COLUMN revision INTEGER NOT NULL DEFAULT 1; -- grows with every message and every change
UPDATE conversations SET revision = 1 + message_count;

-- The index of titles and messages, whose rows the program writes as those of memory_words: for a message, twice its number,
-- for the title of a conversation, twice its key and 1. The column scope holds a word for the owner.
CREATE VIRTUAL TABLE conversation_words USING fts5 (
    words, scope,
    content = '', contentless_delete = 1,
    tokenize = 'porter unicode61 remove_diacritics 2'
);
