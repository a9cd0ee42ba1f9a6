"""HTTP polling as a transport: one request that waits for news, and one that brings what there is to say.

The streams of `crdt_sync.protocol.polling` make it harmless that a request is lost, repeated, late or cut, so a failed
one is simply made again. The connection is lost when the relay says so, or when requests have failed for 20 s.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import anyio
import httpx

from crdt_sync.errors import ConnectionLost, RemoteProtocolError, Trouble
from crdt_sync.groups import telling_error
from crdt_sync.protocol.polling import (
    MAX_PIECE_BYTES,
    SESSION_BYTES,
    Answer,
    Poll,
    PollKind,
    PollStream,
    encode_poll,
)
from crdt_sync.sync.poll_requests import PollRequests, RequestFailed
from crdt_sync.sync.transport import TransportReplaced, room_url

__all__ = ["PollingConnect", "PollingTransport"]

MAX_WAIT_S = 25.0
MIN_WAIT_S = 0.25
LOST_AFTER_S = 20.0
"""For how long requests may fail before the connection is lost; the relay keeps a session for 30 s."""
LOST_AFTER_REFUSALS = 3
"""How often in a row nobody may even be reached."""
EARLY_S = 0.1
OVERDUE_AFTER_S = 3.0
"""When a poll that waits is given up though another request has brought what it should have been told."""
RETRY_DELAYS_S = (0.0, 0.25, 0.5, 1.0, 2.0)
FAREWELL_WITHIN_S = 2.0
MIN_MOST_BYTES = 16 * 1024
MAX_MOST_BYTES = MAX_PIECE_BYTES // 2
"""A proxy's bound is often 1 MiB for a whole body, so we stay well below."""
MAX_UNSENT_BYTES = 4 * 1024 * 1024
MAX_INBOX_BYTES = 1024 * 1024
"""While more has come and is not read, no poll asks for more."""


class PollingConnect:
    """`Connect` to one room of one relay, by `POST <relay>/sync/<room>`."""

    def __init__(self, relay: str, room: str, client: httpx.AsyncClient, *, random: Random) -> None:
        self._url = room_url(relay, room, under="/sync")
        self._client = client
        self._random = random

    @asynccontextmanager
    async def __call__(self, token: str | None) -> AsyncIterator[PollingTransport]:
        """Open a session with `token` in the Authorization header of each request."""
        requests = PollRequests(self._client, self._url, token)
        session_id = self._random.getrandbits(8 * SESSION_BYTES).to_bytes(SESSION_BYTES, "big")
        transport = PollingTransport(requests, session_id, self._random)
        await transport.open()
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(transport.listen)
                tasks.start_soon(transport.speak)
                yield transport
                tasks.cancel_scope.cancel()
        except BaseExceptionGroup as group:  # the caller's own error
            raise telling_error(group) from group
        finally:
            with anyio.move_on_after(FAREWELL_WITHIN_S, shield=True):
                await transport.farewell()


class PollingTransport:
    """One session."""

    name = "polling"

    def __init__(self, requests: PollRequests, session_id: bytes, random: Random) -> None:
        self._requests = requests
        self._session_id = session_id
        self._random = random
        self._stream = PollStream()
        self._inbox: deque[bytes] = deque()
        self._inbox_bytes = 0
        self._news = anyio.Event()  # whatever a lane or a caller may wait for
        self._ended: ConnectionLost | None = None
        self._wait_s = MAX_WAIT_S
        self._most = MAX_MOST_BYTES
        self._failures = 0
        self._refusals = 0
        self._failing_since_s: float | None = None
        self._waiting = anyio.CancelScope()  # of the poll that waits at the relay

    # For the connection

    async def send(self, frame: bytes) -> None:
        """Queue one message; wait while too much waits already."""
        while self._ended is None and self._stream.unacknowledged > MAX_UNSENT_BYTES:
            await self._news.wait()
        if self._ended is not None:
            raise self._ended
        self._stream.send(frame)
        self._tell()

    async def receive(self) -> bytes:
        """Return the next message; what came before the end comes first."""
        while not self._inbox:
            if self._ended is not None:
                raise self._ended
            await self._news.wait()
        frame = self._inbox.popleft()
        self._inbox_bytes -= len(frame)
        if self._inbox_bytes <= MAX_INBOX_BYTES:
            self._tell()
        return frame

    @property
    def token(self) -> str | None:
        """The token of the requests from now on."""
        return self._requests.token

    def renew(self, token: str) -> None:
        """Make the requests from now on with this token."""
        self._requests.token = token

    def end(self, reason: ConnectionLost) -> None:
        """End the session from this side: whoever sends or receives gets `reason`."""
        if self._ended is None:
            self._ended = reason
            self._tell()

    # The session's tasks

    async def open(self) -> None:
        """Open the session. Raises `ConnectionLost`."""
        try:
            await self._exchange(PollKind.OPEN)
        except RequestFailed as failure:
            raise ConnectionLost(str(failure), trouble=failure.trouble) from failure
        if self._ended is not None:
            raise self._ended

    async def listen(self) -> None:
        """Keep one poll waiting at the relay."""
        while self._ended is None:
            if self._inbox_bytes > MAX_INBOX_BYTES:
                await self._news.wait()
                continue
            began_s = anyio.current_time()
            brought = True
            try:
                with anyio.CancelScope() as self._waiting:
                    brought = await self._exchange(PollKind.POLL, wait_s=self._wait_s)
            except ConnectionLost as lost:
                self.end(lost)
            except RequestFailed as failure:  # something cuts what takes long, perhaps: wait for less next time
                self._wait_s = max(min(self._wait_s, anyio.current_time() - began_s) / 2, MIN_WAIT_S)
                await self._recover(failure)
            else:
                lasted_s = anyio.current_time() - began_s
                if lasted_s >= self._wait_s:
                    self._wait_s = min(self._wait_s * 2, MAX_WAIT_S)
                elif not brought and lasted_s < EARLY_S:  # a late copy of an older poll took its place
                    await anyio.sleep(EARLY_S)

    async def speak(self) -> None:
        """Bring what there is to say, one request at a time."""
        while self._ended is None:
            if not self._stream.unacknowledged:
                await self._news.wait()
                continue
            waiting, received = self._waiting, self._stream.received
            try:
                await self._exchange(PollKind.POLL, carry=True)
            except ConnectionLost as lost:
                self.end(lost)
            except RequestFailed as failure:
                await self._recover(failure)
            else:
                if self._stream.received > received:  # the relay holds no poll while it has that to say
                    waiting.deadline = min(waiting.deadline, anyio.current_time() + OVERDUE_AFTER_S)

    async def farewell(self) -> None:
        """Say what is left to say, and goodbye, unless the session is lost."""
        if isinstance(self._ended, TransportReplaced):
            self._ended = None  # or its presence would stand in the way of that of the next connection
        while self._ended is None:
            whole = self._stream.ends_with(self._stream.piece(self._most))
            try:
                await self._exchange(PollKind.GOODBYE if whole else PollKind.POLL, carry=True)
            except ConnectionLost:
                return
            except RequestFailed as failure:
                await self._recover(failure)
                continue
            if whole:
                return

    # Inside

    def _tell(self) -> None:
        news, self._news = self._news, anyio.Event()
        news.set()

    async def _exchange(self, kind: PollKind, *, wait_s: float = 0, carry: bool = False) -> bool:
        """Make one request and take its answer; return whether that brought anything."""
        most = self._most
        piece = self._stream.piece(most if carry else 0)
        poll = Poll(kind, self._session_id, int(wait_s * 1000), most, piece)
        try:
            answer = await self._requests.post(encode_poll(poll), wait_s)
        except RequestFailed:
            self._most = max(most // 2, MIN_MOST_BYTES)  # what arrives whole is never sent again
            raise
        self._failing_since_s, self._failures, self._refusals = None, 0, 0
        if max(len(piece.data), len(answer.piece.data)) == most:
            self._most = min(most * 2, MAX_MOST_BYTES)
        self._take(answer)
        return bool(answer.piece.data)

    def _take(self, answer: Answer) -> None:
        try:
            frames = self._stream.take(answer.piece)
        except RemoteProtocolError as error:
            raise ConnectionLost(f"the relay does not speak the protocol: {error}", code=error.close_code) from error
        self._inbox += frames
        self._inbox_bytes += sum(map(len, frames))
        if answer.ending is not None:
            code, reason = answer.ending.code, answer.ending.reason
            self.end(ConnectionLost(reason or f"the relay ended the session ({code})", code=code))
        self._tell()

    async def _recover(self, failure: RequestFailed) -> None:
        """Pause before the next attempt, or end the session if there have been too many."""
        now_s = anyio.current_time()
        if self._failing_since_s is None:
            self._failing_since_s = now_s
        self._refusals = self._refusals + 1 if failure.trouble is Trouble.UNREACHABLE else 0
        if self._refusals >= LOST_AFTER_REFUSALS or now_s - self._failing_since_s >= LOST_AFTER_S:
            self.end(ConnectionLost(str(failure), trouble=failure.trouble))
            return
        delay_s = RETRY_DELAYS_S[min(self._failures, len(RETRY_DELAYS_S) - 1)]
        self._failures += 1
        await anyio.sleep(delay_s * (0.5 + self._random.random()))
