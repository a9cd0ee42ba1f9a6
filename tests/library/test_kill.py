"""kill -9 of devices in the middle of a burst, with the relay there and with the relay killed too."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from crdt_sync import Library, open_library
from tests.relay import RelayProcess

pytestmark = pytest.mark.anyio
ROUNDS = 8


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@contextmanager
def device(path: Path, relay: RelayProcess) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(Path(__file__).with_name("device.py")), str(path), relay.url, "room"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


async def ids(library: Library) -> set[str]:
    return {highlight.id for highlight in await library.highlights()}


async def test_kill_9_of_a_device_in_bursts_loses_nothing_and_all_converge(tmp_path: Path) -> None:
    made: list[str] = []  # of all rounds: each printed when its call had returned
    saved: set[str] = set()  # what the device had been told is on the relay's disk
    with RelayProcess(tmp_path / "relay") as relay:
        for round_ in range(ROUNDS):
            of_round: list[str] = []
            with device(tmp_path / "a", relay) as process:
                assert process.stdout is not None
                for line in process.stdout:
                    what, value = line.split()
                    if what == "saved":
                        saved |= {*made, *of_round[: int(value)]}
                        continue
                    of_round.append(value)
                    if len(of_round) == 7 + 9 * round_:
                        if round_ % 2:
                            relay.kill()
                        process.kill()  # what it had printed by then is still read
            made += of_round
            if round_ % 2:
                relay.start()
                async with open_library(tmp_path / f"witness{round_}", relay=relay.url, room="room") as witness:
                    assert await witness.synced(20)
                    assert saved <= await ids(witness)
        assert saved
        async with (
            open_library(tmp_path / "a", relay=relay.url, room="room") as a,
            open_library(tmp_path / "b", relay=relay.url, room="room") as b,
            b.changes() as feed,
        ):
            await a.verify()
            everything = await ids(a)
            assert set(made) <= everything
            assert len(everything) - len(made) <= ROUNDS  # at most the one in flight each time
            assert await a.synced(20)
            with anyio.fail_after(20):
                while await ids(b) != everything:
                    await feed.take()
