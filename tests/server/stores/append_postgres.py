"""A store in a process of its own: appends as fast as it can, and says on standard output what is durable.

Arguments: the database's URL, a word that tells this process's updates from others', and how many it appends at most.
"""

import asyncio
import sys

from crdt_sync_server.stores.postgres import PostgresStore

LANES = 4


async def main() -> None:
    store = await PostgresStore.open(sys.argv[1], node=sys.argv[2])

    async def write(lane: int) -> None:
        for number in range(int(sys.argv[3]) // LANES):
            name = f"{sys.argv[2]}-{lane}-{number}"
            position = await store.append(f"room {lane}", name.encode())
            print(f"{lane} {position} {name}", flush=True)

    async with asyncio.TaskGroup() as tasks:
        for lane in range(LANES):
            tasks.create_task(write(lane))
    await store.close()


asyncio.run(main())
