"""People who talk about a highlight, each on a device of their own, over a real relay that asks for tokens."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import anyio
import httpx
import pytest

from crdt_sync import State
from crdt_sync.discussions import Discussions, Post, PostState, open_discussions
from crdt_sync.errors import BoundElsewhere, InvalidEdit, LibraryBusy, NotALibrary
from tests.interop.node import stock_clients
from tests.relay import RelayProcess
from tests.server.api.tokens import at, client_of, token, token_relay

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    with token_relay(tmp_path_factory.mktemp("relay"), "--limit", "strikes=20") as relay:
        yield relay


def group_of(relay: RelayProcess, owner: str = "ada", **members: str) -> str:
    """Make a group of `owner` and of `members`, each with a role."""
    with client_of(relay, owner) as client:
        room = client.post("/groups", json={"name": "Dante"}).json()["room"]
        for subject, role in members.items():
            made = client.post(at(room, "/invitations"), json={"role": "editor", "lifetime_s": 600, "uses": 1})
            with client_of(relay, subject) as other:
                assert other.post("/invitations/accept", json={"token": made.json()["token"]}).status_code == 200
            client.patch(at(room, f"/members/{subject}"), json={"role": role}).raise_for_status()
    return str(room)


Device = Callable[..., AbstractAsyncContextManager[Discussions]]


@pytest.fixture
def device(relay: RelayProcess, tmp_path: Path) -> Device:
    @asynccontextmanager
    async def opened(subject: str, group: str, name: str = "") -> AsyncIterator[Discussions]:
        async with open_discussions(
            tmp_path / f"{name or subject}.threads",
            relay=relay.url,
            group=group,
            subject=subject,
            token=lambda: token(subject),
        ) as discussions:
            yield discussions

    return opened


async def until(discussions: Discussions, holds: Callable[[], object]) -> None:
    """Wait for what comes to make an async condition true."""
    async with discussions.changes() as feed:
        with anyio.fail_after(20):
            while not await holds():  # type: ignore[misc]
                await feed.take()


async def posts_when(discussions: Discussions, thread: str, holds: Callable[[list[Post]], object]) -> list[Post]:
    """Return the posts of a thread once they are as they should be."""
    found: list[Post] = []

    async def look() -> bool:
        found[:] = await discussions.posts(thread)
        return bool(holds(found))

    await until(discussions, look)
    return found


def texts(posts: list[Post]) -> list[str | None]:
    return [post.text for post in posts]


def all_sent(*expected: str) -> Callable[[list[Post]], bool]:
    return lambda posts: texts(posts) == list(expected) and all(post.state is PostState.SENT for post in posts)


async def test_two_talk_and_each_sees_the_other_live(relay: RelayProcess, device: Device) -> None:
    group = group_of(relay, bob="editor")
    async with device("ada", group) as ada, device("bob", group) as bob:
        thread = await ada.open_thread("highlight-1", "Why a wood?")
        await posts_when(bob, thread, all_sent("Why a wood?"))
        answer = await bob.reply(thread, "Midway upon the journey", parent=thread)
        posts = await posts_when(ada, thread, all_sent("Why a wood?", "Midway upon the journey"))
        assert [(each.author, each.author_name, each.number, each.parent) for each in posts] == [
            ("ada", "Ada", 1, None),
            ("bob", "Bob", 2, thread),
        ]
        await ada.react(answer, "👍")
        await bob.edit(answer, "Nel mezzo")
        await bob.resolve(thread)
        posts = await posts_when(ada, thread, lambda posts: texts(posts)[1:] == ["Nel mezzo"])
        assert posts[1].edited_at_ms is not None
        await posts_when(bob, thread, lambda posts: posts[1].reactions == {"👍": ["ada"]})

        async def is_resolved() -> bool:
            return (await ada.threads("highlight-1"))[0].resolved_by == "bob"

        await until(ada, is_resolved)
        assert await ada.threads("another") == []
        await ada.unreact(answer, "👍")
        await bob.delete(answer)
        posts = await posts_when(ada, thread, lambda posts: texts(posts)[1:] == [None])
        assert posts[1].state is PostState.DELETED


async def test_unread_counts_are_of_others_posts_and_survive_a_restart(relay: RelayProcess, device: Device) -> None:
    group = group_of(relay, bob="editor")
    async with device("ada", group) as ada, device("bob", group) as bob:
        thread = await ada.open_thread("h", "one")
        for text in ("two", "three"):
            await ada.reply(thread, text)
        await posts_when(bob, thread, all_sent("one", "two", "three"))
        assert await bob.unread() == {thread: 3}
        await bob.mark_read(thread, number=2)
        assert await bob.unread() == {thread: 1}
        await bob.mark_read(thread, number=1)  # a mark never goes back
        assert (await bob.threads())[0].unread == 1
        assert await ada.unread() == {}
        await bob.reply(thread, "four")
        await posts_when(ada, thread, all_sent("one", "two", "three", "four"))
        assert await ada.unread() == {thread: 1}
    async with device("bob", group) as bob:
        assert await bob.unread() == {thread: 1}
        await bob.mark_read(thread)
        assert await bob.unread() == {}


async def test_moderators_hide_and_remove_and_nobody_else(relay: RelayProcess, device: Device) -> None:
    group = group_of(relay, bob="editor", cy="editor")
    async with device("ada", group) as ada, device("bob", group) as bob, device("cy", group) as cy:
        thread = await bob.open_thread("h", "something rude")
        await posts_when(ada, thread, all_sent("something rude"))
        refused = await cy.remove(thread)
        assert not await cy.sent(20)
        (waiting,) = await cy.outbox()
        assert (waiting.id, "only an owner" in (waiting.refusal or "")) == (refused, True)
        await cy.discard(refused)
        assert await cy.sent(20)
        await ada.hide(thread)
        await posts_when(cy, thread, lambda posts: posts and posts[0].is_hidden)
        assert await cy.unread() == {}
        await ada.unhide(thread)
        await posts_when(cy, thread, lambda posts: posts and not posts[0].is_hidden)
        await ada.remove(thread)
        posts = await posts_when(cy, thread, lambda posts: posts and posts[0].text is None)
        assert posts[0].state is PostState.REMOVED
    async with device("cy", group, "late") as late:
        posts = await posts_when(late, thread, lambda posts: posts)
        assert posts[0].text is None


async def test_who_is_removed_while_posts_wait_is_told_and_loses_none(
    relay: RelayProcess, device: Device, tmp_path: Path
) -> None:
    group = group_of(relay, bob="editor")
    async with device("bob", group) as bob:
        thread = await bob.open_thread("h", "here I am")
        assert await bob.sent(20)
    nowhere = httpx.AsyncClient(transport=httpx.MockTransport(_no_network))  # the network of a plane
    async with open_discussions(
        tmp_path / "bob.threads", relay=relay.url, group=group, subject="bob", token=token("bob"), client=nowhere
    ) as bob:
        waits = [await bob.reply(thread, text) for text in ("I think", "and also")]
        assert [post.state for post in await bob.posts(thread)][-2:] == [PostState.PENDING] * 2
        assert not await bob.sent(0.01)
    with client_of(relay, "ada") as ada:
        ada.delete(at(group, "/members/bob")).raise_for_status()
    async with device("bob", group) as bob:
        assert not await bob.sent(20)
        outbox = await bob.outbox()
        assert [each.id for each in outbox] == waits
        assert all("no such room" in (each.refusal or "") for each in outbox)
        with anyio.fail_after(20):
            async for status in bob.status_changes():
                if status.state is State.STOPPED:
                    break
        assert texts(await bob.posts(thread)) == ["here I am", "I think", "and also"]  # nothing of his is gone
    with client_of(relay, "ada") as ada, client_of(relay, "bob") as back:
        made = ada.post(at(group, "/invitations"), json={"role": "editor", "lifetime_s": 600, "uses": 1})
        back.post("/invitations/accept", json={"token": made.json()["token"]}).raise_for_status()
    async with device("bob", group) as bob:
        for each in waits:
            await bob.retry(each)
        assert await bob.sent(20)
        await posts_when(bob, thread, all_sent("here I am", "I think", "and also"))


def _no_network(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("no network", request=request)


async def test_a_file_is_one_persons_for_one_group_and_one_process(
    relay: RelayProcess, device: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = group_of(relay, bob="editor")
    async with device("ada", group, "file"):
        monkeypatch.setattr("crdt_sync.storage.discussion_schema.BUSY_TIMEOUT_S", 0.0)
        with pytest.raises(LibraryBusy):
            async with device("ada", group, "file"):
                pass
    with pytest.raises(BoundElsewhere, match="as ada"):
        async with device("bob", group, "file"):
            pass
    (tmp_path / "other.threads").write_bytes(b"no database at all, but long enough to be looked at" * 20)
    with pytest.raises(NotALibrary):
        async with device("ada", group, "other"):
            pass
    for wrong in ("ada", "g/", "g/x/threads"):
        with pytest.raises(InvalidEdit, match="g/<id>"):
            async with device("ada", wrong):
                pass


async def test_what_makes_no_sense_is_told_before_it_waits(relay: RelayProcess, device: Device) -> None:
    async with device("ada", group_of(relay)) as ada:
        for text in ("", " \n", "ä" * 8193, "half \ud800"):
            with pytest.raises(InvalidEdit):
                await ada.open_thread("h", text)
        with pytest.raises(InvalidEdit, match="half"):
            await ada.react("post", "\ud83d")
        assert await ada.outbox() == []


async def test_a_stock_client_follows_and_its_own_edits_reach_nobody(relay: RelayProcess, device: Device) -> None:
    group = group_of(relay, bob="editor")
    with stock_clients() as stock:
        async with device("ada", group) as ada:
            thread = await ada.open_thread("h", "Why a wood?")
            assert await ada.sent(20)
            stock.open("bob", relay.url, f"{group}/threads", token=token("bob"))
            stock.until("bob", synced=True, fields={f"{thread}/text": "Why a wood?"})
            stock.set("bob", {f"{thread}/text": "forged"}, root="fields")
            await ada.reply(thread, "live")
            posts = await posts_when(ada, thread, lambda posts: texts(posts)[1:] == ["live"] and posts[1].number == 2)
            assert texts(posts) == ["Why a wood?", "live"]
            stock.until("bob", fields={f"{posts[1].id}/text": "live"})
