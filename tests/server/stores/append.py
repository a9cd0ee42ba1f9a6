"""A store in a process of its own: appends as fast as it can, and says on standard output what is durable."""

import asyncio
import sys
from pathlib import Path

from crdt_sync_server.stores.sqlite import SqliteStore


async def main() -> None:
    store = await SqliteStore.open(Path(sys.argv[1]))
    first = int(sys.argv[2])

    async def write(lane: int) -> None:
        for number in range(100_000):
            name = f"{first}-{lane}-{number}"
            await store.append(f"room {lane}", name.encode())
            print(name, flush=True)

    await asyncio.gather(*(write(lane) for lane in range(4)))


asyncio.run(main())
