from __future__ import annotations

import pytest

from crdt_sync_server.auth.own_rooms import OwnRooms
from crdt_sync_server.ports import Identity, Role

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("room", ["u/ada", "u/ada/", "u/ada/shelf", "u/ada/a/b"])
async def test_a_subject_owns_its_rooms(room: str) -> None:
    assert await OwnRooms().role(Identity("ada"), room) is Role.OWNER


@pytest.mark.parametrize("room", ["", "ada", "u/", "u", "u/ad", "u/adam", "u/bob", "u/bob/ada", "U/ada", "x/u/ada"])
async def test_and_no_other(room: str) -> None:
    assert await OwnRooms().role(Identity("ada"), room) is None


@pytest.mark.parametrize("subject", [None, "", "bob/ada", "/", "bob/"])
async def test_a_subject_that_would_reach_into_rooms_of_another_owns_none(subject: str | None) -> None:
    for room in ("u/", "u//", "u/bob/ada", "u/bob/", f"u/{subject}"):
        assert await OwnRooms().role(Identity(subject), room) is None
