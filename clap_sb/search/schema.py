"""The tables of an index."""

from __future__ import annotations

# A sound is known by its bytes; any number of files may hold it. Its id is never given
# to another one: whoever was told it may ask for it later. `lost_at` is when an update
# first saw, in seconds since 1970, that no file holds it. `remarks` is a list in JSON,
# or NULL. Paths and errors are bytes: names of files need not be valid Unicode.
TABLES = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE sounds (
    id INTEGER PRIMARY KEY AUTOINCREMENT, hash TEXT UNIQUE NOT NULL,
    first_row INTEGER NOT NULL, windows INTEGER NOT NULL, samples INTEGER NOT NULL,
    lost_at INTEGER, remarks TEXT
);
CREATE TABLE files (
    path BLOB PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    sound INTEGER REFERENCES sounds (id), error BLOB
);
CREATE INDEX files_of_sound ON files (sound);
"""

# What the headers of sounds' files tell. A table of its own, for indexes that were
# written without it are read, and written to by versions that know nothing of it.
HEADERS = """
CREATE TABLE IF NOT EXISTS headers (
    sound INTEGER PRIMARY KEY, rate INTEGER NOT NULL, channels INTEGER NOT NULL
)
"""
