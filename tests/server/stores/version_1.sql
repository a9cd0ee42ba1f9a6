-- A store as version 1 of its schema left it: a compacted room, a room with a log alone.
CREATE TABLE updates (position INTEGER PRIMARY KEY AUTOINCREMENT, room TEXT NOT NULL, data BLOB NOT NULL);
CREATE INDEX updates_of_room ON updates (room, position);
CREATE TABLE snapshots (
    room TEXT NOT NULL, part INTEGER NOT NULL, through INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (room, part)
);
INSERT INTO updates (position, room, data) VALUES (1, 'other', x'0a0b'), (3, 'room', x'0c'), (4, 'other', x'0d');
INSERT INTO snapshots VALUES ('room', 0, 2, x'0102030405'), ('room', 1, 2, x'0607');
PRAGMA application_id = 1668441204;
PRAGMA user_version = 1;
PRAGMA journal_mode = WAL;
