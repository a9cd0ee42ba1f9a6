"""Who is shown as whom: stock clients in node and the engine, in a group of a real relay that asks for tokens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from crdt_sync import Library
from crdt_sync.errors import InvalidEdit
from crdt_sync.protocol.person import Person, color_of
from crdt_sync_server.room import NOT_YOU
from tests.interop.node import stock_clients
from tests.relay import RelayProcess
from tests.server.api.tokens import token, token_relay
from tests.sharing.people import WAIT_S, group_of, library_of, status_where

pytestmark = pytest.mark.anyio
PICTURE = "https://example.org/ada.png"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    with token_relay(tmp_path_factory.mktemp("relay")) as relay:
        yield relay


async def people_are(library: Library, *wanted: Person) -> None:
    """Wait, bounded, until these and no others are here."""
    changed = anyio.Event()

    def wake(_: object) -> None:
        changed.set()

    forget = library.presence.listen(wake)
    with anyio.fail_after(WAIT_S):
        while sorted(library.presence.people().values(), key=str) != sorted(wanted, key=str):
            changed = anyio.Event()
            await changed.wait()
    forget()


async def test_stock_clients_show_themselves_as_ever_and_nobody_as_another(relay: RelayProcess) -> None:
    room = await group_of(relay, "ada", "ben")
    plain, honest = {"user": {"name": "Ada", "color": "#ff0000"}}, {"user": {"name": "Ada", "subject": "ada"}}
    with stock_clients() as node:
        for who in ("ada", "ben"):
            node.open(who, relay.url, room, token=token(who))
            node.until(who, synced=True)
        node.call("presence", "ada", plain)
        node.until("ben", presence=[plain])
        node.call("presence", "ada", honest)
        node.until("ben", presence=[honest])
        node.call("presence", "ben", {"user": {"name": "Ben"}})
        node.until("ada", presence=[{"user": {"name": "Ben"}}])
        node.call("presence", "ben", {"user": {"name": "Ada!", "subject": "ada"}})
        node.set("ben", {"k": 1})
        node.until("ada", m={"k": 1})  # so the relay has taken what was said before
        node.open("late", relay.url, room, token=token("ada"))  # and tells who comes now what it has taken
        node.until("late", presence=[honest, {"user": {"name": "Ben"}}])
        node.call("presence", "ben", {"user": {"name": "Ben"}, "at": "Gen.1.1"})
        node.until("late", presence=[honest, {"user": {"name": "Ben"}, "at": "Gen.1.1"}])
        state = node.see("ben")
        assert (state["connected"], state["closes"], state["connections"]) == (True, [], 1), "it was not closed for it"


async def test_the_engine_shows_its_subject_and_is_told_if_it_claims_another(
    relay: RelayProcess, tmp_path: Path
) -> None:
    room = await group_of(relay, "ada", "ben")
    async with (
        library_of(relay, "ada", tmp_path / "ada", room) as ada,
        library_of(relay, "ben", tmp_path / "ben", room) as ben,
    ):
        assert await ada.synced(WAIT_S)
        assert await ben.synced(WAIT_S)
        ada.presence.show("Ada", avatar=PICTURE, at="Gen.1.1")
        await people_are(ben, Person("Ada", color_of("ada"), PICTURE, "ada"))
        assert [state["at"] for state in ben.presence.others().values()] == ["Gen.1.1"]
        ben.presence.set({"user": {"name": "Ada", "subject": "ada"}})
        status = await status_where(ben, lambda status: status.last_error)
        assert NOT_YOU in status.last_error
        ben.presence.show("Ben", color="#0B57A4")
        await people_are(ada, Person("Ben", "#0b57a4", None, "ben"))


async def test_what_cannot_be_shown_is_refused_here(relay: RelayProcess, tmp_path: Path) -> None:
    room = await group_of(relay, "ada")
    async with library_of(relay, "ada", tmp_path / "ada", room) as ada:
        for name, more in (("", {}), ("A" * 101, {}), ("Ada", {"color": "red"}), ("Ada", {"avatar": "http://x/y.png"})):
            with pytest.raises(InvalidEdit):
                ada.presence.show(name, **more)  # type: ignore[arg-type]
        with pytest.raises(InvalidEdit, match="user"):
            ada.presence.show("Ada", user="Ben")
