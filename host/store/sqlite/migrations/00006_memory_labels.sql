-- +goose Up

-- What memories can be filtered by: a number for each tag, and for each member of the metadata that is a text, a number, true
-- or false. Two may have the same number: what is found here is checked against the table.
CREATE TABLE memory_labels (
    label  INTEGER NOT NULL,
    memory INTEGER NOT NULL REFERENCES memories (key) ON DELETE CASCADE,
    PRIMARY KEY (label, memory)
) WITHOUT ROWID;
CREATE INDEX memory_labels_by_memory ON memory_labels (memory);
