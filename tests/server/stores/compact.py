"""A store in a process of its own that compacts one room again and again, and says on standard output what it does.

Snapshot `n` is five segments of the byte `n`, 700 kB each; after it come three updates that name it.
"""

import asyncio
import sys
from pathlib import Path

from crdt_sync_server.stores import sqlite_rows as rows
from crdt_sync_server.stores.sqlite import SqliteStore


def say(*words: object) -> None:
    """Print a line in one go, as two threads do."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def telling(name: str) -> None:
    """Say when a part of the work has been done, in the middle of its transaction."""
    whole = getattr(rows, name)

    def told(*arguments: object) -> object:
        found = whole(*arguments)
        say(name)
        return found

    setattr(rows, name, told)


async def main() -> None:
    store = await SqliteStore.open(Path(sys.argv[1]))
    for name in ("stage", "put_in_place", "sweep"):
        telling(name)
    for number in range(int(sys.argv[2]), 256):
        through = (await store.load("room")).position
        say("begun", number)
        await store.compact("room", [bytes([number]) * 700_000] * 5, through)
        say("stored", number)
        for count in range(3):
            await store.append("room", b"%d-%d" % (number, count))
            say("appended", number, count)


asyncio.run(main())
