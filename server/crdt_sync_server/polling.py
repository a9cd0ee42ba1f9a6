"""The polling face: `POST /sync/<room>`, for clients whose network lets no WebSocket through (`docs/protocol.md`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import anyio

from crdt_sync.errors import RemoteProtocolError
from crdt_sync.protocol.close_codes import CloseCode
from crdt_sync.protocol.polling import MAX_POLL_BYTES, Answer, Poll, PollKind, decode_poll, encode_answer
from crdt_sync_server.errors import Forbidden, RelayError
from crdt_sync_server.gate import Gate
from crdt_sync_server.host import Host
from crdt_sync_server.http import Headers, respond, respond_json
from crdt_sync_server.limits import Admission, Budget, Limit, LimitReached
from crdt_sync_server.logs import reached, tell
from crdt_sync_server.poll_sessions import PollSession, PollSessions, SlowDown, UnknownSession
from crdt_sync_server.ports import ConnectRequest, Grant
from crdt_sync_server.requests import client_of, connect_request

__all__ = ["POLLING_PREFIX", "PollingFace"]

Scope: TypeAlias = dict[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Any]]
Send: TypeAlias = Callable[[Any], Awaitable[None]]

POLLING_PREFIX = "/sync/"
BODY_WITHIN_S = 30.0
MAX_BODIES = 256
"""How many bodies are read at a time, half of them of one address: each may take a megabyte and half a minute before
its session is known."""
MAX_HELD_BYTES = 256 * 1024 * 1024
"""What the bodies of all polls that are not answered yet may take together, and half of it those of one address; a poll
that waits has next to none."""
SAY_AT_ONCE = ((b"x-accel-buffering", b"no"),)
_STATUS = {
    CloseCode.NOT_THE_PROTOCOL: 400,
    CloseCode.UNAUTHENTICATED: 401,
    CloseCode.FORBIDDEN: 403,
    CloseCode.TRY_AGAIN: 410,
    CloseCode.TOO_BIG: 413,
    CloseCode.POLICY: 429,
    CloseCode.GOING_AWAY: 503,
    CloseCode.RESTARTING: 503,
    CloseCode.OVERLOADED: 503,
}
"""The HTTP status of a refusal. The close code stands in the body, and is what a client goes by."""


class _Gone(Exception):
    """The client has hung up: nobody can be answered."""


class PollingFace:
    """An ASGI application that carries the sync protocol in requests, under the rules of the WebSocket."""

    def __init__(
        self,
        host: Host,
        gate: Gate,
        sessions: PollSessions,
        *,
        max_message_bytes: int,
        max_wait_s: float,
    ) -> None:
        self._host = host
        self._gate = gate
        self._sessions = sessions
        self._max_message_bytes = max_message_bytes
        self._max_wait_s = max_wait_s
        self._arriving = Admission(
            most=MAX_BODIES, most_per_address=MAX_BODIES // 2, in_all=Limit.POLLS, of_address=Limit.POLLS
        )
        self._held = Budget(MAX_HELD_BYTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        origin: Headers = ()
        try:
            request = connect_request(scope, under=POLLING_PREFIX)
            origin = await self._allow_origin(request)
            if scope["method"] == "OPTIONS":
                await _respond_preflight(send, origin)
            elif scope["method"] != "POST":
                allow = ((b"allow", b"POST, OPTIONS"), *origin)
                await respond_json(send, 405, {"error": "a poll is a POST", "code": CloseCode.NOT_THE_PROTOCOL}, allow)
            else:
                answer = await self._poll(request, receive)
                data = encode_answer(answer)
                await respond(send, 200, "application/octet-stream", data, (*SAY_AT_ONCE, *origin))
        except (RelayError, RemoteProtocolError) as error:
            if isinstance(error, LimitReached | RemoteProtocolError):
                limit = error.limit if isinstance(error, LimitReached) else Limit.of(error.close_code)
                reached(limit, client=client_of(scope), detail=str(error))
            code = CloseCode(error.close_code)
            self._host.metrics.refused(code)
            status = _STATUS.get(code, 500)
            retry_after_s = getattr(error, "retry_after_s", None)
            headers = () if retry_after_s is None else ((b"retry-after", str(retry_after_s).encode()),)
            await respond_json(send, status, {"error": str(error), "code": int(code)}, (*headers, *origin))
        except _Gone:
            return

    async def _poll(self, request: ConnectRequest, receive: Receive) -> Answer:
        try:
            grant = await self._gate.admit(request)
        except LimitReached:
            raise
        except RelayError as error:
            tell("refuse", client=request.client, code=error.close_code, reason=str(error), transport="polling")
            raise
        with self._arriving.entered(request.client):
            body = await _body(receive)
        if not self._held.take(request.client, len(body)):
            raise SlowDown("too many polls wait at once; try again")
        try:
            return await self._answer(request, grant, decode_poll(body), receive)
        finally:
            self._held.take(request.client, -len(body))

    async def _answer(self, request: ConnectRequest, grant: Grant, poll: Poll, receive: Receive) -> Answer:
        wait_s = min(poll.wait_ms / 1000, self._max_wait_s)
        if grant.expires_at_s is not None:
            wait_s = max(0.0, min(wait_s, grant.expires_at_s - self._host.wall()))

        async def answer() -> Answer:
            self._host.check(grant)
            session = self._sessions.find(poll.session, request.room, grant)
            if session is None:
                if poll.kind is not PollKind.OPEN:
                    raise UnknownSession("the relay does not know this session, or it has ended; open another")
                session = await self._open(poll.session, request, grant)
            return await session.poll(poll, wait_s, self._sessions.has_room)

        return await _unless_gone(receive, answer)

    async def _open(self, session_id: bytes, request: ConnectRequest, grant: Grant) -> PollSession:
        self._sessions.check(session_id, request.client)  # before a room is loaded for it
        session = PollSession(
            self._host.room(request.room, request.client),
            grant=grant,
            client=request.client,
            max_message_bytes=self._max_message_bytes,
            now=self._host.now,
            limits=self._host.limits,
            renew=None if grant.subject is None else self._gate.renewal(request),
        )
        self._sessions.add(session_id, session)
        await session.open()
        return session

    async def _allow_origin(self, request: ConnectRequest) -> Headers:
        """Return the headers that let a page read the answer."""
        origin = await self._gate.allowed_origin(request)
        if origin is None:
            return ()
        return ((b"access-control-allow-origin", origin.encode("latin-1")), (b"vary", b"origin"))


async def _body(receive: Receive) -> bytes:
    with anyio.move_on_after(BODY_WITHIN_S):
        return await _read_body(receive)
    raise SlowDown(f"a poll must arrive within {BODY_WITHIN_S:.0f} s; send less at a time")


async def _read_body(receive: Receive) -> bytes:
    body = bytearray()
    size = 0
    while True:
        event = await receive()
        if event["type"] != "http.request":
            raise _Gone
        size += len(event["body"])
        if size <= MAX_POLL_BYTES:
            body += event["body"]
        if not event["more_body"]:
            break
    if size > MAX_POLL_BYTES:  # the rest was read and dropped: who still sends cannot read the answer
        raise RemoteProtocolError(f"a poll has at most {MAX_POLL_BYTES} bytes", close_code=CloseCode.TOO_BIG)
    return bytes(body)


async def _unless_gone(receive: Receive, answer: Callable[[], Awaitable[Answer]]) -> Answer:
    """Return the answer. Raises `_Gone` once the client has hung up, and what `answer` raises."""
    outcome: Answer | RelayError | None = None

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        try:
            outcome = await answer()
        except RelayError as error:
            outcome = error
        tasks.cancel_scope.cancel()
    if outcome is None:
        raise _Gone
    if isinstance(outcome, RelayError):
        raise outcome
    return outcome


async def _respond_preflight(send: Send, origin: Headers) -> None:
    if not origin:
        raise Forbidden("pages of this origin may not connect; the operator can allow them with --allow-origin")
    headers = (
        *origin,
        (b"access-control-allow-methods", b"POST"),
        (b"access-control-allow-headers", b"authorization, content-type"),
        (b"access-control-max-age", b"600"),
    )
    await respond(send, 204, "text/plain", b"", headers)
