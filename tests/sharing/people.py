"""A relay that asks for tokens, a group in it, and who is there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from crdt_sync import Library, Status, open_library
from crdt_sync.sharing import Groups, open_groups
from tests.relay import RelayProcess
from tests.server.api.tokens import token

WAIT_S = 20


@asynccontextmanager
async def groups_of(relay: RelayProcess, subject: str) -> AsyncIterator[Groups]:
    async with open_groups(relay.url, token=lambda: token(subject)) as groups:
        yield groups


async def group_of(relay: RelayProcess, owner: str, *members: str) -> str:
    """Make a group, and let the others in as editors; return its room."""
    async with groups_of(relay, owner) as groups:
        room = (await groups.create("Reading circle")).room
        invitation = await groups.invite(room, uses=None)
    for member in members:
        async with groups_of(relay, member) as groups:
            assert invitation.link is not None
            assert (await groups.accept(invitation.link)).room == room
    return room


@asynccontextmanager
async def library_of(relay: RelayProcess, subject: str, path: Path, room: str) -> AsyncIterator[Library]:
    """Open the library of a room as `subject`."""
    async with open_library(
        path, relay=relay.url, room=room, subject=subject, author=subject.title(), token=lambda: token(subject)
    ) as library:
        yield library


async def status_where(library: Library, wanted: Any) -> Status:
    with anyio.fail_after(WAIT_S):
        async for status in library.status_changes():
            if wanted(status):
                return status
    raise AssertionError


async def highlights_of(library: Library, count: int) -> dict[str, str]:
    """Wait, bounded, until the library holds `count` highlights, and return the colour of each id."""
    with anyio.fail_after(WAIT_S):
        async with library.changes() as feed:
            while len(found := await library.highlights()) < count:
                await feed.take()
    assert len(found) == count
    return {each.id: each.color for each in found}
