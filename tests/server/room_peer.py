"""What a connection is to its room, for tests: every frame is kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import anyio

from crdt_sync.protocol.close_codes import CloseCode
from crdt_sync.protocol.messages import Message, decode
from crdt_sync_server.hosted_room import HostedRoom
from crdt_sync_server.limits import Limit
from crdt_sync_server.outbox import Behind, Closing, Outbox
from crdt_sync_server.ports import Grant, Role

__all__ = ["Peer"]


class Peer:
    """What a connection is to its room, with every frame kept."""

    def __init__(self, room: HostedRoom) -> None:
        self.room = room
        self.work = anyio.Event()
        self.outbox = Outbox(room.tail, lambda: self.work.set())
        self.last_sent_s = 0.0
        self.subject: str | None = None
        self.read_only = False
        self.grant = Grant(None)
        self.client = "10.0.0.1"
        self.transport = "websocket"
        self.code: CloseCode | None = None
        self.heard: list[Message] = []

    def hang_up(self, code: CloseCode, reason: str, limit: Limit | None = None) -> None:
        self.outbox.close(code, reason)

    def expel(self, code: CloseCode, reason: str) -> None:
        self.outbox.close(code, reason)

    def regrade(self, role: Role, as_of: int) -> None:
        self.read_only = role is Role.READER
        self.grant = replace(self.grant, role=role, as_of=as_of)

    def strike(self, words: str) -> None:
        raise AssertionError(words)

    def take_at_once(self, message: bytes, now_s: float) -> bool:
        return False

    async def say(self, *messages: Message) -> None:
        await self.room.submit(self, messages, sum(len(str(message)) for message in messages))

    async def hear(self, wanted: type[Message]) -> Any:
        """Read until a message of the type `wanted` comes, and return it."""
        with anyio.fail_after(5):
            while self.code is None:
                item = self.outbox.next()
                if item is None:
                    self.work = anyio.Event()
                    await self.work.wait()
                elif isinstance(item, Closing):
                    self.code = item.code
                else:
                    frame = await self.room.catch_up(item.state_vector) if isinstance(item, Behind) else item
                    for message in decode(frame):
                        self.heard.append(message)
                        if isinstance(message, wanted):
                            return message
        return None

    async def closed(self) -> CloseCode:
        await self.hear(type("Never", (), {}))
        assert self.code is not None
        return self.code
