"""Who was removed from a group and is invited again: `reconnect` is enough, and what was done meanwhile is sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from crdt_sync import Anchor, Library, State, blocking, open_library
from crdt_sync.discussions import Discussions, PostState, open_discussions
from crdt_sync.library import TransportChoice
from crdt_sync.sharing import Role
from tests.blocking.waiting import until
from tests.discussions.test_together import posts_when
from tests.relay import RelayProcess
from tests.server.api.tokens import token, token_relay
from tests.sharing.people import WAIT_S, group_of, groups_of, highlights_of, library_of, status_where

pytestmark = pytest.mark.anyio
VERSE = Anchor.verse("Gen.1.4", work="Bible.KJV", quote="the light")


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    with token_relay(tmp_path_factory.mktemp("relay")) as relay:
        yield relay


async def remove(relay: RelayProcess, room: str, subject: str) -> None:
    async with groups_of(relay, "ada") as groups:
        await groups.remove(room, subject)


async def invite_again(relay: RelayProcess, room: str, subject: str) -> None:
    async with groups_of(relay, "ada") as groups:
        invitation = await groups.invite(room)
    async with groups_of(relay, subject) as groups:
        await groups.accept(invitation.link or "")


async def stopped(opened: Library | Discussions) -> str:
    """Wait until it is refused; return why."""
    with anyio.fail_after(WAIT_S):
        async for status in opened.status_changes():
            if status.state is State.STOPPED:
                return status.last_error or ""
    raise AssertionError


@pytest.mark.parametrize("transport", ["websocket", "polling", "auto"])
async def test_a_library_goes_on_after_a_new_invitation_and_loses_nothing(
    relay: RelayProcess, tmp_path: Path, transport: TransportChoice
) -> None:
    room = await group_of(relay, "ada", "ben")
    async with (
        library_of(relay, "ada", tmp_path / "ada", room) as ada,
        open_library(
            tmp_path / "ben",
            relay=relay.url,
            room=room,
            subject="ben",
            token=lambda: token("ben"),
            transport=transport,
        ) as ben,
    ):
        kept = {await ben.add_highlight(VERSE)}
        assert await ben.synced(WAIT_S), ben.status
        await remove(relay, room, "ben")
        if transport == "polling":  # nobody tells it before it asks
            await ben.add_highlight(VERSE, color="green")
        assert "not open to you" in await stopped(ben)
        kept.add(await ben.add_highlight(VERSE, color="pink"))
        kept.add(await ada.add_highlight(VERSE, color="blue"))
        assert await ada.synced(WAIT_S)
        ben.reconnect()  # too early
        assert ben.status.state is State.CONNECTING
        assert not await ben.synced(WAIT_S)
        assert "not open to you" in await stopped(ben)
        assert ben.status.pending >= 1
        await invite_again(relay, room, "ben")
        ben.reconnect()
        assert await ben.synced(WAIT_S), ben.status
        assert ben.status.last_error is None
        expected = len(kept) + (transport == "polling")
        assert await highlights_of(ada, expected) == await highlights_of(ben, expected)
        assert kept <= {each.id for each in await ada.highlights()}
        last = await ada.add_highlight(VERSE, color="yellow")  # and it is in step, both ways
        assert last in await highlights_of(ben, expected + 1)


async def test_a_reader_whose_edit_was_refused_goes_on_once_they_may_edit(relay: RelayProcess, tmp_path: Path) -> None:
    room = await group_of(relay, "ada", "ben")
    async with (
        groups_of(relay, "ada") as groups,
        library_of(relay, "ada", tmp_path / "ada", room) as ada,
        library_of(relay, "ben", tmp_path / "ben", room) as ben,
    ):
        assert await ben.synced(WAIT_S)
        await groups.set_role(room, "ben", Role.READER)
        kept = await ben.add_highlight(VERSE)
        assert "read-only" in await stopped(ben)
        await groups.set_role(room, "ben", Role.EDITOR)
        ben.reconnect()
        assert await ben.synced(WAIT_S), ben.status
        assert await highlights_of(ada, 1) == {kept: "yellow"}


async def test_a_group_that_was_deleted_stays_stopped_and_says_so(relay: RelayProcess, tmp_path: Path) -> None:
    room = await group_of(relay, "ada", "ben")
    async with library_of(relay, "ben", tmp_path / "ben", room) as ben:
        assert await ben.synced(WAIT_S)
        async with groups_of(relay, "ada") as groups:
            await groups.delete(room)
        why = await stopped(ben)
        assert "deleted" in why
        ben.reconnect()
        assert (ben.status.state, ben.status.last_error) == (State.STOPPED, why)
        assert not await ben.synced(WAIT_S), "which is said at once"


async def test_discussions_go_on_and_what_was_refused_meanwhile_is_sent_in_its_order(
    relay: RelayProcess, tmp_path: Path
) -> None:
    room = await group_of(relay, "ada", "ben")
    async with (
        open_discussions(
            tmp_path / "ada", relay=relay.url, group=room, subject="ada", token=lambda: token("ada")
        ) as ada,
        open_discussions(
            tmp_path / "ben", relay=relay.url, group=room, subject="ben", token=lambda: token("ben")
        ) as ben,
    ):
        thread = await ben.open_thread("h", "one")
        assert await ben.sent(WAIT_S)
        await remove(relay, room, "ben")
        await stopped(ben)
        for text in ("two", "three"):
            await ben.reply(thread, text)
        assert not await ben.sent(WAIT_S)
        assert [post.state for post in await ben.posts(thread)][1:] == [PostState.REFUSED] * 2
        await ada.reply(thread, "meanwhile")
        ben.reconnect()  # too early
        await stopped(ben)
        assert ben.status.refused == 2
        await invite_again(relay, room, "ben")
        ben.reconnect()
        posts = await posts_when(ben, thread, lambda posts: len(posts) == 4 and all(each.number for each in posts))
        assert [post.text for post in posts] == ["one", "meanwhile", "two", "three"]
        assert await ben.sent(WAIT_S)
        assert await posts_when(ada, thread, lambda seen: len(seen) == 4) == posts


async def test_the_blocking_faces_do_the_same(relay: RelayProcess, tmp_path: Path, anyio_backend: str) -> None:
    room = await group_of(relay, "ada", "ben")
    backend: Any = anyio_backend

    def get_token() -> str:
        return token("ben")

    def work() -> None:
        with (
            blocking.open_library(
                tmp_path / "ben", relay=relay.url, room=room, subject="ben", token=get_token, backend=backend
            ) as ben,
            blocking.open_discussions(
                tmp_path / "talk", relay=relay.url, group=room, subject="ben", token=get_token, backend=backend
            ) as talk,
        ):
            assert ben.synced(WAIT_S)
            until(lambda: talk.status.state is State.CONNECTED, "the discussions")
            anyio.run(remove, relay, room, "ben")
            until(lambda: {ben.status.state, talk.status.state} == {State.STOPPED}, "the refusal")
            talk.open_thread(ben.add_highlight(VERSE), "still here")
            until(lambda: talk.status.refused == 1, "the relay's word")
            anyio.run(invite_again, relay, room, "ben")
            ben.reconnect()
            talk.reconnect()
            assert ben.synced(WAIT_S), ben.status
            until(lambda: not talk.status.refused, "the second try")
            assert talk.sent(WAIT_S)

    await anyio.to_thread.run_sync(work)
    async with library_of(relay, "ada", tmp_path / "ada", room) as ada:
        await highlights_of(ada, 1)
        await status_where(ada, lambda status: status.state is State.CONNECTED)
