"""The relays that the benchmarks compare, each a real process on a core of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.common import SERVER_CORE, pin
from benchmarks.wire import Room
from tests.interop.node import INTEROP
from tests.relay import RelayProcess

PEERS = Path(__file__).with_name("peers")
TESTS = Path(__file__).parents[1] / "tests"
OURS, OURS_UNSYNCED, Y_WEBSOCKET, Y_LEVELDB, HOCUSPOCUS, PYCRDT_WEBSOCKET = (
    "crdt-sync", "crdt-sync, no fsync", "y-websocket 2", "y-websocket 2, LevelDB", "Hocuspocus 3", "pycrdt-websocket",
)  # fmt: skip
OURS_PLAIN = "crdt-sync, plain ASGI"
SIDE_BY_SIDE = (OURS, Y_WEBSOCKET, HOCUSPOCUS, PYCRDT_WEBSOCKET)
MANY = tuple(f"--limit=max-{what}=20000" for what in ("connections-per-address", "rooms-per-address", "rooms"))
"""All clients of a benchmark come from one address."""
COMMANDS = {
    OURS: (sys.executable, "-m", "crdt_sync_server", "serve", *MANY),
    OURS_UNSYNCED: (sys.executable, "-m", "crdt_sync_server", "serve", *MANY, "--durability", "normal"),
    OURS_PLAIN: (sys.executable, str(TESTS / "server" / "plain_asgi.py"), "--uvloop"),
    Y_WEBSOCKET: ("node", str(PEERS / "y_websocket.mjs")),
    Y_LEVELDB: ("node", str(PEERS / "y_websocket.mjs"), "--persist"),
    HOCUSPOCUS: ("node", str(PEERS / "hocuspocus.mjs")),
    PYCRDT_WEBSOCKET: (sys.executable, str(INTEROP / "pycrdt_server.py")),
}


@dataclass(frozen=True, slots=True)
class Server:
    """A running relay, and the folder that holds what it stores, if it does."""

    name: str
    data: Path
    relay: RelayProcess

    def room(self, name: str) -> Room:
        """Return one of its rooms. Of these relays Hocuspocus alone names the document in each message."""
        return Room(self.relay.url, name, names_document=self.name == HOCUSPOCUS)

    @property
    def process(self) -> psutil.Process:
        """Its process."""
        return psutil.Process(self.relay.pid)

    def memory_mb(self) -> float:
        """Return the resident memory of the process, in MB."""
        return float(self.process.memory_info().rss) / 1e6

    def cpu_s(self) -> float:
        """Return the processor time that it has used, in seconds."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def start(self) -> None:
        """Start it, on the server's core, and return once it listens."""
        self.relay.start()
        if pin(SERVER_CORE) is not None:
            for thread in self.process.threads():
                os.sched_setaffinity(thread.id, {SERVER_CORE})

    def restart(self) -> None:
        """kill -9, and start it again on the same port and data."""
        self.relay.kill()
        self.start()


@contextmanager
def running(folder: Path, *names: str) -> Iterator[list[Server]]:
    """Start the relays called `names`, all on the server's core; they end with the block."""
    with ExitStack() as stack:
        servers = []
        for name in names:
            folder.mkdir(parents=True, exist_ok=True)  # LevelDB makes its own folder alone
            data = folder / name.replace(" ", "-").replace(",", "")
            server = Server(name, data, RelayProcess(data, command=COMMANDS[name]))
            server.start()
            stack.callback(server.relay.kill)
            servers.append(server)
        yield servers
