"""One connection's life: what arrives is applied durably, what the log gains is sent, barriers say what is saved.

One loop does everything in order, so nothing overtakes anything; beside it a reader only fills the inbox.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

import anyio

from crdt_sync.errors import ConnectionLost, GapError, RemoteProtocolError, Trouble
from crdt_sync.groups import telling_error
from crdt_sync.protocol.messages import (
    Awareness,
    AwarenessEntry,
    Barrier,
    FreshToken,
    Message,
    SyncStep1,
    SyncStep2,
    SyncUpdate,
    decode,
    encode,
)
from crdt_sync.protocol.session import (
    Acknowledged,
    Answer,
    Ask,
    Close,
    Confirms,
    Denied,
    Echo,
    Effect,
    Renew,
    Role,
    SendBarrier,
    Session,
    Synced,
    Take,
    TellPresence,
)
from crdt_sync.protocol.session import (
    Presence as PresenceEffect,
)
from crdt_sync.protocol.update import EMPTY_UPDATE
from crdt_sync.sync.credentials import Credentials, Renewal
from crdt_sync.sync.presence import Presence
from crdt_sync.sync.replica import Outgoing, Replica
from crdt_sync.sync.transport import Transport

__all__ = ["Connection", "Observer"]

ASK_AFTER_S = 25.0
"""A relay that has been silent so long is asked for something that it must answer."""
DEAD_AFTER_S = 45.0
CLOSE_CODE_WITHIN_S = 1.0
MAX_INBOX_BYTES = 16 * 1024 * 1024


class Observer(Protocol):
    """Who is told how a connection fares."""

    def synced(self, *, takes_edits: bool) -> None:
        """What the relay had is here, durably. It `takes_edits` if it has asked for what this side has."""

    def acknowledged(self) -> None:
        """The relay has confirmed edits."""

    def confirms(self, storage: bool) -> None:
        """The relay confirms what it stores, or does not."""

    def asked(self) -> None:
        """The relay has asked for what this side has, and was told."""

    def denied(self, reason: str) -> None:
        """The relay refused something: an edit, or a presence."""


class Connection:
    """Runs until the transport is lost. With `credentials` it asks for a fresh token before the present one ends."""

    def __init__(
        self,
        transport: Transport,
        replica: Replica,
        presence: Presence,
        observer: Observer,
        *,
        name: str,
        now: Callable[[], float],
        credentials: Credentials | None = None,
    ) -> None:
        self._transport = transport
        self._renewal: Renewal | None = None
        if credentials is not None and credentials.is_callable:
            self._renewal = Renewal(credentials, now, lambda: self._work.set())
        self._replica = replica
        self._presence = presence
        self._observer = observer
        self._name = name
        self._now = now
        self._session = Session(Role.CLIENT)
        self._inbox: list[bytes] = []
        self._inbox_bytes = 0
        self._taken = anyio.Event()
        self._work = anyio.Event()
        self._outbox: list[AwarenessEntry] = []
        self._rows = False
        self._seq = 0
        self._sent_edits = -1
        self._peer_vector = b"\x00"
        self._heard_s = now()
        self._has_heard = False
        self._asked = False
        self._leaving = False

    async def run(self) -> None:
        """Sync until `leave` is called. Raises `ConnectionLost`."""
        forget = self._replica.on_rows(self._on_rows)  # before step 1, so that no edit falls between
        try:
            self._presence.connected(self._on_presence)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._read)
                if self._renewal is not None:
                    tasks.start_soon(self._renewal.run)
                await self._work_in_order()
                tasks.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            raise telling_error(group) from group
        finally:
            forget()
            self._presence.disconnected()

    def leave(self) -> None:
        """Send what waits and a goodbye, and end."""
        self._presence.farewell()
        self._leaving = True
        self._work.set()

    def _on_rows(self) -> None:
        self._rows = True
        self._work.set()

    def _on_presence(self, entry: AwarenessEntry) -> None:
        self._outbox.append(entry)
        self._work.set()

    async def _read(self) -> None:
        while True:
            frame = await self._transport.receive()
            self._heard_s, self._has_heard, self._asked = self._now(), True, False
            self._inbox.append(frame)
            self._inbox_bytes += len(frame)
            self._work.set()
            while self._inbox_bytes > MAX_INBOX_BYTES:
                await self._taken.wait()

    async def _work_in_order(self) -> None:
        await self._do(self._session.start())
        if self._renewal is not None:
            await self._send(FreshToken(""))  # for how long does the present one hold?
        while True:
            if self._inbox:
                await self._take_inbox()
            await self._do(self._session.expire(self._now()))
            await self._look_alive()
            if self._outbox:
                entries, self._outbox = tuple(self._outbox), []
                await self._send(Awareness(entries))
            if self._renewal is not None and (token := self._renewal.take()) is not None:
                self._transport.renew(token)
                await self._send(FreshToken(token))
            if self._rows and self._session.may_send:
                self._rows = False
                await self._send_rows()
            if self._leaving:
                return
            has_token = self._renewal is not None and self._renewal.fresh is not None
            if not (self._inbox or self._outbox or has_token or (self._rows and self._session.may_send)):
                await self._rest()

    async def _rest(self) -> None:
        self._work = anyio.Event()
        due = [self._session.deadline_s(), self._presence.due_s()]
        due.append(self._heard_s + (DEAD_AFTER_S if self._asked else ASK_AFTER_S))
        wait_s = min(at for at in due if at is not None) - self._now()
        with anyio.move_on_after(max(wait_s, 0)):
            await self._work.wait()

    async def _look_alive(self) -> None:
        self._presence.tick()
        now_s = self._now()  # compared with the very sums that `_rest` waits for: a difference may round the other way
        if now_s >= self._heard_s + DEAD_AFTER_S:
            trouble = None if self._has_heard else Trouble.SILENT
            raise ConnectionLost("the relay has been silent for 45 s", trouble=trouble)
        if now_s >= self._heard_s + ASK_AFTER_S and not self._asked:
            self._asked = True
            await self._send(SyncStep1(await self._replica.state_vector()))

    async def _take_inbox(self) -> None:
        frames, self._inbox, self._inbox_bytes = self._inbox, [], 0
        taken, self._taken = self._taken, anyio.Event()
        taken.set()
        takes: list[Take] = []
        for frame in frames:
            try:
                messages = decode(frame)
            except RemoteProtocolError as error:
                raise ConnectionLost(f"the relay does not speak the protocol: {error}") from error
            for message in messages:
                for effect in self._session.receive(message):
                    if isinstance(effect, Take):
                        takes.append(effect)
                    else:
                        await self._apply(takes)
                        takes = []
                        await self._do((effect,))
        await self._apply(takes)

    async def _apply(self, takes: list[Take]) -> None:
        """Apply in one transaction what came together; one that has a gap is dropped and asked for."""
        while takes:
            failure = await self._replica.take([take.update for take in takes], self._name)
            if failure is None:
                fitting, takes = takes, []
            elif isinstance(failure, GapError):
                fitting, gapped, takes = takes[: failure.taken], takes[failure.taken], takes[failure.taken + 1 :]
            else:
                raise ConnectionLost(f"the relay sent {failure}") from failure
            for take in fitting:
                await self._do(self._session.taken(take, self._now()))
            if isinstance(failure, GapError):
                await self._do(self._session.gapped(gapped, self._now()))

    async def _do(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            match effect:
                case Ask():
                    await self._send(SyncStep1(await self._replica.state_vector()))
                case Answer(state_vector=state_vector):
                    await self._answer(state_vector)
                case SendBarrier(number=number):
                    await self._send(Barrier(number))
                case Acknowledged(number=number):
                    await self._replica.acknowledge(number)
                    self._observer.acknowledged()
                case Confirms(storage=storage):
                    self._observer.confirms(storage)
                case Synced():
                    await self._replica.synced()
                    self._observer.synced(takes_edits=self._session.may_send)
                case PresenceEffect(entries=entries):
                    self._presence.receive(entries)
                case Denied(reason=reason):
                    self._observer.denied(reason)
                case Renew(within_s=within_s):
                    if self._renewal is not None:
                        self._renewal.is_due(within_s)
                case Close(code=code, reason=reason):
                    raise ConnectionLost(reason, code=code)
                case Echo() | TellPresence() | Take():
                    pass  # what only a relay does, and what `_take_inbox` has dealt with

    async def _answer(self, state_vector: bytes) -> None:
        self._peer_vector = state_vector
        outgoing = await self._replica.diff(state_vector)
        if len(outgoing.updates) == 1:
            await self._send(SyncStep2(outgoing.updates[0]))
        else:  # larger than a message may be: the pieces as updates, in the order in which they fit
            for update in outgoing.updates:
                await self._send(SyncUpdate(update))
            await self._send(SyncStep2(EMPTY_UPDATE))
        self._session.answered()
        self._observer.asked()
        await self._sent(outgoing)

    async def _send_rows(self) -> None:
        outgoing = await self._replica.outgoing(self._seq, self._name)
        if outgoing is None:
            outgoing = await self._replica.diff(self._peer_vector)
        for update in outgoing.updates:
            await self._send(SyncUpdate(update))
        await self._sent(outgoing)

    async def _sent(self, outgoing: Outgoing) -> None:
        self._seq = outgoing.seq
        if outgoing.edits_made > self._sent_edits:
            self._sent_edits = outgoing.edits_made
            await self._do(self._session.barrier(outgoing.edits_made))

    async def _send(self, message: Message) -> None:
        try:
            await self._transport.send(encode(message))
        except ConnectionLost:
            with anyio.move_on_after(CLOSE_CODE_WITHIN_S):  # the reader may hold the relay's reason, which tells more
                await anyio.sleep_forever()
            raise
