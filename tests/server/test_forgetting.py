"""A deleted user's words leave the discussions: over a relay that runs and on its store at rest, to the last byte."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from pycrdt import Doc, Map

from crdt_sync.discussions import Discussions, Post, PostState, open_discussions
from crdt_sync.protocol.messages import SyncStep1, SyncStep2, SyncUpdate
from crdt_sync_server.actions import Action, Do
from crdt_sync_server.errors import Forbidden
from crdt_sync_server.host import Host
from crdt_sync_server.ports import Grant, Role
from crdt_sync_server.roster import Actor
from crdt_sync_server.stores.memory import MemoryStore
from crdt_sync_server.stores.sqlite_file import connect
from crdt_sync_server.threads import act, forget
from tests.hostile import RawSocket
from tests.relay import RelayProcess
from tests.server.api.test_discussion import act as ask
from tests.server.api.test_discussion import path_of, posted
from tests.server.api.test_discussion import read as read_threads
from tests.server.api.tokens import at, client_of, token, token_relay
from tests.server.operating import call, tell
from tests.server.test_people import group_of

WORDS = "what Evelyn never wanted to say"


def talk(relay: RelayProcess, room: str) -> tuple[str, str]:
    """Let eve post, edit, react and resolve, and ada answer; return the post and the answer."""
    post = posted(relay, "eve", room, f"{WORDS} at first")
    answer = str(ask(relay, "ada", room, "reply", thread=post, text="I see").json()["id"])
    for do, what in (
        ("edit", {"post": post, "text": WORDS}),
        ("react", {"post": answer, "reaction": "+"}),
        ("resolve", {"thread": post}),
    ):
        assert ask(relay, "eve", room, do, **what).status_code == 200
    return post, answer


def places_of(data: Path, words: str) -> list[str]:
    return [each.name for each in data.iterdir() if each.is_file() and words.encode() in each.read_bytes()]


@pytest.mark.parametrize("runs", [True, False])
def test_a_deleted_users_words_and_name_are_gone_from_the_threads_and_from_the_file(tmp_path: Path, runs: bool) -> None:
    data, folder = tmp_path / "data", tmp_path / "of eve"
    with token_relay(tmp_path) as relay, group_of(relay, "eve", "bob") as (ada, room):
        post, answer = talk(relay, room)
        other = ada.post("/groups", json={"name": "left long ago"}).json()["room"]
        made = ada.post(at(other, "/invitations"), json={"role": "editor"}).json()["token"]
        with client_of(relay, "eve") as eve:
            eve.post("/invitations/accept", json={"token": made}).raise_for_status()
        left, _ = talk(relay, other)
        assert ada.delete(at(other, "/members/eve")).status_code == 204
        assert places_of(data, WORDS)
        assert places_of(data, "Eve")
        assert call(data, "users", "export", "eve", "--to", str(folder)).returncode == 0
        if not runs:
            assert relay.terminate() == 0
        done = tell(data, "users", "delete", "eve", "--yes")
        assert done["discussions"] == sorted([room, other])
        for words in (WORDS, "Eve"):  # while the relay runs too
            assert places_of(data, words) == []
        assert tell(data, "users", "delete", "eve", "--yes")["discussions"] == []
        if not runs:
            relay.start()
        found = read_threads(relay, "bob", room)
        assert found["posts"][post]["by"] is None
        assert found["posts"][answer]["by"] == "ada"
        assert found["fields"][f"{answer}/text"] == "I see"
        assert "eve" not in json.dumps([found, read_threads(relay, "ada", other)]).lower()
        assert ask(relay, "eve", room, "reply", thread=post, text="still here").status_code == 404
    known = json.loads((folder / "user.json").read_text("utf-8"))["discussions"]
    assert {each["room"]: each["posts"][0]["post"] for each in known} == {room: post, other: left}
    assert {each["posts"][0]["text"] for each in known} == {WORDS}
    assert any(each["about"] == "eve" for each in tell(data, "audit")), "the audit keeps that this was done"
    assert tell(data, "rooms", "verify")["problems"] == []


def test_who_is_there_and_who_comes_late_get_what_stands(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with token_relay(tmp_path) as relay, group_of(relay, "eve", "bob") as (_, room):
        post, _ = talk(relay, room)
        with RawSocket(relay.port, path_of(room, "bob")) as bob, RawSocket(relay.port, path_of(room, "eve")) as eve:
            doc: Doc[Any] = Doc()
            bob.send(SyncStep1(b"\x00"))
            doc.apply_update(bob.hear(SyncStep2).update)
            eve.sync()
            assert doc.get("posts", type=Map)[post]["by"] == "eve"
            tell(data, "users", "delete", "eve", "--yes")
            doc.apply_update(bob.hear(SyncUpdate).update)
            assert eve.until_closed() == 4403
        late = read_threads(relay, "bob", room)
        assert {name: doc.get(name, type=Map).to_py() for name in late} == late
        assert b"Evelyn" not in doc.get_update()


@asynccontextmanager
async def device(path: Path, relay: RelayProcess, room: str, subject: str) -> AsyncIterator[Discussions]:
    async with open_discussions(
        path, relay=relay.url, group=room, subject=subject, token=lambda: token(subject)
    ) as discussions:
        yield discussions


async def shown(discussions: Discussions, thread: str, author: str | None) -> list[Post]:
    """Return the posts of a thread once its first is of `author`."""
    async with discussions.changes() as feed:
        with anyio.fail_after(20):
            while not (found := await discussions.posts(thread)) or found[0].author != author:
                await feed.take()
    return found


@pytest.mark.anyio
@pytest.mark.parametrize("is_there", [True, False])
async def test_a_device_shows_a_deleted_user_where_it_had_a_name(tmp_path: Path, is_there: bool) -> None:
    """A device that is connected, and one that comes late with rows that it stored before."""
    path = tmp_path / "bob.threads"

    def check(found: list[Post]) -> None:
        assert [(each.author, each.author_name, each.text, each.state) for each in found] == [
            (None, None, None, PostState.DELETED),
            ("ada", "Ada", "I see", PostState.SENT),
        ]
        assert found[1].reactions == {}

    with token_relay(tmp_path) as relay, group_of(relay, "eve", "bob") as (_, room):
        thread, _ = await anyio.to_thread.run_sync(talk, relay, room)
        delete = partial(tell, tmp_path / "data", "users", "delete", "eve", "--yes")
        async with device(path, relay, room, "bob") as bob:
            found = await shown(bob, thread, "eve")
            assert (found[0].author_name, found[1].reactions) == ("Eve", {"+": ["eve"]})
            if is_there:
                await anyio.to_thread.run_sync(delete)
                check(await shown(bob, thread, None))
        if not is_there:
            await anyio.to_thread.run_sync(delete)
        async with device(path, relay, room, "bob") as bob:
            check(await shown(bob, thread, None))
            (only,) = await bob.threads()
            assert (only.author, only.author_name, only.resolved_by) == (None, None, None)
            assert only.resolved_at_ms is not None
            assert only.unread == 1
    for words in (WORDS, "Eve", "eve"):
        assert words.encode() not in path.read_bytes()


@pytest.mark.anyio
async def test_a_subject_is_taken_out_while_others_act() -> None:
    """Its own last actions are on the way, and done before it is taken out or refused; those of others all stay."""
    store = MemoryStore()
    host = Host(store, now=anyio.current_time)
    out = False

    async def grant(subject: str) -> Grant:
        if out and subject == "eve":
            raise Forbidden("eve is no member any more")
        return Grant(subject, role=Role.EDITOR, as_of=host.roles_changed)

    async def post(subject: str, number: int) -> None:
        action = Action(f"{subject}-{number:016}", Do.OPEN, highlight="h", text=f"{subject} says")
        actor = Actor(subject, subject.upper())
        try:
            await act(host, "g/group", actor, lambda: grant(subject), action, number)
        except Forbidden:
            assert subject == "eve"

    async with host.running():
        async with anyio.create_task_group() as tasks:
            await post("eve", 0)
            for number in range(1, 30):
                for subject in ("ada", "eve"):
                    tasks.start_soon(post, subject, number)
                if number == 15:
                    await anyio.lowlevel.checkpoint()
                    out = True  # stored, and in effect in the same step
                    host.regrade("g/group", "eve", None)
                    tasks.start_soon(forget, host, "g/group", "eve", 99)
        await host.stop()
    doc: Doc[Any] = Doc()
    stored = await store.load("g/group/threads")
    for update in stored.updates:
        doc.apply_update(update)
    by = [value["by"] for value in doc.get("posts", type=Map).to_py().values()]  # type: ignore[union-attr]
    assert by.count("ada") == 29
    assert set(by) == {"ada", None}
    assert not any(words in update for update in stored.updates for words in (b"eve says", b"EVE"))


def test_what_keeps_the_bytes_from_going_is_told_and_asking_again_does_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crdt_sync_server.stores.sqlite.ERASE_WITHIN_S", 0.2)
    data = tmp_path / "data"
    with token_relay(tmp_path) as relay, group_of(relay, "eve") as (_, room):
        post, _ = talk(relay, room)
        tell(data, "tokens", "create", "eve")
    reader = connect(data / "relay.sqlite3")
    try:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM updates").fetchone()  # as a backup does
        done = call(data, "users", "delete", "eve", "--yes")
        assert (done.returncode, done.stdout) == (1, b"")
        assert "ask again" in done.stderr.decode()
        assert [each["revoked_ms"] is None for each in tell(data, "tokens", "list")] == [False]
    finally:
        reader.close()
    assert tell(data, "users", "delete", "eve", "--yes")["discussions"] == []
    assert places_of(data, WORDS) == []
    monkeypatch.setattr("crdt_sync_server.stores.sqlite_file.ANEW_UP_TO_BYTES", 0)
    assert "VACUUM" in call(data, "users", "delete", "eve", "--yes").stdout.decode(), "a large store says what to do"
    with relay:
        assert read_threads(relay, "ada", room)["posts"][post]["by"] is None
