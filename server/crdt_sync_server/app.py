"""The ASGI application: WebSockets and polls go to their rooms, `/api/v1` to the API, other HTTP to the small face."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, TypeAlias

import anyio

from crdt_sync.protocol.close_codes import CloseCode
from crdt_sync_server.api.routing import API_PREFIX
from crdt_sync_server.connection import Connection
from crdt_sync_server.direct import DirectConnection
from crdt_sync_server.errors import RelayError
from crdt_sync_server.frames import close_reason
from crdt_sync_server.gate import Gate
from crdt_sync_server.host import Host
from crdt_sync_server.limits import Admission, Limit, LimitReached
from crdt_sync_server.logs import reached, tell
from crdt_sync_server.outbox import Closing
from crdt_sync_server.passing import Passing
from crdt_sync_server.peer import RoomPeer
from crdt_sync_server.poll_sessions import PollSessions
from crdt_sync_server.polling import POLLING_PREFIX
from crdt_sync_server.requests import client_of, connect_request
from crdt_sync_server.taken import Farewell, HandedOver, socket_of

__all__ = ["RelayApp"]

Scope: TypeAlias = dict[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Any]]
Send: TypeAlias = Callable[[Any], Awaitable[None]]
HttpApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

SUBPROTOCOL = "crdt-sync"


class RelayApp:
    """The relay as an ASGI 3 application with a lifespan. You must call `stop` before the server closes sockets."""

    def __init__(
        self,
        host: Host,
        gate: Gate,
        http: HttpApp,
        polling: HttpApp,
        sessions: PollSessions,
        *,
        max_message_bytes: int,
        api: HttpApp | None = None,
    ) -> None:
        self._host = host
        self._gate = gate
        self._http = http
        self._polling = polling
        self._api = api or http
        self._sessions = sessions
        self._max_message_bytes = max_message_bytes
        self._admission = Admission(
            most=host.limits.max_connections,
            most_per_address=host.limits.max_connections_per_address,
            in_all=Limit.CONNECTIONS,
            of_address=Limit.CONNECTIONS_PER_ADDRESS,
        )
        self._connections = 0
        self._quiet = anyio.Event()
        self.passing: Passing | None = None
        """Which polls are for another worker of this port, if there are several."""

    @property
    def host(self) -> Host:
        """The rooms."""
        return self._host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        if scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        elif scope["type"] == "http" and scope["path"].startswith((POLLING_PREFIX, f"{API_PREFIX}/")):
            is_poll = scope["path"].startswith(POLLING_PREFIX)
            if is_poll and self.passing is not None and (door := self.passing.door_for(scope)) is not None:
                await self.passing.carry(door, scope, receive, send)
                return
            self._connections += 1
            try:
                face = self._polling if is_poll else self._api
                await face(scope, receive, send)
            finally:
                self._one_less()
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)

    async def stop(self) -> None:
        """Commit what has arrived, close every connection and poll session, and return when that is told.

        They are told 1012 if the relay is one of several on its store, else 1001.
        """
        if self.passing is not None:
            self.passing.stop()
        await self._host.stop()
        if self._connections:
            with anyio.move_on_after(5):
                await self._quiet.wait()

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        async with AsyncExitStack() as stack, AsyncExitStack() as telling:
            while True:
                event = await receive()
                if event["type"] == "lifespan.startup":
                    await stack.enter_async_context(self._host.running())
                    await stack.enter_async_context(self._sessions.running())
                    await telling.enter_async_context(self._host.telling())
                    await send({"type": "lifespan.startup.complete"})
                elif event["type"] == "lifespan.shutdown":
                    await self.stop()
                    await telling.aclose()
                    await self._host.store.close()
                    await stack.aclose()
                    await send({"type": "lifespan.shutdown.complete"})
                    return

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        client = client_of(scope)
        self._connections += 1
        stays = False
        try:
            self._admission.enter(client)
            try:
                stays = await self._admitted(scope, receive, send)
            finally:
                if not stays:
                    self._admission.leave(client)
        except LimitReached as error:
            reached(error.limit, client=client, detail=str(error))
            self._host.metrics.refused(error.close_code)
            await _refuse(scope, send, error)
        finally:
            if not stays:
                self._one_less()

    async def _admitted(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Serve a WebSocket; return True if its connection stays when this is over, on a socket of its own."""
        try:
            request = connect_request(scope)
            grant = await self._gate.admit(request)
            room = self._host.room(request.room, request.client)
        except LimitReached:
            raise
        except RelayError as error:
            tell("refuse", client=client_of(scope), code=error.close_code, reason=str(error))
            self._host.metrics.refused(error.close_code)
            await _refuse(scope, send, error)
            return False
        options: dict[str, Any] = {
            "max_message_bytes": self._max_message_bytes,
            "now": self._host.now,
            "limits": self._host.limits,
            "grant": grant,
            "client": request.client,
            "renew": None if grant.subject is None else self._gate.renewal(request),
        }
        socket = await _accept(scope, send)
        tell("open", **_who(room.name, request.client, grant.subject))
        self._host.metrics.opened("websocket")
        if socket is not None:
            self._host.beside(DirectConnection(socket, room, left=self._left, **options).enter)
            return True
        connection = Connection(room, receive, send, **options)
        try:
            await connection.run()
        except RelayError as error:
            connection.ending = Closing(CloseCode(error.close_code), str(error))
            self._host.metrics.refused(error.close_code)
            await _close(send, error)
        finally:
            self._closed(connection)
        return False

    def _left(self, connection: RoomPeer) -> None:
        """A connection that stayed is over."""
        self._closed(connection)
        self._admission.leave(connection.client)
        self._one_less()

    def _closed(self, connection: RoomPeer) -> None:
        self._host.metrics.closed("websocket")
        tell("close", **_who(connection.room_name, connection.client, connection.subject), **connection.ended)

    def _one_less(self) -> None:
        self._connections -= 1
        if self._host.stopping and not self._connections:
            self._quiet.set()


def _who(room: str, client: str | None, subject: str | None) -> dict[str, object]:
    return {"room": room, "client": client, "subject": subject, "transport": "websocket"}


async def _refuse(scope: Scope, send: Send, error: RelayError) -> None:
    """A browser cannot see the status of a refused upgrade, so the reason comes in the close."""
    socket = await _accept(scope, send)
    if socket is None:
        await _close(send, error)
    else:
        Farewell(socket, int(error.close_code), str(error))


async def _close(send: Send, error: RelayError) -> None:
    await send({"type": "websocket.close", "code": int(error.close_code), "reason": close_reason(str(error))})


async def _accept(scope: Scope, send: Send) -> HandedOver | None:
    """Accept the WebSocket; return its socket, if the server hands it over: nothing that comes is read then."""
    socket = socket_of(scope)
    if socket is not None:
        socket.hold()
    offered = scope.get("subprotocols", ())
    chosen = SUBPROTOCOL if SUBPROTOCOL in offered else None
    await send({"type": "websocket.accept", "subprotocol": chosen})
    return socket
