"""A client that polls by hand: it says exactly what a test wants said, to a real relay over real sockets."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

import httpx

from crdt_sync.protocol.messages import Message, decode, encode
from crdt_sync.protocol.polling import (
    Answer,
    Ending,
    Piece,
    Poll,
    PollKind,
    PollStream,
    decode_answer,
    encode_poll,
)

MOST = 1024 * 1024
NOTHING = Piece(0, 0, b"")


class Poller:
    """One session. `say` queues, and each `poll` is one request."""

    def __init__(
        self, relay_url: str, room: str, *, session: bytes | None = None, headers: dict[str, str] | None = None
    ):
        self.url = f"{relay_url.replace('ws:', 'http:')}/sync/{room}"
        self.session = session or os.urandom(16)
        self.client = httpx.Client(headers=headers, timeout=40)
        self.stream = PollStream()
        self.heard: list[Message] = []
        self.ending: Ending | None = None

    def say(self, *messages: Message) -> None:
        for message in messages:
            self.stream.send(encode(message))

    def next_poll(self, kind: PollKind = PollKind.POLL, wait_s: float = 0) -> Poll:
        return Poll(kind, self.session, int(wait_s * 1000), MOST, self.stream.piece(MOST))

    def post(
        self, body: bytes | Poll, client: httpx.Client | None = None, *, sent: Callable[[], None] = lambda: None
    ) -> httpx.Response:
        """Send one request as it is and return its response, unread by this session; `sent` is called in between."""

        def trace(event: str, info: object) -> None:
            if event == "http11.send_request_body.complete":
                sent()

        content = encode_poll(body) if isinstance(body, Poll) else body
        return (client or self.client).post(self.url, content=content, extensions={"trace": trace})

    def take(self, response: httpx.Response) -> Answer:
        assert response.status_code == 200, response.text
        answer = decode_answer(response.content)
        for frame in self.stream.take(answer.piece):
            self.heard += decode(frame)
        self.ending = answer.ending or self.ending
        return answer

    def poll(self, wait_s: float = 0, kind: PollKind = PollKind.POLL) -> Answer:
        return self.take(self.post(self.next_poll(kind, wait_s)))

    def open(self) -> None:
        self.take(self.post(Poll(PollKind.OPEN, self.session, 0, MOST, NOTHING)))

    def hear(self, wanted: type[Message]) -> Message:
        """Poll until a message of this type has come, and return the last."""
        for _ in range(20):
            if found := [message for message in self.heard if isinstance(message, wanted)]:
                return found[-1]
            assert self.ending is None, self.ending
            self.poll(wait_s=5)
        raise AssertionError(f"no {wanted.__name__} in {self.heard}")

    def until_ended(self) -> Ending:
        for _ in range(20):
            if self.ending is not None:
                return self.ending
            self.poll(wait_s=5)
        raise AssertionError("the session did not end")

    def with_session_of(self, other: Poller) -> Poll:
        return replace(self.next_poll(), session=other.session)

    def __enter__(self) -> Poller:
        return self

    def __exit__(self, *error: object) -> None:
        self.client.close()
