"""A device in simulated time: the real library on a real file, in a process that can die at any moment.

When a process dies its files are taken as they are at that instant, an open transaction included, and the next process
opens them. Nothing that the dead one still does reaches anybody.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import anyio
import httpx
from anyio.abc import TaskGroup

from crdt_sync.document import Edit
from crdt_sync.errors import NotFound, StorageError
from crdt_sync.library import Library, TransportChoice
from crdt_sync.storage.binding import Binding
from crdt_sync.storage.store import Applied, LibraryStore
from crdt_sync.sync.fallback import FallbackConnect
from crdt_sync.sync.polling import PollingConnect
from crdt_sync.sync.transport import Connect, Transport
from crdt_sync.testing.state import State, state_of
from tests.simulation.disk import ROOM
from tests.simulation.http import Requests, SimulatedHttp
from tests.simulation.truth import Durable

__all__ = ["Device"]

Result = TypeVar("Result")
BINDING = Binding("ws://relay", ROOM, None)


class SimulatedWorker:
    """What `Worker` is, without a thread: calls in order, each taking some time before it acts and after."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._free_at_s = 0.0
        self.latency_s = 0.002
        self.dead = False

    async def call(self, function: Callable[..., Result], *arguments: Any) -> Result:
        loop = asyncio.get_running_loop()
        took_s = self.latency_s * self._random.random()
        self._free_at_s = max(self._free_at_s, loop.time()) + took_s + 1e-6
        with anyio.CancelScope(shield=True):
            await anyio.sleep(self._free_at_s - loop.time())
            if not self.dead:
                try:
                    return function(*arguments)
                finally:
                    await anyio.sleep(took_s / 2)
        await anyio.sleep_forever()  # the process has died, and its scope is cancelled
        raise AssertionError


class WatchedStore(LibraryStore):
    """A store that holds the relay to its word."""

    def __init__(self, device: Device, random: Random) -> None:
        self._device = device
        super().__init__(device.path, durability="normal", now_ms=lambda: 1, random=random)

    def edit(self, *edits: Edit) -> Applied:
        applied = super().edit(*edits)
        self._device.edited(self)
        return applied

    def acknowledge(self, edits_made: int) -> None:
        self._device.acknowledged(edits_made)
        super().acknowledge(edits_made)

    def crash_files(self, path: Path) -> None:
        """Copy the files as they are now, as a crash would leave them."""
        for suffix in ("", "-wal"):
            source = Path(f"{self._path}{suffix}")
            if source.exists():
                shutil.copyfile(source, f"{path}{suffix}")

    def break_disk(self, deny: Callable[[int, str | None], bool]) -> None:
        """Let SQLite refuse whatever `deny` says, until `mend_disk`: (action code, its first argument)."""
        self._connection.set_authorizer(
            lambda action, first, *_: sqlite3.SQLITE_DENY if deny(action, first) else sqlite3.SQLITE_OK
        )

    def fill_disk(self) -> None:
        """Let the file not grow any more, until `mend_disk`."""
        self._connection.execute("PRAGMA max_page_count = 1")  # SQLite takes the size that it has

    def mend_disk(self) -> None:
        self._connection.set_authorizer(None)
        self._connection.execute("PRAGMA max_page_count = 1000000")


class Device:
    """A device, from one process of it to the next."""

    def __init__(
        self,
        name: str,
        folder: Path,
        random: Random,
        requests: Requests,
        transport: TransportChoice,
        durable: Durable,
        note: Callable[..., None],
        fail: Callable[[BaseException], None],
    ) -> None:
        self.name = name
        self.path = folder / f"{name}-0.sqlite3"
        self._folder = folder
        self._random = random
        self.transport = transport
        self._network = requests.network
        self._client = httpx.AsyncClient(transport=SimulatedHttp(name, requests), trust_env=False)
        self._durable = durable
        self._note = note
        self._fail = fail
        self._files = 0
        self._known_at: dict[int, State] = {0: State()}  # edits made → what the file held then
        self._backup: tuple[Path, dict[int, State]] | None = None
        self.library: Library | None = None
        self.store: WatchedStore | None = None
        self.worker: SimulatedWorker | None = None
        self.presence: dict[str, Any] | None = None
        self._tasks: TaskGroup | None = None
        self._scope = anyio.CancelScope()
        self._closing = asyncio.Event()
        self._ended = asyncio.Event()
        self._ended.set()

    # One process

    @property
    def running(self) -> bool:
        """Whether a process has it open."""
        return not self._ended.is_set()

    def start(self, tasks: TaskGroup) -> None:
        """Start a process that lives until `close` or `kill`."""
        self._scope, self._closing, self._ended = anyio.CancelScope(), asyncio.Event(), asyncio.Event()
        tasks.start_soon(self._run)

    async def _run(self) -> None:
        store = None
        try:
            with self._scope:
                self.worker = SimulatedWorker(self._random)
                store = self.store = WatchedStore(self, self._random)
                self._check_kept(store)
                loop = asyncio.get_running_loop()
                library = Library(self.worker, store, self._random, binding=BINDING, now=loop.time)  # type: ignore[arg-type]
                await library._refresh()
                self.library = library
                library.presence.set(self.presence)
                async with (
                    anyio.create_task_group() as self._tasks,
                    library._running(
                        library._follow,
                        library.reading._keep,
                        partial(library._keep_in_step, BINDING, self._connector(library), None),
                    ),
                ):
                    await self._closing.wait()
        except BaseException as error:
            self._fail(error)
            raise
        finally:
            self.library = self.store = self.worker = self._tasks = None
            if store is not None:
                store._connection.close()
            self._note("ended", self.name)
            self._ended.set()

    def _connector(self, library: Library) -> Connect:
        """Put together what `Library` does, with the network's WebSockets in the place of real ones."""
        websocket = self._network.connector(self.name)
        polling = PollingConnect("ws://127.0.0.1:8765", ROOM, self._client, random=self._random)
        way: Connect = websocket if self.transport == "websocket" else polling
        if self.transport == "auto":
            now = asyncio.get_running_loop().time
            way = library._fallback = FallbackConnect(websocket, polling, random=self._random, now=now)

        @asynccontextmanager
        async def connect(token: str | None) -> AsyncIterator[Transport]:
            async with way(token) as transport:
                self._note("over", self.name, transport.name)
                yield transport

        return connect

    async def close(self) -> None:
        """Leave as a program does that is closed: what is pending goes out if it can."""
        self._closing.set()
        await self._ended.wait()

    async def kill(self) -> None:
        """kill -9."""
        if self.worker is None or self.store is None:
            return
        if not self.worker.dead:
            self._die(self.store)
        await self._ended.wait()

    def kill_in_commit(self) -> None:
        """Let the process die in the middle of its next commit."""
        store = self.store
        assert store is not None

        def deny(action: int, first: str | None) -> bool:
            if action == sqlite3.SQLITE_TRANSACTION and first == "COMMIT":
                if self.worker is not None and not self.worker.dead:
                    self._die(store)
                return True
            return False

        store.break_disk(deny)

    def _die(self, store: WatchedStore) -> None:
        assert self.worker is not None
        self.worker.dead = True
        self._files += 1
        path = self._folder / f"{self.name}-{self._files}.sqlite3"
        store.crash_files(path)
        self.path = path
        for each in self._network.open_of(self.name):
            each.cut("the device's process died")
        self._note("died", self.name)
        self._scope.cancel()

    # What is done with it

    def edit(self, edit: Edit) -> None:
        """Begin an edit in the process that is open, if there is one."""
        if self._tasks is not None and self.library is not None:
            self._tasks.start_soon(self._edit, self.library, edit)

    async def _edit(self, library: Library, edit: Edit) -> None:
        try:
            await library.edit(edit)
        except (NotFound, StorageError) as error:
            self._note("refused", self.name, type(error).__name__)

    def edit_elsewhere(self, edit: Edit) -> None:
        """Edit in another process, the command line say, on the same file."""
        store = WatchedStore(self, self._random)
        try:
            store.edit(edit)
        except NotFound as error:
            self._note("refused", self.name, type(error).__name__)
        finally:
            store.close()

    def show(self, state: dict[str, Any] | None) -> None:
        """Set what the device shows of itself."""
        self.presence = state
        if self.library is not None:
            self.library.presence.set(state)

    def back_up(self) -> None:
        """Copy the file while no process has it open."""
        path = self._folder / f"{self.name}-backup.sqlite3"
        if not self.running and self.path.exists():
            WatchedStore(self, self._random).close()  # the last to close takes the -wal into the file
            shutil.copyfile(self.path, path)
            self._backup = (path, dict(self._known_at))

    def restore_backup(self) -> None:
        """Put the backup in the file's place. Edits that no other place had are lost with the file."""
        if self._backup is not None and not self.running:
            self._files += 1
            self.path = self._folder / f"{self.name}-{self._files}.sqlite3"
            shutil.copyfile(self._backup[0], self.path)
            self._known_at = dict(self._backup[1])

    # What must hold

    def edited(self, store: LibraryStore) -> None:
        """Remember what the file holds, now that an edit has returned."""
        outgoing = store.diff(b"\x00")
        (whole,) = outgoing.updates
        self._known_at[outgoing.edits_made] = state_of(whole)
        self._note("edited", self.name, outgoing.edits_made)

    def acknowledged(self, number: int) -> None:
        """Fail if the relay confirms what would not survive its death."""
        self._note("acknowledged", self.name, number)
        made = max(made for made in self._known_at if made <= number)
        lacking = self._durable.state.lacks(self._known_at[made])
        assert lacking is None, f"{self.name}: edit {number} was acknowledged and is not durable: {lacking}"

    def _check_kept(self, store: LibraryStore) -> None:
        """Fail if an edit that had returned is not in the file."""
        (whole,) = store.diff(b"\x00").updates
        lacking = state_of(whole).lacks(self._known_at[max(self._known_at)])
        assert lacking is None, f"{self.name}: an edit that had returned is gone: {lacking}"
