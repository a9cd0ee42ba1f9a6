"""Who is in the rooms of this relay on other relays: heard over the backplane, and gone with their relay.

Each relay says what is shown on its connections when it is shown, which clients renew every 15 s. Whoever loads a room
asks for it, and so does a relay that hears the backplane again. A relay that says nothing for `GONE_AFTER_S` is gone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from crdt_sync_server.backplane import SAID_UP_TO_BYTES
from crdt_sync_server.logs import tell
from crdt_sync_server.turn import Spoken
from crdt_sync_server.words import ALIVE, BYE, Alive, Bye, Here, Who, WordsError, read, write, write_here

if TYPE_CHECKING:
    from crdt_sync_server.host import Host

__all__ = ["ALIVE_EVERY_S", "GONE_AFTER_S", "Company"]

ALIVE_EVERY_S = 2.0
GONE_AFTER_S = 8.0
ROOMS_AT_ONCE = 200
"""Of one question or answer."""


class Company:
    """What this relay says of presence, and which others it hears."""

    def __init__(self, host: Host, say: Callable[[bytes], None]) -> None:
        self._host = host
        self._say = say
        self._heard_s: dict[str, float] = {}  # relay → when it was last heard

    @property
    def relays(self) -> Collection[str]:
        """The ids of the other relays that are there."""
        return self._heard_s.keys()

    def spoken(self, room: str, spoken: Sequence[Spoken]) -> None:
        """Tell the others what was shown here, but for a presence that is larger than a backplane takes."""
        for words in write_here(room, spoken, SAID_UP_TO_BYTES):
            self._say(words)

    def ask(self, rooms: Sequence[str]) -> None:
        """Ask the others who is in these rooms with them."""
        for start in range(0, len(rooms), ROOMS_AT_ONCE):
            self._say(write(Who(rooms[start : start + ROOMS_AT_ONCE])))

    def found(self) -> None:
        """Say that this relay is there, and ask who is where, now that others can be heard."""
        self._say(write(ALIVE))
        self.ask(self._host.loaded())

    def leave(self) -> None:
        """Say that this relay goes."""
        self._say(write(BYE))

    def heard(self, node: str, words: bytes) -> None:
        """Take what another relay says."""
        try:
            said = read(words)
        except WordsError as error:
            tell("not understood", logging.WARNING, node=node, reason=str(error))
            return
        if node not in self._heard_s:
            tell("relay heard", node=node)
            self._say(write(ALIVE))  # it may have come after this relay last said so
        self._heard_s[node] = self._host.now()
        match said:
            case Here(rooms=rooms):
                for room, spoken in rooms.items():
                    if (hosted := self._host.opened(room)) is not None:
                        for each in spoken:
                            hosted.hear(node, each)
            case Who(rooms=names):
                for name in names:
                    if (hosted := self._host.opened(name)) is not None and hosted.connections:
                        hosted.tell_who_is_here()
            case Bye():
                self._gone(node)
            case Alive():
                pass

    def beat(self, *, is_heard: bool) -> None:
        """Say that this relay lives, and take leave of those that were not heard for long."""
        if is_heard:
            self._say(write(ALIVE))
        now_s = self._host.now()
        for node in [node for node, heard_s in self._heard_s.items() if now_s - heard_s > GONE_AFTER_S]:
            self._gone(node)

    def _gone(self, node: str) -> None:
        del self._heard_s[node]
        tell("relay gone", node=node)
        for name in self._host.names():  # one that is loading has heard of who was there already
            if (room := self._host.opened(name)) is not None:
                room.lose(node)
