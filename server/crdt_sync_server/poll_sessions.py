"""Poll sessions: peers of a room whose frames travel in requests, kept between these and for 30 s after the last.

    opening ──► open ──► ended by a goodbye, or by 30 s without a poll: forgotten
                  └────► ended by the room: remembered for 30 s, so that an answer that was lost can be given again

A session takes from its outbox only when a poll is there to carry it, and only while little waits to be acknowledged:
between polls content coalesces, as it does for a WebSocket that is slow to drain.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import anyio

from crdt_sync.errors import RemoteProtocolError
from crdt_sync.protocol.close_codes import CloseCode
from crdt_sync.protocol.polling import Answer, Ending, Piece, Poll, PollKind, PollStream
from crdt_sync_server.errors import RelayError
from crdt_sync_server.hosted_room import HostedRoom
from crdt_sync_server.limits import Limit, LimitReached, Limits
from crdt_sync_server.logs import tell
from crdt_sync_server.outbox import Closing
from crdt_sync_server.peer import RoomPeer
from crdt_sync_server.ports import Grant
from crdt_sync_server.renewal import Renew

__all__ = ["SESSION_ENDS_AFTER_S", "PollSession", "PollSessions", "SlowDown", "TooManySessions", "UnknownSession"]

SESSION_ENDS_AFTER_S = 30.0
"""How long after its last poll a session and its presence end, and how long an ended one is remembered."""
SWEEP_EVERY_S = 1.0
NORMAL_CLOSURE = 1000
MAX_REQUESTS_PER_SESSION = 4
"""One poll that waits, one that brings something, and two that a network still delivers though they were given up."""
WINDOW_BYTES = 256 * 1024
"""Nothing more is taken from the outbox while so much waits for the client's acknowledgement."""
WINDOW_FRAMES = 1024
MAX_PARTIAL_BYTES = 256 * 1024 * 1024
"""What may wait, over all sessions, for the rest of its frame; half of it in those of one address."""


class UnknownSession(RelayError):
    """There is no such session, or it is not of this room and subject. The client starts a new one."""

    close_code = CloseCode.TRY_AGAIN


class TooManySessions(LimitReached):
    """A bound on sessions is reached."""

    def __init__(self, message: str) -> None:
        super().__init__(Limit.POLL_SESSIONS, message)


class SlowDown(LimitReached):
    """A poll that is one too many, or takes too long to arrive. The session goes on."""

    def __init__(self, message: str) -> None:
        super().__init__(Limit.POLLS, message)


class PollSession(RoomPeer):
    """A peer of a room over polling."""

    transport = "polling"

    def __init__(
        self,
        room: HostedRoom,
        *,
        grant: Grant,
        client: str | None,
        max_message_bytes: int,
        now: Callable[[], float],
        limits: Limits,
        renew: Renew | None = None,
    ) -> None:
        super().__init__(
            room, max_message_bytes=max_message_bytes, now=now, limits=limits, grant=grant, client=client, renew=renew
        )
        self.stream = PollStream(max_frame_bytes=max_message_bytes)
        self._entered = anyio.Event()
        self._turn = anyio.Lock()
        self._filling = anyio.Lock()
        self._bell = anyio.Event()  # of the poll that waits
        self._scopes: dict[anyio.CancelScope, None] = {}  # of what waits for the room, in order
        self._requests = 0
        self._last_poll_s = now()
        self._ending: Ending | None = None
        self._forget_s: float | None = None

    async def open(self) -> None:
        """Bring the session into its room; if that fails, it has ended and its polls say why."""
        tell("open", **self._who())
        self._metrics.opened("polling")
        try:
            await self._room.enter(self)
        except RelayError as error:
            self._end(Ending(error.close_code, str(error)))
        except BaseException:
            self._end(Ending(CloseCode.TRY_AGAIN, "the poll that opened this session was cut"))
            raise
        finally:
            self._entered.set()

    async def poll(self, poll: Poll, wait_s: float, has_room: Callable[[str | None], bool]) -> Answer:
        """Take what `poll` brings, wait up to `wait_s` for something to say, and answer.

        `has_room` is asked, with the client's address, whether a frame that has not come whole may be kept. It may be
        cancelled at any time, and loses nothing then. Raises `SlowDown`, and `UnknownSession` for a poll of a session
        that an earlier relay had.
        """
        if self._requests >= MAX_REQUESTS_PER_SESSION:
            raise SlowDown(f"a session has at most {MAX_REQUESTS_PER_SESSION} requests open")
        self._requests += 1
        try:
            await self._entered.wait()
            async with self._turn:
                if self.stream.is_strange(poll.piece):
                    raise UnknownSession("the relay has been restarted since this session began; open another")
                await self._take(poll.piece, has_room)
            if poll.kind is PollKind.GOODBYE:
                self._end(Ending(NORMAL_CLOSURE, "goodbye"))
                self.stream.discard()
                self._forget_s = self._now()  # its client knows
            elif wait_s > 0:
                await self._wait(wait_s)
            return await self._answer(poll.most)
        finally:
            self._requests -= 1
            self._last_poll_s = self._now()

    def has_lapsed(self, now_s: float) -> bool:
        """End the session if it has not been polled; say whether it can be forgotten."""
        if self._forget_s is not None:
            return now_s >= self._forget_s
        if self._requests or now_s - self._last_poll_s < SESSION_ENDS_AFTER_S:
            return False
        self._end(Ending(CloseCode.TRY_AGAIN, "no poll has come for 30 s"))
        return True

    def _who(self) -> dict[str, object]:
        return {"room": self.room_name, "client": self.client, "subject": self.subject, "transport": "polling"}

    def _wake(self) -> None:
        if self.outbox.is_closing:
            for scope in list(self._scopes):
                scope.cancel()
        self._bell.set()

    @contextmanager
    def _until_closing(self) -> Iterator[anyio.CancelScope]:
        """Let nothing but the session's end interrupt: a room that has failed would be waited for without end."""
        with anyio.CancelScope(shield=True) as scope:
            self._scopes[scope] = None
            if self.outbox.is_closing:
                scope.cancel()
            try:
                yield scope
            finally:
                del self._scopes[scope]

    def _end(self, ending: Ending) -> None:
        if self._ending is None:
            tell("close", **self._who(), code=ending.code, reason=ending.reason)
            self._metrics.closed("polling")
            self._ending = ending
            self._forget_s = self._now() + SESSION_ENDS_AFTER_S
            self._gone()
            self._bell.set()

    async def _take(self, piece: Piece, has_room: Callable[[str | None], bool]) -> None:
        if self._ending is not None or self.outbox.is_closing:
            return
        partial = self.stream.partial
        with self._until_closing():
            try:
                for frame in self.stream.take(piece):
                    await self._hear(frame)
            except (RemoteProtocolError, LimitReached) as error:
                self._refuse(error)
        if self.stream.partial > partial and not has_room(self.client):
            self._refuse(LimitReached(Limit.WAITING_BYTES, f"{Limit.WAITING_BYTES.words}; try again later"))

    async def _wait(self, wait_s: float) -> None:
        """Return when there is something to say, a newer poll waits, or the time is over."""
        self._bell.set()  # the older poll ends
        with anyio.move_on_after(wait_s):
            while True:
                bell = self._bell = anyio.Event()
                await self._fill()
                if self.stream.unacknowledged or self._ending is not None:
                    return
                await bell.wait()
                if self._bell is not bell:
                    return

    async def _fill(self) -> None:
        stream = self.stream
        async with self._filling:  # or two polls could turn two frames around
            while self._ending is None and stream.unacknowledged < WINDOW_BYTES and stream.kept_frames < WINDOW_FRAMES:
                item = None
                with self._until_closing() as scope:  # what leaves the outbox must reach the stream
                    item = await self._next()
                if isinstance(item, Closing):
                    self._end(Ending(item.code, item.reason))
                elif item is not None:
                    stream.send(item)
                elif not scope.cancelled_caught:
                    return

    async def _answer(self, most: int) -> Answer:
        await self._fill()
        piece = self.stream.piece(most)
        if piece.data:
            self.last_sent_s = self._now()
        return Answer(piece, self._ending if self.stream.ends_with(piece) else None)


class PollSessions:
    """The sessions of one relay process, within their bounds."""

    def __init__(self, *, max_sessions: int, max_sessions_per_address: int, now: Callable[[], float]) -> None:
        self._max_sessions = max_sessions
        self._max_sessions_per_address = max_sessions_per_address
        self._now = now
        self._sessions: dict[bytes, PollSession] = {}
        self._per_address: Counter[str | None] = Counter()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """End and forget sessions for as long as the block lasts."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._sweep_now_and_then)
            try:
                yield
            finally:
                tasks.cancel_scope.cancel()

    def find(self, session_id: bytes, room_name: str, grant: Grant) -> PollSession | None:
        """Return the session, if it is of this room and grant: who may not edit any more has to open another."""
        session = self._sessions.get(session_id)
        if session is None or (session.room_name, session.grant) != (room_name, grant):
            return None
        session.grant = grant  # its token may be a fresh one
        return session

    def check(self, session_id: bytes, client: str | None) -> None:
        """Raises `TooManySessions` if no more may be opened, and `UnknownSession` if the id is another's."""
        if session_id in self._sessions:
            raise UnknownSession("this session is not of this room; open another")
        if self._per_address[client] >= self._max_sessions_per_address:
            raise TooManySessions("too many sessions from this address; try again later")
        if len(self._sessions) >= self._max_sessions:
            raise TooManySessions("too many sessions; try again later")

    def add(self, session_id: bytes, session: PollSession) -> None:
        """Keep a new session, for which you have called `check`."""
        self._sessions[session_id] = session
        self._per_address[session.client] += 1

    def has_room(self, client: str | None) -> bool:
        """Say whether frames that have not come whole may grow in sessions of this address."""
        total = of_client = 0
        for session in self._sessions.values():
            total += session.stream.partial
            of_client += session.stream.partial * (session.client == client)
        return total <= MAX_PARTIAL_BYTES and of_client <= MAX_PARTIAL_BYTES // 2

    def sweep(self, now_s: float) -> None:
        """End those that are not polled any more, and forget those that have ended."""
        for session_id, session in list(self._sessions.items()):
            if session.has_lapsed(now_s):
                del self._sessions[session_id]
                self._per_address[session.client] -= 1
                if not self._per_address[session.client]:
                    del self._per_address[session.client]

    async def _sweep_now_and_then(self) -> None:
        while True:
            await anyio.sleep(SWEEP_EVERY_S)
            self.sweep(self._now())
