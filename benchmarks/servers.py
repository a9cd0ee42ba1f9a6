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
from tests.interop.node import INTEROP
from tests.relay import RelayProcess

PEERS = Path(__file__).with_name("peers")
OURS, OURS_UNSYNCED, Y_WEBSOCKET, HOCUSPOCUS, PYCRDT_WEBSOCKET = (
    "crdt-sync", "crdt-sync, no fsync", "y-websocket 2", "Hocuspocus 3", "pycrdt-websocket",
)  # fmt: skip
MANY = tuple(f"--limit=max-{what}=20000" for what in ("connections-per-address", "rooms-per-address", "rooms"))
"""All clients of a benchmark come from one address."""
COMMANDS = {
    OURS: (sys.executable, "-m", "crdt_sync_server", "serve", *MANY),
    OURS_UNSYNCED: (sys.executable, "-m", "crdt_sync_server", "serve", *MANY, "--durability", "normal"),
    Y_WEBSOCKET: ("node", str(INTEROP / "y_websocket_2.mjs")),
    HOCUSPOCUS: ("node", str(PEERS / "hocuspocus.mjs")),
    PYCRDT_WEBSOCKET: (sys.executable, str(INTEROP / "pycrdt_server.py")),
}


@dataclass(frozen=True, slots=True)
class Server:
    """A running relay. `names_document` says that each message begins with the document's name, as Hocuspocus' do."""

    name: str
    url: str
    process: psutil.Process
    names_document: bool

    def memory_mb(self) -> float:
        """Return the resident memory of the process, in MB."""
        return float(self.process.memory_info().rss) / 1e6

    def cpu_s(self) -> float:
        """Return the processor time that it has used, in seconds."""
        times = self.process.cpu_times()
        return float(times.user + times.system)


@contextmanager
def running(folder: Path, *names: str) -> Iterator[list[Server]]:
    """Start the relays called `names`, all on the server's core; they end with the block."""
    with ExitStack() as stack:
        servers = []
        for name in names:
            relay = RelayProcess(folder / name.replace(" ", "-"), command=COMMANDS[name])
            relay.start()
            stack.callback(relay.kill)
            if pin(SERVER_CORE) is not None:
                os.sched_setaffinity(relay.pid, {SERVER_CORE})
            servers.append(Server(name, relay.url, psutil.Process(relay.pid), name == HOCUSPOCUS))
        yield servers
