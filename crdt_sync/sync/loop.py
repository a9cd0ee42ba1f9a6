"""Connect, sync, and on loss connect again: after 1, 2, 4, 8, then 16 s at most, at random below that.

The back-off starts again only after a completed sync, so a relay that accepts and drops at once is not asked faster and
faster. Close codes say whether to try again at all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from random import Random

import anyio

from crdt_sync.errors import BoundElsewhere, ConnectionLost, StorageError
from crdt_sync.protocol.backoff import backoff
from crdt_sync.protocol.close_codes import CloseCode, Retry, retry_after
from crdt_sync.sync.connection import Connection
from crdt_sync.sync.credentials import Credentials, Token
from crdt_sync.sync.presence import Presence
from crdt_sync.sync.replica import Replica
from crdt_sync.sync.transport import Connect, TransportReplaced

__all__ = ["Link", "State", "SyncLoop", "Token"]


class State(Enum):
    """How a library stands with its relay."""

    OFFLINE = "offline"
    """No relay was named."""
    CONNECTING = "connecting"
    SYNCING = "syncing"
    """Connected, and not yet through the first exchange."""
    CONNECTED = "connected"
    WAITING = "waiting"
    """The connection is down; the next attempt comes by itself."""
    STOPPED = "stopped"
    """The relay refused, and asking again by itself would not help; `last_error` says why.

    Once somebody has lifted that, as by another invitation, call `reconnect`.
    """
    SIGN_IN = "sign in"
    """The relay takes none of the tokens that the callable gives: a person must sign in, then call `reconnect`."""


@dataclass(frozen=True, slots=True)
class Link:
    """What is known of the connection."""

    state: State = State.OFFLINE
    transport: str | None = None
    confirms_storage: bool | None = None
    """Whether the relay says what it has stored; None until that is known."""
    last_error: str | None = None
    retry_in_s: float | None = None
    takes_edits: bool = True
    """False where the relay asks for nothing of this side, as it does with readers."""


class SyncLoop:
    """Keeps one library connected. `report` is called with each new `Link`."""

    def __init__(
        self,
        connect: Connect,
        replica: Replica,
        presence: Presence,
        *,
        token: Token,
        random: Random,
        now: Callable[[], float],
        report: Callable[[Link], None],
    ) -> None:
        self._connect = connect
        self._replica = replica
        self._presence = presence
        self._credentials = Credentials(token)
        self._refusal: ConnectionLost | None = None  # of the token that was shown last
        self._random = random
        self._now = now
        self._report = report
        self._link = Link(State.CONNECTING)
        self._completed = False
        self._is_over = False  # after `leave`, or a refusal that nobody can lift
        self._wake = anyio.Event()
        self._connection: Connection | None = None
        self._gone = anyio.Event()

    @property
    def link(self) -> Link:
        """What is known of the connection."""
        return self._link

    def wake(self) -> None:
        """Try again at once: the network has changed, the machine has slept, or somebody has lifted a refusal."""
        if self._link.state is State.STOPPED and self._is_over:
            return
        if self._link.state in (State.STOPPED, State.SIGN_IN):  # or who waits from now on would be told of the last try
            self._set(state=State.CONNECTING)
        self._wake.set()

    async def leave(self) -> None:
        """Send what waits and say goodbye; return once the connection is closed. Do nothing without one."""
        if self._connection is not None:
            self._connection.leave()
            await self._gone.wait()

    async def keep_running(self) -> None:
        """`run`, and again at each `wake` after a refusal, until `leave` or a refusal that nobody can lift."""
        while True:
            await self.run()
            if self._is_over:
                return
            await self._wake.wait()

    async def run(self) -> None:
        """Run until cancelled, until `leave`, or until the relay refuses for good."""
        delays = backoff(self._random.random)
        refused_tokens = 0
        while True:
            self._completed = False
            try:
                await self._attempt()
                self._is_over = True
                return
            except TransportReplaced:
                continue
            except ConnectionLost as lost:
                error = lost
            except StorageError as trouble:  # what was received is not stored, so it was not taken: ask again later
                error = ConnectionLost(str(trouble))
            except BoundElsewhere as bound:
                self._stop(str(bound), for_ever=True)
                return
            retry = Retry.BACK_OFF if error.code is None else retry_after(error.code)
            if self._completed:
                delays, refused_tokens = backoff(self._random.random), 0
            if retry is Retry.NEW_TOKEN and self._credentials.is_callable:
                self._refusal = error
                refused_tokens += 1
                if refused_tokens > 1:  # also the one that was asked for anew
                    await self._until_signed_in(str(error))
            elif retry is not Retry.BACK_OFF:
                if retry is Retry.NEW_TOKEN:
                    self._stop(f"{error}; open the library with a new token", for_ever=True)
                else:
                    self._stop(str(error), for_ever=self._is_for_ever(error))
                return
            else:
                await self._pause(next(delays), str(error))

    async def _attempt(self) -> None:
        self._set(state=State.CONNECTING, transport=None, confirms_storage=None, retry_in_s=None, takes_edits=True)
        token = await self._credentials.ask()
        if self._refusal is not None and token == self._credentials.shown:
            raise self._refusal  # it would be so again
        self._refusal, self._credentials.shown, self._credentials.is_renewing = None, token, False
        self._gone = anyio.Event()
        try:
            async with self._connect(token) as transport:
                self._set(state=State.SYNCING, transport=transport.name)
                name = f"{self._random.getrandbits(64):016x}"
                self._connection = Connection(
                    transport,
                    self._replica,
                    self._presence,
                    self,
                    name=name,
                    now=self._now,
                    credentials=self._credentials,
                )
                await self._connection.run()
        finally:
            self._connection = None
            self._gone.set()

    def _is_for_ever(self, refusal: ConnectionLost) -> bool:
        """Whether nobody can lift it. A fresh token may be of another account, whose library must not be merged."""
        is_of_another = refusal.code == CloseCode.FORBIDDEN and self._credentials.is_renewing
        return refusal.code == CloseCode.DELETED or is_of_another

    def _stop(self, error: str, *, for_ever: bool) -> None:
        self._is_over = for_ever
        self._wake = anyio.Event()
        self._set(state=State.STOPPED, transport=None, last_error=error, retry_in_s=None)

    async def _until_signed_in(self, error: str) -> None:
        """Wait for `wake`: to ask again and again for what only a person can give would help nobody."""
        words = f"{error}; sign in again, then call reconnect()"
        self._wake = anyio.Event()
        self._set(state=State.SIGN_IN, transport=None, last_error=words, retry_in_s=None)
        await self._wake.wait()

    async def _pause(self, delay_s: float, error: str) -> None:
        self._set(state=State.WAITING, transport=None, last_error=error, retry_in_s=delay_s)
        self._wake = anyio.Event()
        with anyio.move_on_after(delay_s):
            await self._wake.wait()

    def _set(self, **changes: object) -> None:
        self._link = replace(self._link, **changes)  # type: ignore[arg-type]
        self._report(self._link)

    # What the connection says

    def synced(self, *, takes_edits: bool) -> None:
        """See `Observer`."""
        self._completed = True
        self._set(state=State.CONNECTED, last_error=None, takes_edits=takes_edits)

    def acknowledged(self) -> None:
        """See `Observer`."""
        self._report(self._link)

    def confirms(self, storage: bool) -> None:
        """See `Observer`."""
        self._set(confirms_storage=storage)

    def asked(self) -> None:
        """See `Observer`."""
        if not self._link.takes_edits:
            self._set(takes_edits=True)

    def denied(self, reason: str) -> None:
        """See `Observer`."""
        self._set(last_error=f"the relay refused something: {reason}")
