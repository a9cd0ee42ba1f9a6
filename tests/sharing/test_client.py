"""The groups of a real relay from Python: what can be done, what cannot, and what is said then."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from crdt_sync import blocking
from crdt_sync.errors import (
    InvalidEdit,
    NoSuchGroup,
    NoSuchInvitation,
    NoSuchMember,
    NotAllowed,
    RelayUnavailable,
    SharingRefused,
    SignInNeeded,
)
from crdt_sync.sharing import Account, Invitation, Role, open_groups
from tests.relay import RelayProcess
from tests.server.api.tokens import token, token_relay
from tests.sharing.people import group_of, groups_of

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    with token_relay(tmp_path_factory.mktemp("relay")) as relay:
        yield relay


@pytest.fixture
def patient_relay(tmp_path: Path) -> Iterator[RelayProcess]:
    """A relay for bad tokens: it stops to look at those of an address that has brought many."""
    with token_relay(tmp_path) as relay:
        yield relay


async def test_a_group_from_its_making_to_its_end(relay: RelayProcess) -> None:
    async with groups_of(relay, "ada") as ada, groups_of(relay, "ben") as ben:
        assert await ada.me() == Account("ada", "Ada")
        made = await ada.create("  Reading circle ")
        assert (made.name, made.role) == ("Reading circle", Role.OWNER)
        room = made.room
        invitation = await ada.invite(room, role=Role.READER, uses=2)
        assert invitation.link is not None
        assert (await ben.accept(invitation.link)).role is Role.READER
        assert (await ben.accept(invitation.token or "")).role is Role.READER, "twice is harmless"
        assert room in {each.room for each in await ben.rooms()}
        (listed,) = await ada.invitations(room)
        assert listed == Invitation(invitation.id, Role.READER, invitation.expires_ms, 1)
        assert [(each.subject, each.name, each.role) for each in await ben.members(room)] == [
            ("ada", "Ada", Role.OWNER),
            ("ben", "Ben", Role.READER),
        ]
        assert (await ada.set_role(room, "ben", Role.EDITOR)).role is Role.EDITOR
        assert (await ben.about(room)).role is Role.EDITOR
        assert (await ada.rename(room, "Dante")).name == "Dante"
        await ada.revoke(room, invitation.id)
        assert await ada.invitations(room) == []
        await ben.leave(room)
        with pytest.raises(NoSuchGroup):
            await ben.about(room)
        await ada.delete(room)
        with pytest.raises(NoSuchGroup) as caught:
            await ada.about(room)
        assert caught.value.code == "room-deleted"


async def test_what_cannot_be_is_said_with_what_can(relay: RelayProcess) -> None:
    room = await group_of(relay, "ada", "ben")
    async with groups_of(relay, "ada") as ada, groups_of(relay, "ben") as ben, groups_of(relay, "eve") as eve:
        with pytest.raises(SharingRefused, match="last owner"):
            await ada.leave(room)
        with pytest.raises(SharingRefused):
            await ada.create("")
        with pytest.raises(NoSuchMember):
            await ada.remove(room, "eve")
        with pytest.raises(NotAllowed, match="owner"):
            await ben.invite(room)
        with pytest.raises(NoSuchGroup):
            await eve.members(room)
        with pytest.raises(NoSuchInvitation):
            await eve.accept("made.up")
        with pytest.raises(SharingRefused):
            await ada.invite(room, lifetime_s=1)


async def test_subjects_and_names_of_any_kind_come_through(relay: RelayProcess) -> None:
    subject = "auth0|Zoë/1 %2F?#"
    room = await group_of(relay, "ada", subject)
    async with groups_of(relay, "ada") as ada:
        await ada.rename(room, "日本 & <b>")
        assert (await ada.about(room)).name == "日本 & <b>"
        assert (await ada.set_role(room, subject, Role.READER)).subject == subject
        await ada.remove(room, subject)
        assert [each.subject for each in await ada.members(room)] == ["ada"]


async def test_a_long_list_comes_whole(
    relay: RelayProcess, anyio_backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crdt_sync.sharing.client.PAGE", 2)
    async with groups_of(relay, f"carol on {anyio_backend}") as carol:
        made = {(await carol.create(f"circle {number}")).room for number in range(5)}
        found = await carol.rooms()
    assert {each.room for each in found} == made
    assert len(found) == 5


async def test_who_has_no_good_token_is_told_to_sign_in(patient_relay: RelayProcess) -> None:
    for wrong in (None, token("ada", exp=1)):
        async with open_groups(patient_relay.url, token=wrong) as nobody:
            with pytest.raises(SignInNeeded):
                await nobody.me()


async def test_one_new_token_is_asked_for_however_many_wait(patient_relay: RelayProcess) -> None:
    asked = 0

    async def get_token() -> str:
        nonlocal asked
        asked += 1
        await anyio.lowlevel.checkpoint()
        return token("ada", exp=1) if asked == 1 else token("ada")

    async with open_groups(patient_relay.url, token=get_token) as groups, anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(groups.me)
    assert asked == 2


async def test_a_token_that_stays_bad_is_not_asked_for_again_and_again(patient_relay: RelayProcess) -> None:
    asked: list[str] = []

    def get_token() -> str:
        asked.append(token("ada", exp=1, jti=str(len(asked))))
        return asked[-1]

    async with open_groups(patient_relay.url, token=get_token) as groups:
        with pytest.raises(SignInNeeded):
            await groups.me()
    assert len(asked) == 2

    def broken() -> str:
        raise OSError("no keyring")

    async with open_groups(patient_relay.url, token=broken) as groups:
        with pytest.raises(SignInNeeded, match="no keyring"):
            await groups.me()


async def test_an_invitation_goes_to_its_own_relay_alone(relay: RelayProcess) -> None:
    with pytest.raises(InvalidEdit, match=r"relay\.example"):
        async with groups_of(relay, "ada") as ada:
            await ada.accept("https://relay.example/#invitation=secret")
    with pytest.raises(InvalidEdit, match="URL of a relay"):
        async with open_groups("relay.example"):
            raise AssertionError


async def test_what_is_no_relay_or_does_not_answer_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        url = f"ws://127.0.0.1:{nobody.getsockname()[1]}"
    async with open_groups(url, token="t") as groups:
        with pytest.raises(RelayUnavailable, match="could not be asked"):
            await groups.me()
    with RelayProcess(tmp_path) as open_relay:
        async with open_groups(open_relay.url) as groups:
            assert await groups.me() == Account(None, None)
            with pytest.raises(NotAllowed, match="--auth"):
                await groups.create("Reading circle")
        async with open_groups(f"{open_relay.url}/elsewhere") as groups:
            with pytest.raises(RelayUnavailable, match="in the relay's place"):
                await groups.me()


ANSWERS: list[tuple[int, bytes]] = [
    (200, b"<html>"),
    (200, b"[" * 100_000),
    (200, b'{"rooms": 7}'),
    (200, b'{"rooms": [{"room": 1}], "next": null}'),
    (200, b'{"rooms": [{"room": "g/x", "name": null, "role": "king", "since_ms": 1}], "next": null}'),
    (200, b'{"rooms": [], "next": "on and on"}'),
    (302, b""),
    (500, b'{"code": "internal", "detail": "it failed"}'),
    (502, b"bad gateway"),
]


@pytest.mark.parametrize(("status", "body"), ANSWERS)
async def test_any_answer_is_read_or_said_to_be_none(status: int, body: bytes) -> None:
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as tasks:

        async def answer(stream: Any) -> None:
            async with stream:
                await stream.receive()
                head = f"HTTP/1.1 {status} x\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: {len(body)}\r\n\r\n"
                await stream.send(head.encode() + body)

        tasks.start_soon(listener.serve, answer)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        async with open_groups(f"ws://127.0.0.1:{port}", token="t") as groups:
            if b"on and on" in body:
                assert await groups.rooms() == []
            else:
                with pytest.raises(RelayUnavailable):
                    await groups.rooms()
        tasks.cancel_scope.cancel()


def test_the_blocking_face_does_the_same(relay: RelayProcess) -> None:
    with blocking.open_groups(relay.url, token=lambda: token("ada")) as ada:
        room = ada.create("Reading circle").room
        link = ada.invite(room).link
        with blocking.open_groups(relay.url, token=token("ben")) as ben:
            assert ben.accept(link or "").room == room
            with pytest.raises(NotAllowed):
                ben.delete(room)
        assert [each.subject for each in ada.members(room)] == ["ada", "ben"]
