"""The relay behind pycrdt's `Channel`, so that pycrdt-websocket's `ASGIServer` or Django consumer can host it.

Give a `ChannelServer` to them in the place of their `WebsocketServer`. Who hosts it has let the client in already, and
knows no close codes: a connection that the relay ends is just over, with the reason in the log.
"""

from __future__ import annotations

from typing import Any, Protocol

from crdt_sync_server.connection import Connection
from crdt_sync_server.errors import RelayError
from crdt_sync_server.host import Host
from crdt_sync_server.logs import tell
from crdt_sync_server.ports import Grant
from crdt_sync_server.rooms import room_of

__all__ = ["Channel", "ChannelServer"]


class Channel(Protocol):
    """One client, as `pycrdt.Channel` has it."""

    @property
    def path(self) -> str:
        """The path of its URL, percent-decoded: it names the room."""

    async def send(self, message: bytes) -> None:
        """Send one message."""

    async def recv(self) -> bytes:
        """Return the next message. Raises `StopAsyncIteration` once the client is gone."""


class ChannelServer:
    """Serves the rooms of a running host. Get one from `wiring.channel_server`."""

    def __init__(self, host: Host, *, max_message_bytes: int) -> None:
        self._host = host
        self._max_message_bytes = max_message_bytes

    async def serve(self, channel: Channel) -> None:
        """Serve one client until either side ends it; what goes wrong with it concerns no other."""
        events = _Events(channel)
        try:
            room = self._host.room(room_of({"path": channel.path}), "channel")
            tell("open", room=room.name, transport="channel")
            connection = Connection(
                room,
                events.receive,
                events.send,
                max_message_bytes=self._max_message_bytes,
                now=self._host.now,
                limits=self._host.limits,
                grant=Grant(subject=None),
                client="channel",
            )
            await connection.run()
            tell("close", room=room.name, transport="channel", **connection.ended)
        except RelayError as error:
            tell("refuse", path=channel.path, transport="channel", code=error.close_code, reason=str(error))
        except ExceptionGroup as group:  # the channel's own errors: its connection has ended, and that is all
            tell("close", path=channel.path, transport="channel", reason=repr(group.exceptions[0]))


class _Events:
    """A channel as ASGI events."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def receive(self) -> dict[str, Any]:
        try:
            return {"type": "websocket.receive", "bytes": await self._channel.recv()}
        except StopAsyncIteration:
            return {"type": "websocket.disconnect"}

    async def send(self, event: dict[str, Any]) -> None:
        if event["type"] == "websocket.send":
            await self._channel.send(event["bytes"])
