-- A store as version 2 of its schema left it: a compacted room, one with a log alone, one that was deleted.
CREATE TABLE updates (position INTEGER PRIMARY KEY AUTOINCREMENT, room TEXT NOT NULL, data BLOB NOT NULL);
CREATE INDEX updates_of_room ON updates (room, position);
CREATE TABLE snapshots (
    room TEXT NOT NULL, part INTEGER NOT NULL, through INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (room, part)
);
CREATE TABLE rooms (
    room TEXT PRIMARY KEY, owner TEXT, bytes INTEGER NOT NULL, updates INTEGER NOT NULL, changed_ms INTEGER,
    deleted_ms INTEGER
) WITHOUT ROWID;
CREATE INDEX rooms_of_owner ON rooms (owner) WHERE owner IS NOT NULL;
INSERT INTO updates (position, room, data) VALUES (1, 'other', x'0a0b'), (3, 'room', x'0c'), (4, 'other', x'0d');
INSERT INTO snapshots VALUES
    ('room', 0, 2, x'0102030405'), ('room', 1, 2, x'0607'), ('still', 0, 9, x'0e'), ('still', 1, 9, x'0f');
INSERT INTO rooms VALUES
    ('gone', 'ada', 0, 0, 1000, 2000), ('other', NULL, 3, 2, 3000, NULL), ('room', 'ada', 8, 1, 4000, NULL),
    ('still', 'ben', 2, 0, 5000, NULL);
PRAGMA application_id = 1668441204;
PRAGMA user_version = 2;
PRAGMA journal_mode = WAL;
