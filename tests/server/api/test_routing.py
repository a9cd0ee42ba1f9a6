"""Paths: a room's name comes through in one form, and no path does more than be refused."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt_sync_server.api.paging import page_of
from crdt_sync_server.api.problems import Problem
from crdt_sync_server.api.table import ROUTES
from crdt_sync_server.rooms import RoomNameError, room_named


def found(raw: bytes) -> dict[str, str] | None:
    try:
        _, parts = ROUTES.find(raw)
    except (Problem, RoomNameError):
        return None
    return parts


@given(st.text(min_size=1, max_size=40), st.text(min_size=1, max_size=20))
def test_any_name_comes_through_encoded_as_one_part(room: str, subject: str) -> None:
    try:
        wanted = room_named(room)
        raw = f"/api/v1/rooms/{quote(room, safe='')}/members/{quote(subject, safe='')}?x=/rooms/y".encode()
    except (RoomNameError, UnicodeEncodeError):
        return
    assert found(raw) == {"room": wanted, "subject": subject}


@given(st.binary(max_size=60) | st.text("/%2Frooms.{}", max_size=30).map(str.encode))
def test_no_path_does_more_than_be_refused(path: bytes) -> None:
    parts = found(b"/api/v1/" + path)
    if parts and "room" in parts:
        assert room_named(parts["room"]) == parts["room"]


@pytest.mark.parametrize(
    "path", [b"/api%2Fv1/me", b"/api/v1//me", b"/api/v1/me/", b"/api/v1/rooms//document", b"/api/v1/"]
)
def test_a_path_has_one_spelling(path: bytes) -> None:
    assert found(path) is None


@given(st.lists(st.text(min_size=1, max_size=5), unique=True), st.integers(1, 4))
def test_pages_together_are_the_list(names: list[str], limit: int) -> None:
    names.sort()
    after: str | None = ""
    read: list[str] = []
    while after is not None:
        page, after = page_of(names, str, {"after": after, "limit": str(limit)})
        assert len(page) <= limit
        read += page
    assert read == names
