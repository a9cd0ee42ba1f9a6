"""Disk: what a highlight costs after a day of editing, in a library and in a relay, before and after compaction.

A day is 300 highlights; each gets a comment that is typed in ten steps, two tags, another colour twice, and one in ten
goes to the trash. The edits go through our engine to a relay, one message each: ours, and the y-websocket server with
LevelDB, which keeps every update. The floor is the document alone, in Yjs's own encoding.
SQLite's write-ahead log keeps up to 4 MB until it is used again: it is in the bytes of the files alone.
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio

from benchmarks.client import join
from benchmarks.common import rounds, save
from benchmarks.figures import medians
from benchmarks.servers import OURS, Y_LEVELDB, Server, running
from crdt_sync import Anchor, Library, open_library
from crdt_sync.document import EditHighlight
from crdt_sync.storage.store import LibraryStore

HIGHLIGHTS = 300
STEPS = 10
COMMENT = "This is what the evening and the morning were: a first day, and somebody who saw that it was good. "
COMPACTED_WITHIN_S = 90.0
LEFT_ALONE = 20
"""The relay does not compact a log that is shorter than this."""
STORED_WITHIN_S = 5.0
SENT_WITHIN_S = 10.0


def bytes_in(folder: Path) -> int:
    """Return the bytes of all files under a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def live_bytes(database: Path) -> int:
    """Return the bytes of the pages that an SQLite file uses; the free ones are filled before it grows again."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (pages,), (free,), (size,) = (
            connection.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "freelist_count", "page_size")
        )
    return int((pages - free) * size)


async def a_day(library: Library) -> int:
    """Do a day's edits; return how many there were."""
    edits = 0
    for number in range(HIGHLIGHTS):
        place = Anchor.verse(f"Gen.{number % 50 + 1}.{number % 31 + 1}", work="Bible.KJV", quote=COMMENT[:60])
        item_id = await library.add_highlight(place)
        changes = [
            EditHighlight(item_id, comment=COMMENT[: (step + 1) * len(COMMENT) // STEPS]) for step in range(STEPS)
        ]
        changes += [EditHighlight(item_id, add_tags=(tag,)) for tag in ("creation", "sermon")]
        changes += [EditHighlight(item_id, color=color) for color in ("green", "blue")]
        for change in changes:
            await library.edit(change)
        edits += 1 + len(changes)
        if number % 10 == 0:
            await library.delete(item_id)
            edits += 1
    return edits


async def check(server: Server) -> None:
    """See that a client that joins is sent all the highlights; LevelDB's come after an empty answer."""
    place = server.room("day")
    client = await join(place)
    with anyio.fail_after(SENT_WITHIN_S):
        while sum(update.count(b"createdAt") for update in place.updates(client.messages())) < HIGHLIGHTS:
            client.news.clear()
            await client.news.wait()
    assert client.transport is not None
    client.transport.disconnect()
    await client.transport.wait_disconnected()


async def edit_through(folder: Path, server: Server) -> int:
    """Live the day with a library that is connected to a relay, and leave when the relay has it all."""
    async with open_library(folder / "library.sqlite3", relay=server.relay.url, room="day", durability="normal") as one:
        edits = await a_day(one)
        await one.synced(60)
    await check(server)
    return edits


def until_compacted(database: Path) -> None:
    """Wait until the relay has compacted its log, which it does half a minute after all have left."""
    deadline = time.monotonic() + COMPACTED_WITHIN_S
    while time.monotonic() < deadline:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            (left,) = connection.execute("SELECT count(*) FROM updates").fetchone()
        if left < LEFT_ALONE:
            return
        time.sleep(1)
    raise TimeoutError("the relay did not compact its log")


def relays(folder: Path) -> dict[str, dict[str, Any]]:
    """Return bytes for each highlight in what each relay stores."""
    figures: dict[str, dict[str, Any]] = {}
    for name in (OURS, Y_LEVELDB):
        place = folder / name
        place.mkdir()
        with running(place, name) as (server,):
            edits = anyio.run(edit_through, place, server)
            time.sleep(STORED_WITHIN_S)  # LevelDB is written to after the answer
            files = bytes_in(server.data) / HIGHLIGHTS
            figures[name] = {"edits": edits, "files_bytes_each": files, "bytes_each": files}
            if name == OURS:
                database = server.data / "relay.sqlite3"
                figures[name]["bytes_each"] = live_bytes(database) / HIGHLIGHTS
                until_compacted(database)
                figures[name]["compacted_bytes_each"] = live_bytes(database) / HIGHLIGHTS
    return figures


def library(path: Path) -> dict[str, Any]:
    """Return bytes for each highlight in a library, with its index and full text, and in its document alone."""
    figures = {"bytes_each": live_bytes(path) / HIGHLIGHTS}
    with closing(LibraryStore(path)) as store:
        store.compact()
        figures["document_bytes_each"] = sum(map(len, store.diff(b"\x00").updates)) / HIGHLIGHTS
    return {**figures, "compacted_bytes_each": live_bytes(path) / HIGHLIGHTS}


def main() -> None:
    raw: dict[str, dict[str, list[dict[str, Any]]]] = {"relay": {}, "library": {}}
    for _ in range(rounds(at_most=1)):  # bytes do not vary
        with tempfile.TemporaryDirectory() as folder:
            for name, figures in relays(Path(folder)).items():
                raw["relay"].setdefault(name, []).append(figures)
            raw["library"].setdefault(OURS, []).append(library(Path(folder) / OURS / "library.sqlite3"))
    figures = {what: {name: medians(reports) for name, reports in of.items()} for what, of in raw.items()}
    print(figures, flush=True)
    save("disk", {"highlights": HIGHLIGHTS, "medians": figures, "rounds": raw})


if __name__ == "__main__":
    main()
