"""What happens to a simulated world: people edit, processes die, disks fail, networks break."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import anyio

from crdt_sync.document import AddHighlight, AddNote, Anchor, AppendToNote, Edit, EditHighlight, Purge, Restore, Trash
from crdt_sync.document.edits import EditNote
from crdt_sync.errors import StorageError
from tests.simulation.device import Device
from tests.simulation.http import Exchange
from tests.simulation.network import Wire
from tests.simulation.relay import IDLE_S

if TYPE_CHECKING:
    from tests.simulation.whole import World

__all__ = ["BEGINNING", "REQUEST_FAULTS", "Trouble"]

PLACE = Anchor.verse("Gen.1.1", work="KJV", quote="In the beginning")
HIGHLIGHTS, NOTES = ("h0", "h1", "h2"), ("n0", "n1")
BEGINNING = tuple(AddHighlight(PLACE, id=each) for each in HIGHLIGHTS) + tuple(AddNote("x", id=each) for each in NOTES)
REQUEST_FAULTS = (0.0, 0.2, 0.6)
WORDS = ("", "one\ntwo", "𝔘𝔫𝔦", "e\u0301", "word " * 60)


class Trouble:
    """Chooses what happens next. All of it follows from the world's random numbers."""

    def __init__(self, world: World, more: Iterable[tuple[float, Callable[[], object]]] = ()) -> None:
        """`more` are actions beside those that every world knows, with how often each of them comes."""
        self._world = world
        self._random = world.random
        scale = self._random.choice((0.3, 1.0, 1.0, 3.0))  # how much goes wrong, beside the edits
        self._actions: list[tuple[float, Callable[[], object]]] = [
            (30.0, self._edit),
            (4.0, self._edits_in_a_burst),
            (3.0, self._edit_elsewhere),
            (2.0, self._show),
            (1.5 * scale, self._kill_device),
            (0.8 * scale, self._kill_in_commit),
            (1.5 * scale, self._close_device),
            (3.0, self._start_device),
            (0.4 * scale, self._back_up),
            (0.4 * scale, self._restore_backup),
            (0.8 * scale, self._break_device_disk),
            (0.8 * scale, self._fill_device_disk),
            (0.6 * scale, self._slow_device_disk),
            (4.0, self._mend_device_disk),
            (1.0, self._compact_device),
            (2.0 * scale, self._cut),
            (0.8 * scale, self._half_open),
            (1.5 * scale, self._stall),
            (1.0 * scale, self._part),
            (2.0, self._heal),
            (0.8 * scale, self._slow_network),
            (2.0 * scale, self._spoil_requests),
            (2.0, self._block_websockets),
            (2.0, self._let_websockets_through),
            (1.0 * scale, self._duplicate),
            (0.7 * scale, self._kill_relay),
            (0.5 * scale, self._stop_relay),
            (4.0, self._start_relay),
            (1.2 * scale, self._break_relay_disk),
            (0.6 * scale, self._slow_relay_disk),
            (0.5, self._reconnect),
            (0.3, self._all_leave),
            *((weight * scale, action) for weight, action in more),
        ]

    async def last(self, seconds: float) -> None:
        """Make trouble for so long."""
        end_s = anyio.current_time() + seconds
        weights = [weight for weight, _ in self._actions]
        while anyio.current_time() < end_s:
            await anyio.sleep(self._random.expovariate(2.5))
            (chosen,) = self._random.choices(self._actions, weights)
            action = chosen[1]
            self._world.note("trouble", action.__name__)
            done = action()
            if done is not None:
                await done  # type: ignore[misc]

    def _any(self) -> Device:
        return self._random.choice(self._world.devices)

    # People

    def _an_edit(self) -> Edit:
        random = self._random
        highlight, note = random.choice(HIGHLIGHTS), random.choice(NOTES)
        item = random.choice((highlight, note))
        return random.choice(
            (
                AddHighlight(PLACE, id=highlight, color=random.choice(("red", "blue"))),
                EditHighlight(highlight, color=f"color {random.randrange(1000)}"),
                EditHighlight(highlight, add_tags=(random.choice(("x", "y/z")),)),
                EditHighlight(highlight, remove_tags=(random.choice(("x", "y/z")),)),
                EditHighlight(highlight, comment=random.choice(WORDS)),
                AddNote(random.choice(WORDS), id=note),
                AppendToNote(note, random.choice(WORDS)),
                EditNote(note, title=random.choice(WORDS), add_tags=("t",)),
                Trash(item),
                Restore(item),
                AddHighlight(PLACE, id=highlight),
                Purge(item) if random.random() < 0.3 else AddNote("again", id=note),
            )
        )

    def _edit(self) -> None:
        self._any().edit(self._an_edit())

    def _edits_in_a_burst(self) -> None:
        device = self._any()
        for _ in range(self._random.randrange(2, 8)):
            device.edit(self._an_edit())

    def _edit_elsewhere(self) -> None:
        self._any().edit_elsewhere(self._an_edit())

    def _show(self) -> None:
        device = self._any()
        state = {"name": device.name, "at": self._random.randrange(100)}
        device.show(None if self._random.random() < 0.2 else state)

    def _reconnect(self) -> None:
        device = self._any()
        if device.library is not None:
            device.library.reconnect()

    # Devices

    async def _kill_device(self) -> None:
        await self._any().kill()

    def _kill_in_commit(self) -> None:
        device = self._any()
        if device.store is not None:
            device.kill_in_commit()

    async def _close_device(self) -> None:
        device = self._any()
        if device.running:
            await device.close()

    def _start_device(self) -> None:
        for device in self._world.devices:
            if not device.running:
                self._world.start(device)
                return

    def _back_up(self) -> None:
        self._any().back_up()

    def _restore_backup(self) -> None:
        self._any().restore_backup()

    def _break_device_disk(self) -> None:
        """Commits fail, or what comes before them."""
        store = self._any().store
        if store is not None:
            table = self._random.choice((None, "updates", "tags", "searched", "highlights"))
            if table is None:
                store.break_disk(lambda action, first: action == sqlite3.SQLITE_TRANSACTION and first == "COMMIT")
            else:
                store.break_disk(lambda action, first: action == sqlite3.SQLITE_INSERT and first == table)

    def _fill_device_disk(self) -> None:
        device = self._any()
        if device.store is not None:
            device.store.fill_disk()
            device.edit(AddNote("no room for this " * 500, id="n1"))
            device.edit(EditHighlight("h0", comment=f"{self._random.random()} " * 400))

    def _slow_device_disk(self) -> None:
        worker = self._any().worker
        if worker is not None:
            worker.latency_s = self._random.choice((0.05, 0.5))

    def _mend_device_disk(self) -> None:
        device = self._any()
        if device.store is not None and device.worker is not None:
            device.store.mend_disk()
            device.worker.latency_s = 0.002

    def _compact_device(self) -> None:
        store = self._any().store
        if store is not None:
            try:
                store.compact()
            except StorageError as error:
                self._world.note("not compacted", type(error).__name__)

    # The network

    def _cut(self) -> None:
        for each in self._some_open():
            each.cut()

    def _half_open(self) -> None:
        for each in self._some_open():
            each.half_open()

    def _stall(self) -> None:
        for each in self._some_open():
            each.stall(self._random.choice((0.5, 3.0, 12.0)))

    def _duplicate(self) -> None:
        for each in self._some_open():
            if isinstance(each, Wire):
                each.duplicate(self._random)
            else:
                self._world.requests.repeat(each, self._random.choice((0.0, 2.0)))

    def _some_open(self) -> list[Wire | Exchange]:
        network = self._world.network
        return [each for each in (*network.wires, *network.exchanges) if self._random.random() < 0.6]

    def _part(self) -> None:
        device = self._any()
        self._world.network.way_to(device.name).reachable = False
        for each in self._world.network.open_of(device.name):
            each.half_open() if self._random.random() < 0.5 else each.cut()

    def _heal(self) -> None:
        self._world.network.heal()

    def _slow_network(self) -> None:
        conditions = self._world.network.way_to(self._any().name)
        conditions.latency_s = self._random.choice((0.2, 1.0))
        conditions.bytes_per_s = self._random.choice((2e3, 1e5))

    def _spoil_requests(self) -> None:
        """Proxies lose, cut, repeat and replace HTTP requests from now on, or do so no more."""
        self._world.network.way_to(self._any().name).request_faults = self._random.choice(REQUEST_FAULTS)

    def _block_websockets(self) -> None:
        """Nobody lets the WebSockets of a device through any more; those that are open may be cut, or not."""
        device = self._any()
        if device.transport == "auto":
            self._world.network.way_to(device.name).websockets_pass = False
            for each in self._world.network.open_of(device.name):
                if isinstance(each, Wire) and self._random.random() < 0.7:
                    each.cut()

    def _let_websockets_through(self) -> None:
        self._world.network.way_to(self._any().name).websockets_pass = True

    # The relay

    async def _kill_relay(self) -> None:
        await self._world.stop_relay(kill=True)

    async def _stop_relay(self) -> None:
        await self._world.stop_relay(kill=False)

    async def _start_relay(self) -> None:
        await self._world.start_relay()

    def _break_relay_disk(self) -> None:
        self._world.disk.faults += self._random.choices(("before", "after"), k=self._random.randrange(1, 4))

    def _slow_relay_disk(self) -> None:
        self._world.disk.latency_s = self._random.choice((0.003, 0.1, 1.0))

    async def _all_leave(self) -> None:
        """Long enough for the relay to close the room."""
        for device in self._world.devices:
            if device.running:
                await device.close()
        await anyio.sleep(IDLE_S + 3)
        for device in self._world.devices:
            self._world.start(device)
