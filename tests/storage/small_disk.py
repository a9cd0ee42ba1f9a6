"""A disk of 4 MB that fills up: run it as root of a mount namespace, with an empty folder to mount it on.

It prints what it has shown, a line each, and ends with an error at the first thing that is not so.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from crdt_sync.document import AddHighlight, Anchor
from crdt_sync.errors import DiskFull
from crdt_sync.storage.store import LibraryStore
from crdt_sync_server.errors import StoreError
from crdt_sync_server.stores.sqlite import SqliteStore

VERSE = Anchor.verse("Gen.1.1", work="Bible.KJV")


def library(disk: Path, ballast: Path) -> None:
    store = LibraryStore(disk / "library")
    kept = 0
    try:
        while True:
            store.edit(AddHighlight(VERSE, comment="x" * 2000))
            kept += 1
    except DiskFull as error:
        assert "Make room" in str(error), error
    for _ in range(3):
        assert len(store.read.highlights()) == kept == store.pending
        try:
            store.edit(AddHighlight(VERSE, comment="x" * 2000))
        except DiskFull:
            continue
        kept += 1
    print(f"library: full after {kept} edits, and all of them are there")
    ballast.unlink()
    store.edit(AddHighlight(VERSE, comment="with room"))
    store.verify()
    store.close()
    again = LibraryStore(disk / "library")
    assert len(again.read.highlights()) == kept + 1
    again.verify()
    again.close()
    print("library: edits again")


async def relay(disk: Path, ballast: Path) -> None:
    store = await SqliteStore.open(disk / "relay.sqlite3")
    kept: list[bytes] = []
    try:
        while True:
            update = bytes([len(kept) % 256]) * 3000
            await store.append("room", update)
            kept.append(update)
    except StoreError as error:
        assert "make room" in str(error), error
    print(f"relay: full after {len(kept)} updates")
    ballast.unlink()
    await store.append("room", b"with room")
    assert list((await store.load("room")).updates) == [*kept, b"with room"]
    await store.close()
    print("relay: stores again")


def main(disk: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4M", "tmpfs", str(disk)], check=True)
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(1_000_000))
    library(disk, ballast)
    for file in disk.iterdir():
        file.unlink()
    ballast.write_bytes(bytes(1_000_000))
    asyncio.run(relay(disk, ballast))


main(Path(sys.argv[1]))
