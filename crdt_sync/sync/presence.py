"""Who else is here, and what this device shows of itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from crdt_sync.errors import InvalidEdit
from crdt_sync.protocol.awareness import GONE, AwarenessTable, LocalPresence
from crdt_sync.protocol.messages import MAX_AWARENESS_STATE_BYTES, AwarenessEntry
from crdt_sync.protocol.person import MAX_NAME_CHARACTERS, Person, color_of, is_avatar, is_color

__all__ = ["Person", "Presence", "PresenceChange", "PresenceKind"]

_RELAY = "relay"


class PresenceKind(Enum):
    """What happened."""

    JOINED = "joined"
    UPDATED = "updated"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class PresenceChange:
    """One other client came, changed what it shows, or left; `state` is what it shows, None once it has left."""

    client_id: int
    kind: PresenceKind
    state: Any


class Presence:
    """The presence of a room, as one device sees it. It is never stored."""

    def __init__(self, client_id: int, now: Callable[[], float], subject: str | None = None) -> None:
        self._subject = subject
        self._own = LocalPresence(client_id)
        self._now = now
        self._table = AwarenessTable()
        self._others: dict[int, str] = {}
        self._send: Callable[[AwarenessEntry], None] | None = None
        self._listeners: list[Callable[[PresenceChange], None]] = []

    # For applications

    @property
    def client_id(self) -> int:
        """The id under which this device shows itself."""
        return self._own.client_id

    def set(self, state: Mapping[str, Any] | None) -> None:
        """Show `state` (JSON) to the others, or nothing. Raises `InvalidEdit` if it is no JSON or too big."""
        try:
            text = GONE if state is None else json.dumps(dict(state), ensure_ascii=False, allow_nan=False)
            size = len(text.encode())
        except (TypeError, ValueError) as error:
            raise InvalidEdit(f"a presence is a JSON object: {error}") from None
        if size > MAX_AWARENESS_STATE_BYTES:
            raise InvalidEdit(f"a presence has at most {MAX_AWARENESS_STATE_BYTES} bytes of JSON")
        entry = self._own.set(text, self._now())
        if self._send is not None:
            self._send(entry)

    def show(self, name: str, *, color: str | None = None, avatar: str | None = None, **more: Any) -> None:
        """Show who this is, as `user`, and `more` beside it (JSON): where one reads, what is selected.

        The subject that the library was opened with stands in it; the relay lets no other device claim it. `color` is
        `#rrggbb` and follows from the subject, or the name, if it is None; `avatar` is an https URL or a picture of at
        most 8 KiB as a data URI (PNG, JPEG, GIF, WebP, AVIF). Raises `InvalidEdit`.
        """
        if not name or len(name) > MAX_NAME_CHARACTERS:
            raise InvalidEdit(f"a name in a presence has 1 to {MAX_NAME_CHARACTERS} characters")
        if color is not None and not is_color(color):
            raise InvalidEdit("a colour is written like #0b57a4; leave it out to have one made")
        if avatar is not None and not is_avatar(avatar):
            raise InvalidEdit("an avatar is an https URL, or a PNG, JPEG, GIF, WebP or AVIF data URI of at most 8 KiB")
        if "user" in more:
            raise InvalidEdit("`user` is what this writes; show more under other names")
        person = Person(name, color or color_of(self._subject or name), avatar, self._subject)
        self.set({**more, "user": person.to_json()})

    def others(self) -> dict[int, Any]:
        """Return what every other client shows, by its id."""
        return {client: json.loads(state) for client, state in self._others.items()}

    def people(self) -> dict[int, Person]:
        """Return the persons among the others, by client id, with what of them may be shown.

        Who somebody is, their `subject`, was compared with their token by a relay that asks for tokens; the name is
        what they call themselves.
        """
        people = {client: Person.from_state(state) for client, state in self.others().items()}
        return {client: person for client, person in people.items() if person is not None}

    def listen(self, callback: Callable[[PresenceChange], None]) -> Callable[[], None]:
        """Have `callback` called for every change; return what ends that."""
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback)

    # For the connection

    def connected(self, send: Callable[[AwarenessEntry], None]) -> None:
        """Speak through `send` from now on, and say who this is."""
        self._send = send
        if self._own.state != GONE:
            send(self._own.announce(self._now()))

    def disconnected(self) -> None:
        """Nobody can be seen any more."""
        self._send = None
        self._note(self._table.remove(_RELAY, self._now()))
        self._table = AwarenessTable()

    def farewell(self) -> None:
        """Say goodbye, if anything was shown."""
        if self._send is not None and self._own.state != GONE:
            self._send(self._own.leave())

    def receive(self, entries: Iterable[AwarenessEntry]) -> None:
        """Take what the relay says."""
        now_s = self._now()
        others = []
        for entry in entries:
            if entry.client_id != self._own.client_id:
                others.append(entry)
            elif self._own.contradicts(entry) and self._send is not None:
                self._send(self._own.announce(now_s))
        self._note(self._table.receive(others, _RELAY, now_s).news)

    def due_s(self) -> float | None:
        """Return when `tick` has something to do, or None."""
        times = [self._table.next_expiry_s(), self._own.renewal_due_s() if self._send is not None else None]
        return min((at for at in times if at is not None), default=None)

    def tick(self) -> None:
        """Renew, and forget those who have not."""
        now_s = self._now()
        self._note(self._table.expire(now_s))
        due_s = self._own.renewal_due_s()
        if self._send is not None and due_s is not None and due_s <= now_s:
            self._send(self._own.announce(now_s))

    def _note(self, entries: Iterable[AwarenessEntry]) -> None:
        for entry in entries:
            before = self._others.get(entry.client_id)
            if entry.state == GONE:
                if self._others.pop(entry.client_id, None) is None:
                    continue
                kind = PresenceKind.LEFT
            elif before == entry.state:
                continue  # a renewal
            else:
                self._others[entry.client_id] = entry.state
                kind = PresenceKind.JOINED if before is None else PresenceKind.UPDATED
            for callback in list(self._listeners):
                callback(PresenceChange(entry.client_id, kind, json.loads(entry.state)))
