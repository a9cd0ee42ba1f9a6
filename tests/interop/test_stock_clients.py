"""Stock y-websocket 3.1 in node, over real sockets, against the relay as a real process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pycrdt import Doc, Map

from tests.interop.node import INTEROP, Stock, stock_clients
from tests.relay import RelayProcess


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    with RelayProcess(tmp_path_factory.mktemp("relay")) as relay:
        yield relay


@pytest.fixture(scope="module")
def node() -> Iterator[Stock]:
    with stock_clients() as node:
        yield node


@pytest.fixture
def room(request: pytest.FixtureRequest) -> str:
    return f"interop/{request.node.name}"


@pytest.fixture
def pair(relay: RelayProcess, node: Stock, room: str) -> Iterator[tuple[str, str]]:
    for client in ("a", "b"):
        node.open(client, relay.url, room)
        node.until(client, synced=True)
    yield "a", "b"
    for client in ("a", "b"):
        node.call("close", client)


@pytest.mark.usefixtures("pair")
def test_create_edit_and_delete_cross_both_ways(node: Stock) -> None:
    node.set("a", {"h1": {"anchor": {"source": "Gen.1.1"}, "createdAt": 1}}, root="highlights")
    node.set("a", {"h1/color": "yellow", "h1/tag/Schöpfung 🙂": True}, root="fields")
    node.until("b", highlights={"h1": {"createdAt": 1}}, fields={"h1/color": "yellow", "h1/tag/Schöpfung 🙂": True})
    node.set("b", {"h1/color": "green", "h1/tag/Schöpfung 🙂": None}, root="fields")
    node.until("a", fields={"h1/color": "green", "h1/tag/Schöpfung 🙂": None})


@pytest.mark.usefixtures("pair")
def test_offline_edits_on_both_sides_merge_when_they_meet(node: Stock) -> None:
    node.call("text", "a", {"at": 0, "insert": "Im Anfang"})
    node.until("b", t="Im Anfang")
    for client in ("a", "b"):
        node.call("disconnect", client)
    node.call("text", "a", {"at": 9, "insert": " schuf Gott"})
    node.set("a", {"mine": 1, "same": "a"})
    node.call("text", "b", {"at": 0, "insert": "𝔊en 1: "})
    node.set("b", {"theirs": 2, "same": "b"})
    for client in ("a", "b"):
        node.call("connect", client)
    wanted: dict[str, Any] = {"t": "𝔊en 1: Im Anfang schuf Gott", "m": {"mine": 1, "theirs": 2}}
    assert node.until("a", **wanted)["m"] == node.until("b", **wanted)["m"]


@pytest.mark.usefixtures("pair")
def test_presence_comes_changes_and_goes_with_the_connection(node: Stock) -> None:
    node.call("presence", "a", {"user": {"name": "Zoë 🙂 日本"}})
    node.until("b", presence=[{"user": {"name": "Zoë 🙂 日本"}}])
    node.call("presence", "b", {"user": {"name": "Bo"}})
    node.until("a", presence=[{"user": {"name": "Bo"}}])
    node.call("cut", "a")  # no goodbye
    node.until("b", presence=[])
    node.until("a", connections=2, synced=True)
    node.until("b", presence=[{"user": {"name": "Zoë 🙂 日本"}}])


@pytest.mark.usefixtures("pair")
def test_an_own_update_comes_back(node: Stock) -> None:
    """The next major of y-websocket shows "saved" when its own content returns, so the sender must get it too."""
    node.call("send", "a", (b"\x66\x01\x05").hex())
    node.set("a", {"k": 1})
    node.call("send", "a", (b"\x66\x01\x07").hex())
    node.until("a", barriers=[[1, 5], [1, 7]])
    node.until("b", m={"k": 1})


@pytest.mark.usefixtures("pair")
def test_a_gapped_update_is_healed_and_the_connection_stays(node: Stock, relay: RelayProcess) -> None:
    """A tab merges over BroadcastChannel what another tab never sent; its next update has a gap for the relay."""
    other: Doc[Any] = Doc()
    values = other.get("m", type=Map)
    values["unsent"] = 1
    node.call("apply", "a", other.get_update().hex())  # with the provider as origin: it does not send it
    vector = other.get_state()
    values["unsent"] = 2
    gapped = other.get_update(vector)
    node.call("send", "a", (b"\x00\x02" + bytes([len(gapped)]) + gapped).hex())
    node.call("send", "a", (b"\x66\x01\x09").hex())
    node.until("b", m={"unsent": 1})
    assert node.until("a", barriers=[[1, 9]])["connections"] == 1
    node.call("apply", "a", gapped.hex())
    node.call("disconnect", "a")
    node.call("connect", "a")
    node.until("b", m={"unsent": 2})


@pytest.mark.parametrize("version", [2, 3])
def test_both_versions_of_the_client_sync(relay: RelayProcess, node: Stock, room: str, version: int) -> None:
    node.open("old", relay.url, room, version=version)
    node.set("old", {"k": version})
    node.open("new", relay.url, room)
    node.until("new", m={"k": version}, synced=True)
    node.call("close", "old")
    node.call("close", "new")


@pytest.mark.parametrize(
    ("send", "argument", "code"),
    [("sendText", "hello", 4400), ("send", "00025555", 4400), ("send", "000203010101", 4400)],
)
def test_a_stock_client_stops_for_good_on_44xx(
    relay: RelayProcess, node: Stock, room: str, send: str, argument: str, code: int
) -> None:
    node.open("bad", relay.url, room)
    node.open("good", relay.url, room)
    node.until("bad", synced=True)
    node.until("good", synced=True)
    node.call(send, "bad", argument)
    seen = node.until("bad", stopped={"code": code}, connected=False)
    assert seen["stopped"]["reason"]
    node.set("good", {"still": "here"})
    node.open("late", relay.url, room)
    node.until("late", m={"still": "here"})
    for client in ("bad", "good", "late"):
        node.call("close", client)


def test_a_stock_client_survives_a_restart_and_nothing_is_lost(tmp_path: Path, node: Stock, room: str) -> None:
    with RelayProcess(tmp_path) as relay:
        node.open("a", relay.url, room)
        node.set("a", {"before": 1})
        node.until("a", synced=True)
        node.call("send", "a", "660101")
        node.until("a", barriers=[[1, 1]])
        assert relay.terminate() == 0
        node.set("a", {"while down": 2})
        relay.start()
        node.until("a", connections=2, synced=True)
        assert 1001 in node.see("a")["closes"]
        node.open("b", relay.url, room)
        node.until("b", m={"before": 1, "while down": 2})
        node.call("close", "a")
        node.call("close", "b")


def test_pycrdt_websockets_server_can_host_our_relay(tmp_path: Path, node: Stock, room: str) -> None:
    command = (sys.executable, str(INTEROP / "hosted_relay.py"))
    with RelayProcess(tmp_path, command=command) as relay:
        for client in ("a", "b"):
            node.open(client, relay.url, room)
        node.set("a", {"k": "Grüße 🙂"})
        node.until("b", m={"k": "Grüße 🙂"}, synced=True)
        node.call("send", "a", "660101")
        node.until("a", barriers=[[1, 1]])
        node.call("presence", "a", {"name": "Zoë"})
        node.until("b", presence=[{"name": "Zoë"}])
        relay.kill()
        relay.start()
        node.open("late", relay.url, room)
        node.until("late", m={"k": "Grüße 🙂"})
        for client in ("a", "b", "late"):
            node.call("close", client)


def test_a_client_without_presence_survives_silence(tmp_path: Path, room: str) -> None:
    """It renews nothing, and would close after 30 s without a message. Its clock and the relay's run at 20 times."""
    command = (sys.executable, str(INTEROP / "fast_relay.py"))
    with RelayProcess(tmp_path, command=command) as relay, stock_clients("--speed", "20") as node:
        node.open("silent", relay.url, room)
        node.until("silent", synced=True)
        node.call("presence", "silent", None)
        node.until("silent", seconds=30, lateness=4)  # 80 s of its time
        seen = node.see("silent")
        assert (seen["connections"], seen["closes"]) == (1, [])
