"""A webhook's receiver as a real HTTP server: it can be slow, fail, redirect, or answer without end."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WAIT_S = 20.0


@dataclass(frozen=True)
class Heard:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def told(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.body)
        return told

    @property
    def which(self) -> tuple[str, int | None]:
        """The room, and its version."""
        return self.told["room"], self.told["version"]

    def is_signed_with(self, secret: str) -> bool:
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signed = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + self.body
        wanted = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
        return hmac.compare_digest(f"v1,{wanted}", self.headers["webhook-signature"])


class Receiver:
    """`answers` are used up first to last, the last for good; `goes_on` holds every answer back while it is clear."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.heard: list[Heard] = []
        self.answers: list[tuple[int, dict[str, str], bytes]] = [(204, {}, b"")]
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.open = 0
        self.most_open = 0
        self._changed = threading.Condition()

    def take(self, heard: Heard) -> tuple[int, dict[str, str], bytes]:
        with self._changed:
            self.heard.append(heard)
            self.open += 1
            self.most_open = max(self.open, self.most_open)
            self._changed.notify_all()
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        self.goes_on.wait(WAIT_S)
        with self._changed:
            self.open -= 1
        return answer

    def until(self, condition: Callable[[list[Heard]], bool]) -> list[Heard]:
        """Wait until what was heard fulfils `condition`, and return it."""
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self.heard), WAIT_S), self.heard
            return list(self.heard)


@contextmanager
def receiver(port: int = 0) -> Iterator[Receiver]:
    """Listen for as long as the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, more, data = here.take(Heard(self.path, headers, body))
            try:
                self.send_response(status)
                for name, value in {"content-length": str(len(data)), **more}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)
            except OSError:
                pass  # who called did not wait, or did not read to the end

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_: object) -> None: ...

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None: ...  # the caller has gone

    server = Server(("127.0.0.1", port), Handler)
    here = Receiver(server.server_port)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield here
    finally:
        here.goes_on.set()
        server.shutdown()
        server.server_close()
        thread.join()


def nobody_s_port() -> int:
    """Return a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


def wait_until(condition: Callable[[], bool]) -> None:
    """Return once `condition` holds, which must be soon."""
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
