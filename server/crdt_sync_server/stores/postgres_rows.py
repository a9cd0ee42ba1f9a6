"""What the rows of rooms mean in PostgreSQL, and the statements that read and change them.

    rooms      one record each: its last position, which snapshot is valid, through which position, what is stored
    updates    the log: positions 1, 2, 3 … of each room; those up to `through` are gone
    segments   the parts of each room's snapshot

An append raises `position` in the room's record, and so holds that row until its commit: the next one of the room, on
whatever relay, waits and gets the position after it. So positions have no gaps and their order is that of the commits;
a sequence would give both numbers at once and commit them in any order. One statement takes the appends of many rooms,
always in the order of their names, so that no two relays wait for each other.

Whoever changes all of a room (a snapshot, its deletion) first takes the room's lock of that kind, writes and erases
what is large, and takes the record last: appends wait for that alone. A statement sees one moment, so whoever reads
meanwhile sees the old or the new.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "APPEND", "BURY", "ERASE_DEVICES", "ERASE_LOG", "ERASE_SEGMENTS", "FOUND", "HEADS", "LOCK_RECORD", "LOCK_ROOM",
    "MISCOUNTS", "NOW_MS", "PUT_IN_PLACE", "RECORD", "RECORDS", "STAGE", "UNDER", "USAGE", "pieces",
]  # fmt: skip

PIECE_BYTES = 1024 * 1024
"""What is sent in one statement of a snapshot, or one segment."""

NOW_MS = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
"""The server's clock, one for all relays."""

APPEND = f"""
WITH advanced AS (
    INSERT INTO rooms AS known (room, owner, position, updates, bytes, changed_ms)
    SELECT room, owner, updates, updates, bytes, {NOW_MS}
    FROM unnest(%(rooms)b::text[], %(owners)b::text[], %(counts)b::bigint[], %(sizes)b::bigint[])
        AS wanted (room, owner, updates, bytes)
    ORDER BY room COLLATE "C"
    ON CONFLICT (room) DO UPDATE
    SET position = known.position + excluded.position, updates = known.updates + excluded.updates,
        bytes = known.bytes + excluded.bytes, changed_ms = excluded.changed_ms
    WHERE known.deleted_ms IS NULL
    RETURNING room, position
), logged AS (
    INSERT INTO updates (room, position, data)
    SELECT advanced.room, position - behind, data
    FROM unnest(%(of)b::text[], %(behind)b::bigint[], %(datas)b::bytea[]) AS arrived (room, behind, data)
    JOIN advanced USING (room)
)
SELECT room, position FROM advanced
"""
"""`rooms`, `owners`, `counts` and `sizes` are of each room once, `of`, `behind` and `datas` of each update; `behind` is
how many of the same room follow it. A room that is not returned was deleted."""

RECORD = "SELECT bytes, position, through, snapshot, deleted_ms IS NOT NULL FROM rooms WHERE room = %s"
FOUND = """
WITH asked AS MATERIALIZED (
    SELECT rooms.*, after, bytes <= %(most)s AND deleted_ms IS NULL AS is_read
    FROM unnest(%(rooms)b::text[], %(after)b::bigint[]) AS asked (name, after) JOIN rooms ON room = name
)
SELECT room, after, 0 AS kind, position AS number, parts, owner, deleted_ms IS NOT NULL, bytes, NULL::bytea AS data
FROM asked
UNION ALL
SELECT room, after, 1, part, NULL, NULL, NULL, NULL, segments.data
FROM asked JOIN segments USING (room, snapshot) WHERE is_read AND through > after
UNION ALL
SELECT room, after, 2, updates.position, NULL, NULL, NULL, NULL, updates.data
FROM asked JOIN updates USING (room) WHERE is_read AND updates.position > through AND updates.position > after
ORDER BY kind, number
"""
"""Of each room its record, the segments of its snapshot if that covers what is after `after`, and the log after it."""

LOCK_ROOM = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 1))"
LOCK_RECORD = "SELECT FROM rooms WHERE room = %s FOR UPDATE"
STAGE = """
INSERT INTO segments (room, snapshot, part, data)
SELECT %(room)s, %(snapshot)s, %(first)s + number - 1, data
FROM unnest(%(datas)b::bytea[]) WITH ORDINALITY AS given (data, number)
"""
ERASE_SEGMENTS = """
WITH gone AS (DELETE FROM segments WHERE room = %s AND snapshot < %s RETURNING octet_length(data) AS size)
SELECT coalesce(sum(size), 0)::bigint, count(*) FROM gone
"""
ERASE_LOG = """
WITH gone AS (DELETE FROM updates WHERE room = %s AND position <= %s RETURNING octet_length(data) AS size)
SELECT coalesce(sum(size), 0)::bigint, count(*) FROM gone
"""
ERASE_DEVICES = "DELETE FROM devices WHERE room = %s"
PUT_IN_PLACE = """
INSERT INTO rooms AS known (room, bytes, position, through, snapshot, parts)
VALUES (%(room)s, %(bytes)s, %(through)s, %(through)s, %(snapshot)s, %(parts)s)
ON CONFLICT (room) DO UPDATE
SET bytes = known.bytes + excluded.bytes, updates = known.updates - %(updates)s,
    position = greatest(known.position, excluded.position), through = excluded.through, snapshot = excluded.snapshot,
    parts = excluded.parts
"""
BURY = f"""
INSERT INTO rooms AS known (room, deleted_ms) VALUES (%s, {NOW_MS})
ON CONFLICT (room) DO UPDATE SET bytes = 0, updates = 0, parts = 0, deleted_ms = excluded.deleted_ms
WHERE known.deleted_ms IS NULL
RETURNING room
"""

HEADS = """
SELECT room, position FROM rooms WHERE room = ANY(%(rooms)b::text[])
UNION ALL SELECT NULL, number FROM last_notice
"""
RECORDS = "SELECT room, owner, bytes, updates, changed_ms, deleted_ms FROM rooms"
UNDER = f"""
{RECORDS} WHERE room = %(room)s OR (room > %(room)s || '/' AND room < %(room)s || '0') ORDER BY room
"""  # 0 follows the slash
USAGE = "SELECT coalesce(sum(bytes), 0)::bigint FROM rooms WHERE owner = %s"

MISCOUNTS = """
WITH log AS (
    SELECT room, count(*) AS updates, sum(octet_length(data)) AS bytes, min(position) AS first, max(position) AS last,
        count(md5(data)) AS legible
    FROM updates GROUP BY room
), stored AS (
    SELECT room, count(*) AS parts, sum(octet_length(data)) AS bytes, min(snapshot) AS oldest, max(snapshot) AS newest,
        max(part) AS last, count(md5(data)) AS legible
    FROM segments GROUP BY room
)
SELECT room FROM rooms FULL JOIN log USING (room) FULL JOIN stored USING (room)
WHERE rooms.position IS NULL
    OR rooms.bytes <> coalesce(log.bytes, 0) + coalesce(stored.bytes, 0)
    OR rooms.updates <> coalesce(log.updates, 0)
    OR rooms.parts <> coalesce(stored.parts, 0)
    OR stored.last <> rooms.parts - 1 OR stored.oldest <> rooms.snapshot OR stored.newest <> rooms.snapshot
    OR (deleted_ms IS NULL AND rooms.position <> rooms.through + rooms.updates)
    OR log.first <> rooms.through + 1 OR log.last <> rooms.position
ORDER BY room
"""
"""Rooms whose record is not what is stored. `md5` reads every byte, so a page that the server finds damaged shows."""


def pieces(segments: Sequence[bytes]) -> list[list[bytes]]:
    """Return the segments in the portions in which they are sent; none for none."""
    found: list[list[bytes]] = []
    size = 0
    for segment in segments:
        if not found or size + len(segment) > PIECE_BYTES:
            found.append([])
            size = 0
        found[-1].append(segment)
        size += len(segment)
    return found
