"""What does a request of the HTTP API cost? Ours with tokens, roles and an fsync, beside bare hypercorn.

The bare server is what any ASGI application could do at most: it sends the same bytes from memory, looks at no token
and stores nothing. One process each on the server's core, the load on the other, in turn; medians of the rounds.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
import jwt
from pycrdt import Doc

from benchmarks.api_load import ApiLoad
from benchmarks.common import rounds, save
from benchmarks.figures import medians
from benchmarks.processes import loading
from benchmarks.servers import OURS, PEERS, Server
from benchmarks.wire import highlights, highlights_held
from tests.relay import RelayProcess
from tests.server.api.tokens import at

BARE = "bare hypercorn"
SECRET = "a secret of the benchmark alone, long enough for RFC 7518"
HIGHLIGHTS, MEMBERS, CONNECTIONS = 1000, 10, 16
EACH = {"get state": 40, "diff": 200, "apply update": 100, "list members": 200}
"""How many requests a connection makes."""
LIMITS = [
    f"--limit={name}=1000000000"
    for name in ("questions-burst", "updates-burst", "updates-per-s", "bytes-burst", "changes-burst")
]
OCTETS = {"content-type": "application/octet-stream"}
WITHIN_S = 120.0


def token(subject: str) -> str:
    """Return a token that the relay takes."""
    return jwt.encode({"sub": subject, "exp": time.time() + 3600}, SECRET, "HS256")


@contextmanager
def server(name: str, data: Path, command: tuple[str, ...]) -> Iterator[Server]:
    """Run a server on its core."""
    running = Server(name, data, RelayProcess(data, command=command))
    running.start()
    try:
        yield running
    finally:
        running.relay.kill()


def client_of(relay: Server, subject: str) -> httpx.Client:
    """Return a client of the API."""
    headers = {"authorization": f"Bearer {token(subject)}"}
    return httpx.Client(base_url=f"http://127.0.0.1:{relay.relay.port}/api/v1", headers=headers, timeout=30)


def group(relay: Server, ada: httpx.Client) -> str:
    """Make a group of ten with a document of a thousand highlights, and return its room."""
    room: str = ada.post("/groups", json={"name": "bench"}).json()["room"]
    made = ada.post(at(room, "/invitations"), json={"role": "editor", "uses": MEMBERS}).json()
    for number in range(MEMBERS - 1):
        with client_of(relay, f"member {number}") as member:
            member.post("/invitations/accept", json={"token": made["token"]}).raise_for_status()
    doc: Doc[Any] = Doc()
    for update in highlights(1, HIGHLIGHTS):
        doc.apply_update(update)
    ada.post(at(room, "/document"), content=doc.get_update(), headers=OCTETS).raise_for_status()
    return room


def asked(ada: httpx.Client, room: str, other: str) -> dict[str, tuple[str, str]]:
    """Return the method and the path of each question; a diff lacks the last ten highlights."""
    doc: Doc[Any] = Doc()
    for update in highlights(1, HIGHLIGHTS - 10):
        doc.apply_update(update)
    vector = base64.urlsafe_b64encode(doc.get_state()).decode().rstrip("=")
    return {
        "get state": ("GET", at(room, "/document")),
        "diff": ("GET", at(room, f"/document?state_vector={vector}")),
        "apply update": ("POST", at(other, "/document")),
        "list members": ("GET", at(room, "/members")),
    }


def keep_answers(ada: httpx.Client, questions: dict[str, tuple[str, str]], data: Path) -> dict[str, tuple[int, int]]:
    """Let ours answer once, keep that for the bare server, and return status and length of each."""
    data.mkdir()
    listed: dict[str, tuple[int, str, str]] = {}
    shapes: dict[str, tuple[int, int]] = {}
    for number, (question, (method, path)) in enumerate(questions.items()):
        if method == "GET":
            answer = ada.get(path).raise_for_status()
            status, kind, body = answer.status_code, answer.headers["content-type"], answer.content
        else:
            status, kind, body = 204, "text/plain", b""
        (data / f"{number}").write_bytes(body)
        listed[f"{method} /api/v1{path}"] = (status, kind, f"{number}")
        shapes[question] = (status, len(body))
    (data / "answers.json").write_text(json.dumps(listed))
    return shapes


def main() -> None:
    os.environ["CRDT_SYNC_SERVER_JWT_SECRET"] = SECRET
    raw: dict[str, dict[str, list[dict[str, Any]]]] = {each: {OURS: [], BARE: []} for each in EACH}
    ours = (sys.executable, "-m", "crdt_sync_server", "serve", "--auth", "jwt", *LIMITS)
    writer = 100
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        relay = stack.enter_context(server(OURS, Path(folder) / "ours", ours))
        ada = stack.enter_context(client_of(relay, "ada"))
        room, other = group(relay, ada), ada.post("/groups", json={"name": "written"}).json()["room"]
        questions = asked(ada, room, other)
        shapes = keep_answers(ada, questions, Path(folder) / "bare")
        command = (sys.executable, str(PEERS / "bare.py"))
        bare = stack.enter_context(server(BARE, Path(folder) / "bare", command))
        for round_ in range(rounds() + 1):  # the first warms up
            for question, (method, path) in questions.items():
                for each in (relay, bare):
                    status, length = shapes[question]
                    load = ApiLoad(
                        each.relay.port, token("ada"), method, f"/api/v1{path}", EACH[question], status, length,
                        CONNECTIONS, writer,
                    )  # fmt: skip
                    began_s = each.cpu_s()
                    with loading("api_load", asdict(load)) as process:
                        report = process.report(WITHIN_S)
                    report["processor_us_each"] = (each.cpu_s() - began_s) / (EACH[question] * CONNECTIONS) * 1e6
                    if round_:
                        raw[question][each.name].append(report)
                    print(
                        f"{round_} {question:13} {each.name:15} {report['requests_per_s']:8.0f}/s "
                        f"{report['p50_ms']:7.2f} {report['p99_ms']:7.2f} ms, load {report['busy']:.0%}",
                        flush=True,
                    )
                if method == "POST":
                    writer += CONNECTIONS
        written = EACH["apply update"] * CONNECTIONS * (rounds() + 1)
        assert highlights_held([ada.get(at(other, "/document")).content]) == written, "what was confirmed is there"
    figures = {question: {name: medians(reports) for name, reports in of.items()} for question, of in raw.items()}
    sizes = {question: length for question, (_, length) in shapes.items()}
    save("api", {"medians": figures, "rounds": raw, "bytes of an answer": sizes})


if __name__ == "__main__":
    main()
