"""One request of the API, from its origin to its answer."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

import anyio

from crdt_sync.errors import RemoteProtocolError
from crdt_sync.protocol.close_codes import CloseCode
from crdt_sync_server.api.calls import Answer, Call, Services
from crdt_sync_server.api.problems import Problem, problem_of
from crdt_sync_server.api.routing import API_PREFIX, Octets, Route, Routes
from crdt_sync_server.api.shapes import MAX_JSON_BYTES, read_json
from crdt_sync_server.errors import (
    Forbidden,
    ProviderUnavailable,
    Refused,
    RelayError,
    StoreError,
    Unauthenticated,
)
from crdt_sync_server.http import Headers
from crdt_sync_server.limits import Admission, Budget, Limit, LimitReached
from crdt_sync_server.logs import reached, tell
from crdt_sync_server.ports import ConnectRequest, Identity
from crdt_sync_server.requests import client_of

__all__ = ["API_PREFIX", "ApiFace"]

Scope: TypeAlias = dict[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Any]]
Send: TypeAlias = Callable[[Any], Awaitable[None]]

MAX_REQUESTS = 256
"""How many requests are answered at a time, half of them of one address."""
MAX_HELD_BYTES = 256 * 1024 * 1024
"""What their bodies may take together, and half of it those of one address."""
MAX_TOLD_BYTES = 1024 * 1024 * 1024
"""What answers that are not sent yet may take together, and half of it those of one address."""
BODY_WITHIN_S = 30.0
DRAIN_WITHIN_S = 5.0
SECURITY_HEADERS: Headers = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
BUG = "the relay failed, which is a bug; its log has more"
EXPOSED = b"etag, location, retry-after"


class _Gone(Exception):
    """The client has hung up: nobody can be answered."""


class ApiFace:
    """An ASGI application for what lies under `/api/v1`."""

    def __init__(self, services: Services, routes: Routes) -> None:
        self._services = services
        self._routes = routes
        self._arriving = Admission(
            most=MAX_REQUESTS, most_per_address=MAX_REQUESTS // 2, in_all=Limit.REQUESTS, of_address=Limit.REQUESTS
        )
        self._held = Budget(MAX_HELD_BYTES)
        self._told = Budget(MAX_TOLD_BYTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = _request_of(scope)
        body = _Body(receive, request, self._held)
        origin: Headers = ()
        told_bytes = 0
        try:
            try:
                origin = await self._allow_origin(request)
                with self._arriving.entered(request.client):
                    answer = await self._answer(scope, request, origin, body)
                if scope["method"] == "GET":  # what was done is told in any case
                    if not self._told.take(request.client, len(answer.data)):
                        raise LimitReached(Limit.REQUESTS, "too many answers are unread; read them, and ask again")
                    told_bytes = len(answer.data)
            except (RelayError, RemoteProtocolError) as error:
                self._tell(error, request)
                raise problem_of(error) from error
        except _Gone:
            return
        except Problem as problem:
            await body.drain()  # who still sends cannot read the answer
            await _send_problem(send, problem, origin)
        except Exception:  # a bug of ours: it is told, and costs this request alone
            tell("failed", logging.CRITICAL, path=scope["path"])
            await body.drain()
            await _send_problem(send, Problem(500, "internal", BUG), origin)
        else:
            await body.drain()
            headers = ((b"content-type", answer.content_type.encode()), *answer.headers, *origin)
            await _send(send, answer.status, answer.data, headers)
        finally:
            body.close()
            self._told.take(request.client, -told_bytes)

    async def _answer(self, scope: Scope, request: ConnectRequest, origin: Headers, body: _Body) -> Answer:
        raw_path = scope.get("raw_path") or scope["path"].encode()
        methods, parts = self._routes.find(raw_path)
        allowed = ", ".join((*methods, *(("HEAD",) if "GET" in methods else ()), "OPTIONS")).encode()
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        if method == "OPTIONS":
            return _preflight(request, origin, allowed)
        if method not in methods:
            raise Problem(405, "method", f"this takes {allowed.decode()}", ((b"allow", allowed),))
        if method != "GET" and request.header("if-match") not in (None, "*"):
            words = "edits merge, and the relay decides on roles as they stand: send this without If-Match"
            raise Problem(412, "precondition", words)
        route = methods[method]
        identity = Identity(None) if route.is_open else await self._services.gate.identify(request)
        if method != "GET" and not route.is_edit:
            self._services.conducts.change(identity.subject, request.client)
        query = _query_of(scope, route)

        async def read() -> Any:
            value = await self._read(route, request, body)
            self._services.host.check_holds(identity)  # a body takes its time
            return value

        call = Call(self._services, request, identity, parts, query, read)
        return await route.handler(call)

    async def _read(self, route: Route, request: ConnectRequest, body: _Body) -> Any:
        kind = (request.header("content-type") or "").partition(";")[0].strip().lower()
        wanted = "application/octet-stream" if isinstance(route.body, Octets) else "application/json"
        if kind != wanted:
            raise Problem(415, "media-type", f"send the body as {wanted}")
        if isinstance(route.body, Octets):
            return await body.read(self._services.max_body_bytes)
        assert route.body is not None, "a route whose handler reads says what"
        return read_json(await body.read(MAX_JSON_BYTES), route.body)

    async def _allow_origin(self, request: ConnectRequest) -> Headers:
        """Return the headers that let a page read the answer."""
        origin = await self._services.gate.allowed_origin(request)
        if origin is None:
            return ()
        allowed = (b"access-control-allow-origin", origin.encode("latin-1"))
        return (allowed, (b"access-control-expose-headers", EXPOSED), (b"vary", b"origin"))

    def _tell(self, error: RelayError | RemoteProtocolError, request: ConnectRequest) -> None:
        """Log and count what is no fault of the caller's program: bounds that are met, and who may not come in."""
        if isinstance(error, LimitReached):
            reached(error.limit, client=request.client, detail=str(error))
        elif isinstance(error, Unauthenticated):
            tell("refuse", client=request.client, code=error.close_code, reason=str(error), transport="api")
        if isinstance(error, LimitReached | Refused | StoreError | ProviderUnavailable):
            self._services.host.metrics.refused(CloseCode(error.close_code))


@dataclass(slots=True)
class _Body:
    """The body of one request, which is read once, counted while it is held, and read to its end in any case."""

    receive: Receive
    request: ConnectRequest
    held: Budget
    size_bytes: int = 0
    is_over: bool = False

    async def read(self, most_bytes: int) -> bytes:
        """Return the body. Raises `Problem` if it is too large or too slow, `LimitReached` if too many wait."""
        data = bytearray()
        with anyio.move_on_after(BODY_WITHIN_S):
            while not self.is_over:
                piece = await self._piece()
                if len(data) + len(piece) > most_bytes:
                    raise Problem(413, "too-big", f"this takes at most {most_bytes} bytes")
                if not self.held.take(self.request.client, len(piece)):
                    raise LimitReached(Limit.REQUESTS, f"{Limit.REQUESTS.words}; try again later")
                self.size_bytes += len(piece)
                data += piece
            return bytes(data)
        raise Problem(408, "body", f"a body must arrive within {BODY_WITHIN_S:.0f} s; send less at a time")

    async def drain(self) -> None:
        """Read on to the end and keep nothing, for a bounded time."""
        with anyio.move_on_after(DRAIN_WITHIN_S), suppress(_Gone):
            while not self.is_over:
                await self._piece()

    def close(self) -> None:
        """Count it no more."""
        self.held.take(self.request.client, -self.size_bytes)
        self.size_bytes = 0

    async def _piece(self) -> bytes:
        event = await self.receive()
        if event["type"] != "http.request":
            raise _Gone
        self.is_over = not event.get("more_body", False)
        return bytes(event.get("body", b""))


def _request_of(scope: Scope) -> ConnectRequest:
    """Return the request. It is of no room, and its query is nobody's place for a token."""
    headers = tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"])
    return ConnectRequest(room="", headers=headers, query="", client=client_of(scope))


def _query_of(scope: Scope, route: Route) -> Mapping[str, str]:
    """Return every parameter that the route has. Raises `Problem` for one that it has not, or has twice."""
    try:
        pairs = parse_qsl(
            scope.get("query_string", b"").decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=64
        )
    except ValueError:
        raise Problem(400, "query", "the query cannot be read; percent-encode it as UTF-8") from None
    found = {each.name: each.default for each in route.query}
    given: set[str] = set()
    for name, value in pairs:
        if name not in found or name in given:
            takes = ", ".join(found) or "nothing"
            raise Problem(
                400, "query", f"the query takes {takes}, each once; a token goes into the Authorization header"
            )
        given.add(name)
        found[name] = value
    return found


def _preflight(request: ConnectRequest, origin: Headers, allowed: bytes) -> Answer:
    if request.header("origin") is None:
        return Answer(204, headers=((b"allow", allowed),))
    if not origin:
        raise Forbidden("pages of this origin may not connect; the operator can allow them with --allow-origin")
    headers = (
        (b"access-control-allow-methods", allowed),
        (b"access-control-allow-headers", b"authorization, content-type, if-match, if-none-match"),
        (b"access-control-max-age", b"600"),
    )
    return Answer(204, headers=headers)


async def _send_problem(send: Send, problem: Problem, origin: Headers) -> None:
    data = json.dumps(problem.body()).encode()
    headers = ((b"content-type", b"application/problem+json"), *problem.headers, *origin)
    await _send(send, problem.status, data, headers)


async def _send(send: Send, status: int, data: bytes, headers: Headers) -> None:
    """Send a whole response. One that has no tag of its own may be kept by no one."""
    kept = (
        b"private, no-cache, no-transform" if any(name == b"etag" for name, _ in headers) else b"no-store, no-transform"
    )
    sized = () if status in (204, 304) else ((b"content-length", str(len(data)).encode()),)
    typed = headers if data else tuple(each for each in headers if each[0] != b"content-type")
    every = [*typed, *sized, (b"cache-control", kept), *SECURITY_HEADERS]
    await send({"type": "http.response.start", "status": status, "headers": every})
    await send({"type": "http.response.body", "body": data})
