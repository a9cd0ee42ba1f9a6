"""A device that edits as fast as it can until it is killed: `python device.py FILE RELAY ROOM`.

It prints `made ID` when an edit's call has returned, and `saved N` when the relay had confirmed its first N edits.
"""

from __future__ import annotations

import sys

import anyio

from crdt_sync import Anchor, Library, State, open_library


async def tell_what_is_saved(library: Library, made: list[str]) -> None:
    async for status in library.status_changes():
        if status.state is State.CONNECTED and not status.pending:
            print("saved", len(made), flush=True)


async def main(path: str, relay: str, room: str) -> None:
    made: list[str] = []
    async with open_library(path, relay=relay, room=room) as library, anyio.create_task_group() as tasks:
        await library.synced(20)
        tasks.start_soon(tell_what_is_saved, library, made)
        while True:
            made.append(await library.add_highlight(Anchor.verse("Gen.1.1", work="Bible.KJV")))
            print("made", made[-1], flush=True)
            if len(made) % 10 == 0:
                await library.synced(20)


anyio.run(main, *sys.argv[1:])
