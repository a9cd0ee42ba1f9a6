"""The whole, simulated: a relay and some devices, real code, much trouble. One seed is one run, and replays exactly.

    python -m tests.simulation.whole SEED        # run one seed and print what happened

A run has a phase of trouble, in which processes die, disks fill up and networks do what they do, and a quiet one, after
which all must be equal. What must hold throughout is checked while it happens.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import anyio

from crdt_sync.library import TransportChoice
from crdt_sync.sync.loop import State as LinkState
from crdt_sync.testing.state import state_of
from tests.simulation.conditions import check_bounds, empty_library, listening, small_bounds
from tests.simulation.device import Device
from tests.simulation.http import Requests
from tests.simulation.loop import SimulatedLoop
from tests.simulation.network import KEEP_ALIVE_WITHIN_S, Network
from tests.simulation.relay import IDLE_S, Disk, RelayProcess
from tests.simulation.trouble import BEGINNING, REQUEST_FAULTS, Trouble

__all__ = ["Broken", "Outcome", "simulate"]

TRANSPORTS: tuple[TransportChoice, ...] = ("websocket", "websocket", "auto", "auto", "polling")
TROUBLE_S = 40.0
QUIET_WITHIN_S = 240.0
"""A half-open connection is noticed after 45 s, a back-off lasts up to 16 s, a presence 30 s."""


class Broken(AssertionError):
    """A run in which something did not hold. The message says what, and how to see it again."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run: `trace` is a hash of all that happened, in order."""

    seed: int
    trace: str
    events: int
    simulated_s: float
    edits: int
    polls: int
    moves: int
    """How often a device came back by another transport than the one before."""


class World:
    """What one run consists of."""

    def __init__(self, seed: int, folder: Path, loop: SimulatedLoop, verbose: bool) -> None:
        self.random = Random(seed)
        self._loop = loop
        self._hash = hashlib.sha256()
        self._verbose = verbose
        self.events = self.edits = self.polls = self.moves = 0
        self._ways: dict[str, str] = {}
        self.failures: list[BaseException] = []
        self.failed = asyncio.Event()
        self.disk = Disk(Random(self.random.random()), self.note)
        self.network = Network(Random(self.random.random()), self.note)
        self.requests = Requests(self.network, self.disk.streams, Random(self.random.random()), self.note)
        self.devices = [self._device(f"device{number}", folder) for number in range(self.random.choice((2, 3, 3, 4)))]
        self.relay: RelayProcess | None = None
        self.tasks: anyio.abc.TaskGroup | None = None
        self._folder = folder

    def _device(self, name: str, folder: Path) -> Device:
        (folder / f"{name}-0.sqlite3").write_bytes(empty_library())
        random = Random(self.random.random())
        transport = self.random.choice(TRANSPORTS)
        if transport == "auto":
            self.network.way_to(name).websockets_pass = self.random.random() < 0.5
        self.network.way_to(name).request_faults = self.random.choice(REQUEST_FAULTS)
        return Device(name, folder, random, self.requests, transport, self.disk.durable, self.note, self.fail)

    def note(self, *what: Any) -> None:
        """Put an event into the trace. Of a frame, kind and length: pycrdt writes the keys of a map in any order."""
        self.events += 1
        self.edits += what[0] == "edited"
        self.polls += what[0] == "poll"
        if what[0] == "over":
            self.moves += self._ways.get(what[1], what[2]) != what[2]
            self._ways[what[1]] = what[2]
        said = [f"{each[:2].hex()}..{len(each)}" if isinstance(each, bytes) else each for each in what]
        line = f"{self._loop.time():.6f} {said}"
        self._hash.update(line.encode())
        if self._verbose:
            print(line)

    def fail(self, error: BaseException) -> None:
        """Take note of an error that nobody expected. Cancelled tasks are no errors."""
        if not isinstance(error, asyncio.CancelledError):
            self.failures.append(error)
            self.failed.set()

    @property
    def trace(self) -> str:
        """The hash of all that has happened."""
        return self._hash.hexdigest()

    # Processes

    async def start_relay(self) -> None:
        assert self.tasks is not None
        if self.relay is None:
            self.relay = relay = RelayProcess(self.disk, self.fail)
            self.tasks.start_soon(relay.run)
            await relay.started()
            self.network.server = self.requests.server = relay
            self.note("relay started")

    async def stop_relay(self, *, kill: bool) -> None:
        if self.relay is not None:
            relay, self.relay, self.network.server, self.requests.server = self.relay, None, None, None
            self.note("relay stops", kill)
            await (relay.kill() if kill else relay.stop())

    def start(self, device: Device) -> None:
        assert self.tasks is not None
        if not device.running:
            self.note("start", device.name)
            device.start(self.tasks)

    # The run

    async def run(self) -> None:
        """Live through it. Raises what failed."""
        async with anyio.create_task_group() as self.tasks:
            self.tasks.start_soon(self._stop_at_failure, self.tasks.cancel_scope)
            self.tasks.start_soon(self._watch_memory)
            await self.start_relay()
            for device in self.devices:
                self.start(device)
            await anyio.sleep(1)
            for edit in BEGINNING:
                self.devices[0].edit(edit)
            await Trouble(self).last(TROUBLE_S)
            await self._calm()
            await self._settle()
            await self._newcomer()
            await self._empty()
            self.tasks.cancel_scope.cancel()
        if self.failures:
            raise self.failures[0]

    async def _stop_at_failure(self, scope: anyio.CancelScope) -> None:
        await self.failed.wait()
        scope.cancel()

    async def _watch_memory(self) -> None:
        """What the relay keeps for its peers has its bounds, however slow they are."""
        while True:
            await anyio.sleep(0.5)
            relay = self.relay
            if relay is None:
                continue
            try:
                check_bounds(relay.app)
            except AssertionError as error:
                self.fail(error)

    async def _calm(self) -> None:
        """Mend everything, and start what is not running."""
        self.disk.faults.clear()
        self.disk.latency_s = 0.003
        self.network.heal()
        for device in self.devices:
            self.network.way_to(device.name).request_faults = 0.0
        await self.start_relay()
        for device in self.devices:
            if device.store is not None:
                device.store.mend_disk()
            if device.worker is not None:
                device.worker.latency_s = 0.002
            self.start(device)
        self.note("calm")

    async def _settle(self) -> None:
        """Wait until all are connected and confirmed, see one another, and hold the same."""
        deadline_s = self._loop.time() + QUIET_WITHIN_S
        while (restless := self._restless()) is not None:
            if self._loop.time() > deadline_s:
                raise AssertionError(f"no rest within {QUIET_WITHIN_S:.0f} s: {restless}")
            await anyio.sleep(1)
            for device in self.devices:
                self.start(device)  # one that was still dying
        for device in self.devices:
            assert device.store is not None
            device.store.verify()
        await self.disk.check_log()
        self.note("settled")

    def _restless(self) -> str | None:
        """Return why it is not over yet, or None."""
        stores = []
        for device in self.devices:
            if device.library is None or device.store is None:
                return f"{device.name} does not run"
            status = device.library.status
            if status.state is not LinkState.CONNECTED or status.pending or not status.confirms_storage:
                return f"{device.name}: {status}"
            here = {each.presence["name"]: each for each in self.devices if each is not device and each.presence}
            seen = sorted(state["name"] for state in device.library.presence.others().values())
            if seen != sorted(here) or any(
                state != here[state["name"]].presence for state in device.library.presence.others().values()
            ):
                return f"{device.name} sees {seen} and not {sorted(here)}"
            stores.append(device.store)
        durable = self.disk.durable.state
        for device, store in zip(self.devices, stores, strict=True):
            (whole,) = store.diff(b"\x00").updates
            known = state_of(whole)
            if known != durable:
                return f"{device.name} holds something else than the relay: {known.lacks(durable)}"
            if store.read.content() != stores[0].read.content():
                return f"{device.name} shows something else than {self.devices[0].name}"
        return None

    async def _newcomer(self) -> None:
        """A new device gets everything."""
        self.devices.append(self._device("newcomer", self._folder))
        self.network.way_to("newcomer").request_faults = 0.0
        self.start(self.devices[-1])
        await self._settle()

    async def _empty(self) -> None:
        """Everybody leaves: the relay keeps no room, no connection and no task."""
        for device in self.devices:
            await device.close()
        await anyio.sleep(KEEP_ALIVE_WITHIN_S + IDLE_S + 3)
        assert self.relay is not None
        assert not self.relay.host._rooms, "a room outlives its peers"
        app = self.relay.app
        assert not app._connections, "a connection is kept"
        assert not app._sessions._sessions, "a poll session is kept"
        await self.stop_relay(kill=False)
        await self.disk.check_log()


def simulate(seed: int, *, verbose: bool = False) -> Outcome:
    """Run one seed. Raises `Broken`."""
    threads = threading.active_count()
    loop = SimulatedLoop()
    folder = Path(tempfile.mkdtemp(prefix="crdt-sync-simulation-"))
    try:
        with small_bounds(), listening() as logged:
            world = loop.run_until_complete(_live(seed, folder, loop, verbose))
        assert not logged, f"logged as a bug: {logged[0]}"
        assert not loop.broken, loop.broken[0]
        assert threading.active_count() == threads, "a thread was started"
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        cause = _cause(error)
        raise Broken(f"seed {seed}: {cause!r}\nagain: python -m tests.simulation.whole {seed}") from cause
    finally:
        loop.close()
        shutil.rmtree(folder)
    return Outcome(seed, world.trace, world.events, loop.time(), world.edits, world.polls, world.moves)


async def _live(seed: int, folder: Path, loop: SimulatedLoop, verbose: bool) -> World:
    world = World(seed, folder, loop, verbose)
    await world.run()
    return world


def _cause(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = next((each for each in error.exceptions if isinstance(each, AssertionError)), error.exceptions[0])
    return error


if __name__ == "__main__":
    print(simulate(int(sys.argv[1]), verbose=True))
