"""The relay on sockets of its own, and the same relay under a server that keeps them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from pycrdt import Doc, Map

from crdt_sync.protocol.messages import Barrier, SyncStep1, SyncStep2, SyncUpdate
from crdt_sync.protocol.update import EMPTY_UPDATE, decode_state_vector, fits, read_update
from tests.relay import RelayProcess
from tests.server.raw_client import RawClient

MEGABYTE = 1024 * 1024


@pytest.fixture(scope="module", params=["its own socket", "plain ASGI"])
def relay(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    command = (sys.executable, str(Path(__file__).with_name("plain_asgi.py"))) if request.param == "plain ASGI" else ()
    with RelayProcess(tmp_path_factory.mktemp("relay"), command=command) as relay:
        yield relay


def test_a_reader_that_stops_costs_little_harms_nobody_and_misses_nothing(relay: RelayProcess) -> None:
    """It takes nothing while 20 MB go by, and then gets all of it, each update fitting what it has."""
    room, process = f"slow/{relay.port}", psutil.Process(relay.pid)
    author: Doc[Any] = Doc()
    values = author.get("m", type=Map)
    updates: list[bytes] = []
    subscription = author.observe(lambda event: updates.append(event.update))
    with RawClient(relay.port, room) as writer, RawClient(relay.port, room, receive_buffer_bytes=16384) as slow:
        slow.say(SyncStep1(b"\x00"), SyncStep2(EMPTY_UPDATE))
        writer.say(SyncStep1(b"\x00"), SyncStep2(EMPTY_UPDATE), Barrier(0))
        heard = writer.hear()
        assert next(message for message in heard if isinstance(message, Barrier)) == Barrier(0)
        before_bytes = process.memory_info().rss
        for number in range(400):
            values[f"k{number % 40}"] = f"{number} " + "x" * 50_000  # a document of 2 MB, written ten times over
            writer.say(SyncUpdate(updates[-1]), Barrier(number + 1))
            if number % 20 == 19:  # the writer is not held up by the one that does not read
                assert next(message for message in heard if message == Barrier(number + 1))
        grown_bytes = process.memory_info().rss - before_bytes
        assert grown_bytes < 60 * MEGABYTE
        slow_doc: Doc[Any] = Doc()
        vector: dict[int, int] = {}
        for message in slow.hear():
            if isinstance(message, SyncStep2 | SyncUpdate):
                assert fits(read_update(message.update), vector)
                slow_doc.apply_update(message.update)
                vector = decode_state_vector(slow_doc.get_state())
                if vector == decode_state_vector(author.get_state()):
                    break
        assert slow_doc.get("m", type=Map).to_py() == values.to_py()
    author.unobserve(subscription)


def test_a_close_comes_with_its_code_and_after_it_nothing(relay: RelayProcess) -> None:
    with RawClient(relay.port, f"closing/{relay.port}") as client:
        client.say(SyncStep1(b"\x00"), SyncStep2(EMPTY_UPDATE), Barrier(7))
        heard = client.hear()
        assert next(message for message in heard if isinstance(message, Barrier)) == Barrier(7)
        client.say_bytes(b"\x00\x07")
        assert list(heard) == []
        assert client.close_code == 4400
