from __future__ import annotations

import unicodedata
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from crdt_sync_server.errors import NoSuchRoom, SharingError
from crdt_sync_server.membership import set_role
from crdt_sync_server.ports import Role
from crdt_sync_server.rooms import MAX_ROOM_NAME_BYTES, RoomNameError, group_of, is_group, room_of, threads_of
from crdt_sync_server.roster import OPERATOR, Actor, Roster


def of(path: str) -> str:
    return room_of({"raw_path": path.encode(), "path": "not this one"})


@settings(suppress_health_check=[HealthCheck.filter_too_much])  # much of Unicode is no name
@given(st.text(min_size=1, max_size=60))
@example("ada/books/日本 🙂")
@example("a%2Fb")
@example("50%")
def test_a_name_is_the_same_however_it_is_encoded(name: str) -> None:
    name = unicodedata.normalize("NFC", name)
    try:
        canonical = of("/" + quote(name))
    except RoomNameError:
        assume(False)
    assert canonical == name
    assert of("/" + quote(name, safe="")) == name
    assert of("/" + "".join(f"%{byte:02x}" for byte in name.encode()) + "?token=secret") == name
    assert of("/" + quote(unicodedata.normalize("NFD", name))) == name


@given(st.binary(max_size=40))
def test_any_bytes_are_a_sound_name_or_refused(path: bytes) -> None:
    try:
        name = room_of({"raw_path": b"/" + path, "path": ""})
    except RoomNameError as error:
        assert error.close_code == 4403
    else:
        assert 0 < len(name.encode()) <= MAX_ROOM_NAME_BYTES
        assert not any(ord(character) < 32 for character in name)
        assert not {"", ".", ".."} & set(name.split("/"))


@pytest.mark.parametrize(
    "path",
    ["/", "", "/..", "/a/../b", "/a/%2e%2e/b", "/a//b", "/a/", "/%00", "/a%0Ab", "/%ff", "/./a", "/" + "x" * 513],
)
def test_what_is_no_name_is_refused_with_words(path: str) -> None:
    with pytest.raises(RoomNameError, match="room"):
        of(path)


def test_the_path_is_decoded_once() -> None:
    assert of("/a%252Fb") == "a%2Fb"


@pytest.mark.parametrize(
    ("room", "group"),
    [
        ("g/abc/threads", "g/abc"),
        ("g/abc", None),
        ("g/threads", None),
        ("g/a/b/threads", None),
        ("u/ada/threads", None),
        ("g/abc/threads/threads", None),
    ],
)
def test_the_threads_of_a_group_are_one_room_and_no_group(room: str, group: str | None) -> None:
    assert group_of(room) == group
    if group is not None:
        assert threads_of(group) == room
        assert threads_of(room) is None
        assert not is_group(room)


def test_the_threads_of_a_group_have_no_members_of_their_own() -> None:
    roster = Roster("g/abc/threads")
    with pytest.raises(SharingError, match="those of the group"):
        set_role(roster, OPERATOR, "bob", Role.EDITOR, 1)
    with pytest.raises(NoSuchRoom):  # others are not even told that
        set_role(roster, Actor("ada"), "bob", Role.EDITOR, 1)
