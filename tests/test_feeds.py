from __future__ import annotations

from typing import Any

import anyio
from hypothesis import given
from hypothesis import strategies as st

from crdt_sync.feeds import PresenceFeed
from crdt_sync.sync.presence import PresenceChange, PresenceKind


@given(st.lists(st.one_of(st.tuples(st.integers(1, 3), st.sampled_from("ab-")), st.just("read"))))
def test_a_reader_of_presence_that_is_slow_knows_what_is_so(events: list[Any]) -> None:
    """Whenever it reads, it knows who is here and what they show; who joins was not here, who leaves was."""

    async def follow() -> None:
        feed = PresenceFeed()
        here: dict[int, str] = {}
        known: dict[int, str] = {}

        async def read() -> None:
            with anyio.move_on_after(0):
                for change in await feed.take():
                    assert (change.kind is PresenceKind.JOINED) == (change.client_id not in known)
                    if change.kind is PresenceKind.LEFT:
                        del known[change.client_id]
                    else:
                        known[change.client_id] = change.state
            assert known == here

        for event in events:
            if event == "read":
                await read()
                continue
            client, shown = event
            before = here.pop(client, None)
            if shown == "-":
                if before is not None:
                    feed.put(PresenceChange(client, PresenceKind.LEFT, None))
                continue
            here[client] = shown
            kind = PresenceKind.JOINED if before is None else PresenceKind.UPDATED
            feed.put(PresenceChange(client, kind, shown))
        await read()

    anyio.run(follow)
