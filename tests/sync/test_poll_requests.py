"""What stands in an answer to a poll: the relay's word, or that of something on the way."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from crdt_sync.errors import ConnectionLost, Trouble
from crdt_sync.protocol.polling import Answer, Piece, encode_answer
from crdt_sync.sync.poll_requests import POLL_TYPE, PollRequests, RequestFailed

pytestmark = pytest.mark.anyio
GOOD = Answer(Piece(3, 4, b"data"))


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Box(ThreadingHTTPServer):
    """Answers every request alike."""

    daemon_threads = True
    status, kind, body = 200, POLL_TYPE, b""
    authorization: str | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/sync/r"


class Handler(BaseHTTPRequestHandler):
    server: Box

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.server.authorization = self.headers["authorization"]
        self.send_response(self.server.status)
        self.send_header("content-type", self.server.kind)
        self.send_header("content-length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *arguments: object) -> None:
        return None


@pytest.fixture
def box() -> Iterator[Box]:
    with Box(("127.0.0.1", 0), Handler) as box:
        thread = threading.Thread(target=box.serve_forever, args=(0.01,))
        thread.start()
        yield box
        box.shutdown()
        thread.join(10)


async def ask(box: Box, status: int, kind: str, body: bytes) -> Answer:
    box.status, box.kind, box.body = status, kind, body
    async with httpx.AsyncClient() as client:
        return await PollRequests(client, box.url, "hunter2").post(b"poll", 0)


async def test_the_relays_answer_is_taken_and_it_got_the_token(box: Box) -> None:
    assert await ask(box, 200, POLL_TYPE, encode_answer(GOOD)) == GOOD
    assert box.authorization == "Bearer hunter2"


@pytest.mark.parametrize("code", [1001, 1013, 4400, 4401, 4403, 4413, 4500])
async def test_the_relays_refusal_is_final_for_the_session(box: Box, code: int) -> None:
    with pytest.raises(ConnectionLost, match="because") as caught:
        await ask(box, 403, "application/json", b'{"error": "because", "code": %d}' % code)
    assert caught.value.code == code


async def test_one_request_too_many_is_made_again(box: Box) -> None:
    with pytest.raises(RequestFailed, match="slower"):
        await ask(box, 429, "application/json", b'{"error": "slower", "code": 1008}')


async def test_a_bare_401_asks_for_a_token(box: Box) -> None:
    with pytest.raises(ConnectionLost) as caught:
        await ask(box, 401, "text/html", b"<html>")
    assert caught.value.code == 4401


@pytest.mark.parametrize(
    ("status", "kind", "body"),
    [
        (200, "text/html", b"<html>welcome to our hotel</html>"),
        (200, "text/html", encode_answer(GOOD)),
        (200, POLL_TYPE, b"\x07garbage"),
        (200, POLL_TYPE, b""),
        (200, POLL_TYPE, bytes(2 * 1024 * 1024)),
        (302, "text/html", b""),
        (403, "text/html", b"<html>no</html>"),
        (403, "application/json", b'{"error": "no", "code": 403}'),
        (403, "application/json", b'["error", "code"]'),
        (413, "text/html", b"too large"),
        (502, "text/html", b"bad gateway"),
    ],
)
async def test_what_something_on_the_way_says_is_not_the_relays_word(
    box: Box, status: int, kind: str, body: bytes
) -> None:
    with pytest.raises(RequestFailed) as caught:
        await ask(box, status, kind, body)
    assert caught.value.trouble is Trouble.INTERCEPTED


@pytest.mark.parametrize("status", [404, 405])
async def test_a_server_that_knows_no_polling_is_told_apart(box: Box, status: int) -> None:
    with pytest.raises(RequestFailed) as caught:
        await ask(box, status, "application/json", b'{"error": "not found"}')
    assert caught.value.trouble is Trouble.NOT_OFFERED
