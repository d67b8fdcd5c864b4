-- +goose Up

-- The vectors of a space are in a table of their own, memory_vectors_<key>, made with the first one: its columns have their length.
CREATE TABLE memory_spaces (
    key        INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT NOT NULL UNIQUE, -- of the model
    dimensions INTEGER NOT NULL      -- of its vectors; 0 = there is no table yet
);

-- What has been done: a memory has a vector in a space, or cannot have one.
CREATE TABLE memory_places (
    space   INTEGER NOT NULL REFERENCES memory_spaces (key) ON DELETE CASCADE,
    memory  INTEGER NOT NULL REFERENCES memories (key) ON DELETE CASCADE,
    nowhere INTEGER NOT NULL,
    PRIMARY KEY (space, memory)
) WITHOUT ROWID;
CREATE INDEX memory_places_by_memory ON memory_places (memory);
