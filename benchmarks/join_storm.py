"""The join storm: 1,000 clients join a room of 100,000 highlights at once, with nothing and up to date.

Then the relay is killed and started again, and they come back, which asks its store for the document too: of the peers
the y-websocket server with LevelDB alone has one. A relay that has not answered everybody within its bound is said to
have not finished, with how many it had answered; so is one that takes more memory than the bound, which is ended before
the machine's other programs suffer. What has failed twice is not asked a third time.
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

from benchmarks.client import join, update_message
from benchmarks.common import rounds, save
from benchmarks.figures import medians, spread
from benchmarks.processes import LoadFailed, LoadProcess, loading, watched
from benchmarks.servers import HOCUSPOCUS, OURS, PYCRDT_WEBSOCKET, Y_LEVELDB, Y_WEBSOCKET, Server, running
from benchmarks.stream import Reference, Streamer
from benchmarks.wire import Room, highlights, highlights_held
from crdt_sync.protocol.split import split_update

HIGHLIGHTS = 100_000
DEVICES = 10
CLIENTS = 1_000
WITHIN_S = 60.0
MEMORY_LIMIT_MB = 6_000.0
PART_BYTES = 1024 * 1024
TRIES = 2
SERVERS = (OURS, Y_WEBSOCKET, HOCUSPOCUS, PYCRDT_WEBSOCKET)
STORED = (OURS, Y_LEVELDB)
CASES = {"fresh": False, "up to date": True}


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


async def bring(room: Room, document: bytes) -> None:
    """Put the document into the room, in parts that every relay takes, and see that it is there."""
    client = await join(room)
    for part in split_update(document, PART_BYTES):
        client.send(update_message(room, part))
    client.send(room.message(0, 0, state_vector_of(document)))
    client.frames.clear()
    deadline = time.perf_counter() + WITHIN_S * 2
    while time.perf_counter() < deadline:
        if any((sync := room.sync(message)) and sync[0] == 1 for _, message in client.messages()):
            break
        await asyncio.sleep(0.2)
    else:
        raise TimeoutError("the relay did not take the document")
    assert client.transport is not None
    client.transport.disconnect()


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
            lambda: Streamer(room, state_vector, reference), address.hostname, address.port
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
    if reference.owner is not None and reference.owner.synced.done() and not reference.owner.synced.exception():
        assert highlights_held(reference.owner.updates()) == HIGHLIGHTS
    for client in clients:
        if client.payload_differs and client.synced.done() and not client.synced.exception():
            assert highlights_held(client.updates()) == HIGHLIGHTS
    return {
        "finished": len(synced) == spec.clients,
        "synced": len(synced),
        "seconds": max(synced, default=spec.within_s),
        **(spread(synced) if len(synced) > 1 else {}),
        "received_mb": sum(client.received_bytes for client in clients) / 1e6,
        "busy": busy,
        "error": next((repr(task.exception()) for task in done if task.exception()), ""),
    }


async def run(spec: Storm) -> None:
    room = Room(spec.url, spec.room, spec.names_document)
    document = Path(spec.document).read_bytes()
    if not spec.clients:
        await bring(room, document)
        print(json.dumps({"brought_mb": len(document) / 1e6}), flush=True)
        return
    state_vector = state_vector_of(document) if spec.up_to_date else b"\x00"
    del document
    print(json.dumps({"ready": True}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    print(json.dumps(await storm(spec, room, state_vector)), flush=True)


def ask(server: Server, document: Path, clients: int, up_to_date: bool, *, restarted: bool) -> dict[str, Any]:
    """Run one storm against one relay. After a restart the clock starts when the relay listens again."""
    place = server.room("storm")
    spec = asdict(Storm(place.url, place.name, place.names_document, str(document), clients, up_to_date))

    def measure(load: LoadProcess) -> dict[str, Any]:
        load.report(60)
        if restarted:
            server.restart()
        with watched(server.process, MEMORY_LIMIT_MB) as watch:
            load.go()
            report = load.report(WITHIN_S + 120)
        report["peak_mb"] = watch.peak_mb
        report["over_memory_bound"] = watch.exceeded
        return report

    with loading("join_storm", spec) as load:
        return measure(load)


def bring_to(server: Server, document: Path) -> bool:
    """Put the document into the relay's room; return whether it could be."""
    place = server.room("storm")
    spec = asdict(Storm(place.url, place.name, place.names_document, str(document), 0, up_to_date=False))
    with loading("join_storm", spec) as load:
        try:
            load.report(WITHIN_S * 3)
        except LoadFailed as error:
            print(f"  {server.name}: {error}", flush=True)
            return False
    return True


def main() -> None:
    raw: dict[str, dict[str, list[dict[str, Any]]]] = {}

    def measure(name: str, document: Path, folder: Path, cases: dict[str, bool], *, restarted: bool) -> None:
        wanted = {}
        for case, up_to_date in cases.items():
            title = f"{case}, after a restart" if restarted else case
            reports = raw.setdefault(title, {}).setdefault(name, [])
            if sum(not report["finished"] for report in reports) < TRIES:
                wanted[title] = up_to_date
        for title, up_to_date in wanted.items():
            with running(folder, name) as (server,):  # a new process for each: what one storm took is not the next one's
                if not (server.data.exists() and restarted) and not bring_to(server, document):
                    raw[title][name].append({"finished": False, "synced": 0, "seconds": WITHIN_S})
                    continue
                report = ask(server, document, CLIENTS, up_to_date, restarted=restarted)
                raw[title][name].append(report)
                print(f"{title:28} {name:22} {json.dumps(report)}", flush=True)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_document(folder / "document.bin")
        for round_ in range(rounds()):
            for restarted, names in ((False, SERVERS), (True, STORED)):
                for server in names:
                    place = folder / f"{round_}-{restarted}"
                    measure(server, folder / "document.bin", place, CASES, restarted=restarted)
    figures = {title: {name: medians(reports) for name, reports in of.items()} for title, of in raw.items()}
    save("join_storm", {"highlights": HIGHLIGHTS, "clients": CLIENTS, "medians": figures, "rounds": raw})


if __name__ == "__main__":
    if len(sys.argv) > 1:
        uvloop.run(run(Storm(**json.loads(sys.argv[1]))))
    else:
        main()
