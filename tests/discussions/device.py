"""A device that replies as fast as it can until it is killed: `python device.py FILE RELAY GROUP THREAD`.

It prints the id and the text of each reply once its call has returned.
"""

from __future__ import annotations

import sys
from itertools import count

import anyio

from crdt_sync.discussions import open_discussions
from tests.server.api.tokens import token


async def main(path: str, relay: str, group: str, thread: str) -> None:
    async with open_discussions(
        path, relay=relay, group=group, subject="bob", token=lambda: token("bob")
    ) as discussions:
        for number in count():
            print(await discussions.reply(thread, f"{number}"), number, flush=True)
            if number % 5 == 4:
                await discussions.sent(20)


anyio.run(main, *sys.argv[1:])
