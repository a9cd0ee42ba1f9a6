"""The whole, simulated: relays and some devices, real code, much trouble. One seed is one run, and replays exactly.

    python -m tests.simulation.whole SEED                # run one seed and print what happened
    python -m tests.simulation.whole SEED --relays 3     # with several relays on one disk

A run has a phase of trouble, in which processes die, disks fill up and networks do what they do, and a quiet one, after
which all must be equal. What must hold throughout is checked while it happens.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import shutil
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import anyio

from crdt_sync.document import AddNote
from crdt_sync.library import TransportChoice
from crdt_sync.sync.loop import State as LinkState
from crdt_sync.testing.state import state_of
from tests.simulation.conditions import empty_library, listening, small_bounds
from tests.simulation.device import Device
from tests.simulation.disk import Disk
from tests.simulation.fleet import Fleet
from tests.simulation.fleet_trouble import fleet_trouble
from tests.simulation.http import Requests
from tests.simulation.loop import SimulatedLoop
from tests.simulation.network import KEEP_ALIVE_WITHIN_S, Network
from tests.simulation.relay import IDLE_S
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
    stored: int = 0
    """How many updates the relays have stored, how many by one that lacked the one before, or with what was there."""
    crossed: int = 0
    repeated: int = 0
    superseded: int = 0


class World:
    """What one run consists of."""

    def __init__(self, seed: int, folder: Path, loop: SimulatedLoop, verbose: bool, relays: int = 1) -> None:
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
        self.fleet = Fleet(relays, self.disk, Random(f"{seed}, {relays} relays"), self.fail)
        self.network.server = self.requests.server = self.fleet
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

    def outcome(self, seed: int) -> Outcome:
        """Return what the run was, now that it is over."""
        durable = self.disk.durable
        counts = (self.events, self._loop.time(), self.edits, self.polls, self.moves)
        stored = (len(durable.vectors) - 1, durable.crossed, durable.repeated, self.disk.superseded)
        return Outcome(seed, self.trace, *counts, *stored)

    # Processes

    async def start_relay(self) -> None:
        """Start a relay that does not run, if there is one."""
        assert self.tasks is not None
        for place, relay in enumerate(self.fleet.places):
            if relay is None:
                await self.fleet.start(place, self.tasks)
                return

    async def stop_relay(self, *, kill: bool, silently: bool = False) -> None:
        """Stop one of the relays that run, if one does."""
        if running := self.fleet.running:
            place = running[0] if len(running) == 1 else self.fleet.random.choice(running)
            await self.fleet.stop(place, kill=kill, silently=silently)

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
            await self.fleet.start_all(self.tasks)
            for device in self.devices:
                self.start(device)
            await anyio.sleep(1)
            for edit in BEGINNING:
                self.devices[0].edit(edit)
            more = fleet_trouble(self) if self.fleet.is_several else []
            await Trouble(self, more).last(TROUBLE_S)
            await self._calm()
            await self._settle()
            if self.fleet.is_several:
                await self._keep_still()
                await self._follow_soon()
            await self._newcomer()
            await self._empty()
            self.tasks.cancel_scope.cancel()
        if self.failures:
            raise self.failures[0]

    async def _stop_at_failure(self, scope: anyio.CancelScope) -> None:
        await self.failed.wait()
        scope.cancel()

    async def _watch_memory(self) -> None:
        """What the relays keep for their peers has its bounds, however slow they are; what they hold is the log's."""
        while True:
            await anyio.sleep(0.5)
            try:
                self.fleet.check()
            except AssertionError as error:
                self.fail(error)

    async def _calm(self) -> None:
        """Mend everything, and start what is not running."""
        self.disk.faults.clear()
        self.disk.unread_until_s = 0.0
        self.disk.latency_s = 0.003
        self.fleet.fair()
        self.network.heal()
        for device in self.devices:
            self.network.way_to(device.name).request_faults = 0.0
        assert self.tasks is not None
        await self.fleet.start_all(self.tasks)
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
            others = [each for each in self.devices if each is not device and self._is_shown(each, device)]
            here = {each.presence["name"]: each for each in others if each.presence}
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

    def _is_shown(self, shown: Device, to: Device) -> bool:
        """Say whether one device is to see another: where relays do not hear each other, only on the same."""
        at = self.fleet.at
        return self.fleet.others_are_heard or at.get(shown.name) == at.get(to.name)

    async def _keep_still(self) -> None:
        """Where nobody edits nothing is stored, and everybody has followed."""
        await anyio.sleep(1)  # an edit that had begun
        await self._settle()
        position = len(self.disk.durable.vectors) - 1
        await anyio.sleep(5)
        assert len(self.disk.durable.vectors) - 1 == position, "something is stored again and again"
        assert not self.fleet.behind(position), f"relays {self.fleet.behind(position)} do not follow"

    async def _follow_soon(self) -> None:
        """What one relay stores the others show soon, whatever has become of the backplane."""
        for device in self.devices:
            position = len(self.disk.durable.vectors)
            device.edit(AddNote("who follows?", id=f"of {device.name}"))
            while len(self.disk.durable.vectors) <= position:  # noqa: ASYNC110 - the disk tells nobody
                await anyio.sleep(0.01)
            began_s = self._loop.time()
            while behind := self.fleet.behind(position):
                assert self._loop.time() - began_s < self.fleet.follow_within_s, f"{behind} are behind"
                await anyio.sleep(0.01)

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
        for relay in self.fleet.relays:
            assert not relay.host._rooms, "a room outlives its peers"
            assert not relay.app._connections, "a connection is kept"
            assert not relay.app._sessions._sessions, "a poll session is kept"
        for place in self.fleet.running:
            await self.fleet.stop(place, kill=False)
        await self.disk.check_log()


def simulate(seed: int, *, relays: int = 1, verbose: bool = False) -> Outcome:
    """Run one seed, with so many relays. Raises `Broken`."""
    threads = threading.active_count()
    loop = SimulatedLoop()
    folder = Path(tempfile.mkdtemp(prefix="crdt-sync-simulation-"))
    try:
        with small_bounds(), listening() as logged:
            world = loop.run_until_complete(_live(seed, folder, loop, verbose, relays))
        assert not logged, f"logged as a bug: {logged[0]}"
        assert not loop.broken, loop.broken[0]
        assert threading.active_count() == threads, "a thread was started"
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        cause = _cause(error)
        again = f"python -m tests.simulation.whole {seed}" + (f" --relays {relays}" if relays > 1 else "")
        raise Broken(f"seed {seed}: {cause!r}\nagain: {again}") from cause
    finally:
        loop.close()
        shutil.rmtree(folder)
    return world.outcome(seed)


async def _live(seed: int, folder: Path, loop: SimulatedLoop, verbose: bool, relays: int) -> World:
    world = World(seed, folder, loop, verbose, relays)
    await world.run()
    return world


def _cause(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = next((each for each in error.exceptions if isinstance(each, AssertionError)), error.exceptions[0])
    return error


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seed", type=int)
    parser.add_argument("--relays", type=int, default=1)
    arguments = parser.parse_args()
    print(simulate(arguments.seed, relays=arguments.relays, verbose=True))
