"""The join storm: 100 and 1,000 clients join a room of 100,000 highlights at once, with nothing and up to date.

Then the relay is killed and started again, and they come back, which asks its store for the document too: of the peers
the y-websocket server with LevelDB alone has one. A relay that has not answered everybody within its bound is said to
have not finished, with how many it had answered, and is not asked that again, or more; so is one that takes more memory
than the bound, which is ended before the machine's other programs suffer.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvloop
from pycrdt import Doc

from benchmarks.client import Client, join, update_message
from benchmarks.common import rounds, save
from benchmarks.figures import medians, spread
from benchmarks.processes import LoadFailed, loading, watched
from benchmarks.servers import HOCUSPOCUS, OURS, PYCRDT_WEBSOCKET, Y_LEVELDB, Y_WEBSOCKET, Server, running
from benchmarks.stream import Reference, Streamer
from benchmarks.wire import Room, highlights, highlights_held
from crdt_sync.protocol.split import split_update

HIGHLIGHTS = 100_000
DEVICES = 10
WITHIN_S = 60.0
BRING_WITHIN_S = 60.0
STORE_WITHIN_S = 5.0
MEMORY_LIMIT_MB = 6_000.0
PART_BYTES = 1024 * 1024
SERVERS = (OURS, Y_WEBSOCKET, HOCUSPOCUS, PYCRDT_WEBSOCKET)
STORED = (OURS, Y_LEVELDB)


@dataclass(frozen=True, slots=True)
class Case:
    """`clients` join `servers` at once, with nothing or up to date; the relay knows the room or has just started."""

    clients: int
    up_to_date: bool
    restarted: bool
    servers: tuple[str, ...]

    @property
    def title(self) -> str:
        """What the results call it."""
        restarted = ", after a restart" if self.restarted else ""
        return f"{self.clients:,} {'up to date' if self.up_to_date else 'fresh'}{restarted}"


CASES = (
    Case(100, up_to_date=False, restarted=False, servers=SERVERS),
    Case(1_000, up_to_date=False, restarted=False, servers=SERVERS),
    Case(1_000, up_to_date=True, restarted=False, servers=SERVERS),
    Case(1, up_to_date=False, restarted=True, servers=STORED),
    Case(100, up_to_date=False, restarted=True, servers=STORED),
    Case(1_000, up_to_date=True, restarted=True, servers=STORED),
)


@dataclass(frozen=True, slots=True)
class Storm:
    """`clients` join at once, with nothing or with all that is in the file `document`."""

    url: str
    room: str
    names_document: bool
    document: str
    clients: int
    up_to_date: bool
    within_s: float = WITHIN_S


def make_document(path: Path) -> None:
    """Write a document of 100,000 highlights, made by ten devices."""
    doc: Doc[Any] = Doc()
    with doc.transaction():
        for writer in range(DEVICES):
            for update in highlights(writer, HIGHLIGHTS // DEVICES):
                doc.apply_update(update)
    path.write_bytes(doc.get_update())


async def bring(room: Room, document: bytes) -> Client:
    """Put the document into the room, in parts that every relay takes, and see that it is there.

    The client stays: two of the peers forget a room that nobody is in.
    """
    client = await join(room)
    for part in split_update(document, PART_BYTES):
        client.send(update_message(room, part))
    client.send(room.message(0, 0, state_vector_of(document)))
    client.start_over()
    deadline = time.perf_counter() + BRING_WITHIN_S
    while time.perf_counter() < deadline:
        if any((sync := room.sync(message)) and sync[0] == 1 for _, message in client.messages()):
            return client
        await asyncio.sleep(0.1)
    raise TimeoutError("the relay did not take the document")


def state_vector_of(document: bytes) -> bytes:
    """Return the encoded state vector of a document."""
    doc: Doc[Any] = Doc()
    doc.apply_update(document)
    return doc.get_state()


async def storm(spec: Storm, room: Room, state_vector: bytes) -> dict[str, Any]:
    """Let all join at once; return when they were synced, and check what they were sent."""
    loop, reference = asyncio.get_running_loop(), Reference()
    address = urlsplit(spec.url)
    clients: list[Streamer] = []

    async def one() -> float:
        _, client = await loop.create_connection(
            lambda: Streamer(room, state_vector, reference, everything=not spec.up_to_date),
            address.hostname,
            address.port,
        )
        clients.append(client)
        return await client.synced

    began = time.perf_counter()
    used = time.process_time()
    tasks = [asyncio.create_task(one()) for _ in range(spec.clients)]
    done, late = await asyncio.wait(tasks, timeout=spec.within_s)
    busy = (time.process_time() - used) / (time.perf_counter() - began)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    synced = [task.result() - began for task in done if not task.exception()]
    for client in clients:
        client.close()
    check_content(clients, everything=not spec.up_to_date)
    return {
        "finished": len(synced) == spec.clients,
        "synced": len(synced),
        "seconds": max(synced, default=spec.within_s),
        **(spread(synced) if len(synced) > 1 else {}),
        "received_mb": sum(client.received_bytes for client in clients) / 1e6,
        "busy": busy,
        "error": next((repr(task.exception()) for task in done if task.exception()), ""),
    }


def check_content(clients: list[Streamer], *, everything: bool) -> None:
    """See that what was sent in bulk is the document: once for those that were sent the same, and each that was not."""
    synced = [client for client in clients if client.is_synced]
    assert all(client.has_large or client.differs for client in synced) or not everything
    same = [client for client in synced if client.has_large and not client.differs]
    for client in (*same[:1], *(client for client in synced if client.differs)):
        assert highlights_held(client.updates()) == HIGHLIGHTS


async def run(spec: Storm, document: bytes) -> None:
    room = Room(spec.url, spec.room, spec.names_document)
    keeper = await bring(room, document)
    state_vector = state_vector_of(document) if spec.up_to_date else b"\x00"
    del document
    print(json.dumps({"ready": True}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    print(json.dumps(await storm(spec, room, state_vector)), flush=True)
    assert keeper is not None


def ask(server: Server, document: Path, case: Case) -> dict[str, Any]:
    """Run one storm against one relay. After a restart the clock starts when the relay listens again."""
    place = server.room("storm")
    spec = Storm(place.url, place.name, place.names_document, str(document), case.clients, case.up_to_date)
    try:
        with loading("join_storm", asdict(spec)) as load:
            load.report(BRING_WITHIN_S * 2)
            if case.restarted:
                time.sleep(STORE_WITHIN_S)  # for a peer that answers before it stores
                server.restart()
            with watched(server.process, MEMORY_LIMIT_MB) as watch:
                load.go()
                report = load.report(WITHIN_S + 120)
        return {**report, "peak_mb": watch.peak_mb, "over_memory_bound": watch.exceeded}
    except LoadFailed as error:
        return {"finished": False, "synced": 0, "seconds": WITHIN_S, "error": str(error)[-300:]}


def has_failed(raw: dict[str, dict[str, list[dict[str, Any]]]], name: str, case: Case) -> bool:
    """Say whether a relay could not finish a case, or the same with fewer clients."""
    return any(
        not report["finished"]
        for other in CASES
        if (other.up_to_date, other.restarted) == (case.up_to_date, case.restarted) and other.clients <= case.clients
        for report in raw[other.title][name]
    )


def main() -> None:
    raw: dict[str, dict[str, list[dict[str, Any]]]] = {
        case.title: {name: [] for name in case.servers} for case in CASES
    }
    with tempfile.TemporaryDirectory() as folder:
        document = Path(folder) / "document.bin"
        make_document(document)
        for round_ in range(rounds(at_most=2)):
            for number, case in enumerate(CASES):
                for name, reports in raw[case.title].items():
                    if has_failed(raw, name, case):
                        continue
                    # A process of its own for each: what one storm took is not the next one's.
                    with running(Path(folder) / f"{round_}-{number}", name) as (server,):
                        reports.append(ask(server, document, case))
                    print(f"{round_} {case.title:28} {name:22} {json.dumps(reports[-1])}", flush=True)
    figures = {title: {name: medians(reports) for name, reports in of.items() if reports} for title, of in raw.items()}
    save("join_storm", {"highlights": HIGHLIGHTS, "within_s": WITHIN_S, "medians": figures, "rounds": raw})


if __name__ == "__main__":
    if len(sys.argv) > 1:
        wanted = Storm(**json.loads(sys.argv[1]))
        uvloop.run(run(wanted, Path(wanted.document).read_bytes()))
    else:
        main()
