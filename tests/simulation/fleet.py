"""The relays of a simulated world: one, or several on one disk, behind something that balances.

What balances sends a connection by the room's hash or to any relay, and now and then to one that is gone. The polls
of a session go to the relay that has it for as long as that lives, as polls must.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import Any

from anyio.abc import TaskGroup

from crdt_sync.protocol.polling import PollKind, decode_poll
from crdt_sync_server.backplanes.memory import MemoryBackplane, MemoryHub, Weather
from crdt_sync_server.cluster import ROOMS_EVERY_S, WITHOUT_BACKPLANE_EVERY_S
from tests.simulation.conditions import check_bounds, check_documents
from tests.simulation.disk import ROOM, Disk
from tests.simulation.http import Arrival
from tests.simulation.network import Wire
from tests.simulation.relay import RelayProcess

__all__ = ["End", "Fleet", "Sky"]

MOST_KEPT = 8
"""Updates that the hub keeps for those who come back."""


@dataclass(slots=True)
class Sky:
    """How it is between one relay and the backplane: chances, and the longest delay in seconds."""

    delay_s: float = 0.002
    fails: float = 0.0
    loses_answer: float = 0.0
    drops: float = 0.0


class End(Enum):
    """How it is with the backplane in the end."""

    WELL = "well"
    DOWN = "down"
    """Once it has failed, it stays away."""
    FULL = "full"
    """It can be heard, and carries nothing."""
    ABSENT = "absent"
    """There has been none."""


class Fleet:
    """`count` places, in each of which a relay runs or does not. `hub` is None if there is no backplane."""

    def __init__(self, count: int, disk: Disk, random: Random, fail: Callable[[BaseException], None]) -> None:
        self._disk = disk
        self._note: Callable[..., Any] = disk.note
        self._fail = fail
        self._lives = 0
        self.random = random
        self.is_several = count > 1
        self.places: list[RelayProcess | None] = [None] * count
        self.backplanes: dict[int, MemoryBackplane] = {}
        self.skies = [Sky() for _ in range(count)]
        self.end = random.choices(list(End), (6, 1, 1, 1))[0] if self.is_several else End.WELL
        self.hub = MemoryHub(kept=MOST_KEPT) if self.is_several and self.end is not End.ABSENT else None
        self._balances_by_hash = random.random() < 0.25
        self._has_session: dict[bytes, int] = {}  # poll session → place
        self.at: dict[str, int] = {}
        """Device → the place to which its last connection went."""

    # Processes

    @property
    def running(self) -> list[int]:
        """The places in which a relay runs."""
        return [place for place, relay in enumerate(self.places) if relay is not None]

    @property
    def relays(self) -> list[RelayProcess]:
        """The relays that run."""
        return [relay for relay in self.places if relay is not None]

    async def start(self, place: int, tasks: TaskGroup) -> None:
        """Start a relay there, unless one runs. One that cannot read the disk ends again."""
        if self.places[place] is not None:
            return
        self._lives += 1
        relay = self.places[place] = self._process(place)
        tasks.start_soon(relay.run)
        if await relay.started():
            self._note("relay started", *self._named(place))
        elif self.places[place] is relay:
            self.places[place] = None
            self._note("relay did not start", place)

    async def start_all(self, tasks: TaskGroup) -> None:
        """Start a relay in each place."""
        for place in range(len(self.places)):
            await self.start(place, tasks)

    async def stop(self, place: int, *, kill: bool, silently: bool = False) -> None:
        """Stop the relay there, if one runs."""
        relay, self.places[place] = self.places[place], None
        if relay is not None:
            self._note("relay stops", kill, *self._named(place))
            await (relay.kill(silently=silently) if kill else relay.stop())

    def _named(self, place: int) -> tuple[int, ...]:
        return (place,) if self.is_several else ()

    def _process(self, place: int) -> RelayProcess:
        if not self.is_several:
            return RelayProcess(self._disk, self._fail)
        backplane = None
        if self.hub is not None:
            sky, random = self.skies[place], Random(self.random.random())
            weather = Weather(
                delay_s=lambda: sky.delay_s * random.random(),
                fails=lambda: random.random() < sky.fails,
                loses_answer=lambda: random.random() < sky.loses_answer,
                drops=lambda: random.random() < sky.drops,
            )
            backplane = self.backplanes[place] = MemoryBackplane(self.hub, weather)
        return RelayProcess(self._disk, self._fail, f"n{place}.{self._lives}", backplane)

    # What is asked of them

    def serve(self, wire: Wire) -> bool:
        """Let a relay serve a connection; return whether anyone listens."""
        place = self._balanced()
        relay = None if place is None else self.places[place]
        if place is None or relay is None or not relay.serve(wire):
            return False
        self._went(wire.device, place)
        return True

    def serve_request(self, arrival: Arrival) -> bool:
        """Let a relay serve a poll; return whether anyone listens."""
        poll = decode_poll(arrival.exchange.body)
        session = poll.session
        place = self._has_session.get(session)
        if place is None or self.places[place] is None:
            place = self._balanced()
        relay = None if place is None else self.places[place]
        if place is None or relay is None or not relay.serve_request(arrival):
            return False
        if poll.kind is PollKind.POLL and arrival.exchange.outcome is None and not arrival.exchange.is_over:
            # and not one that opens a session, nor a copy: it may come late, when nobody wants that any more
            self._went(arrival.exchange.device, place)
        self._has_session[session] = place
        return True

    def _balanced(self) -> int | None:
        if not self.is_several:
            return 0
        if self.random.random() < 0.03:  # it has not noticed yet who is gone
            return self.random.randrange(len(self.places))
        running = self.running
        if not running:
            return None
        return running[0] if self._balances_by_hash else self.random.choice(running)

    def _went(self, device: str, place: int) -> None:
        if self.is_several and self.at.get(device) != place:
            self.at[device] = place
            self._note("to", device, place)

    # What must hold

    @property
    def others_are_heard(self) -> bool:
        """Whether relays can show each other who is there."""
        return self.end is End.WELL

    @property
    def follow_within_s(self) -> float:
        """How soon all have what one has stored: at once, or once the store is asked, and that takes milliseconds."""
        asked_every_s = {End.WELL: 0.0, End.FULL: ROOMS_EVERY_S}
        return asked_every_s.get(self.end, WITHOUT_BACKPLANE_EVERY_S) + 0.1

    def check(self) -> None:
        """Fail if a relay keeps more than it may, or shows what does not follow from the log."""
        for relay in self.relays:
            check_bounds(relay.app)
            check_documents(relay.host, self._disk.durable)

    def behind(self, position: int) -> list[int]:
        """Return the places whose relays have the room and not all up to `position` of it."""
        hosted = ((place, self.places[place].host.opened(ROOM)) for place in self.running)  # type: ignore[union-attr]
        return [place for place, room in hosted if room is not None and room.is_loaded and room.position < position]

    # Trouble and its end

    def fair(self) -> None:
        """Make the backplane what it is in the end."""
        for sky in self.skies:
            sky.delay_s, sky.fails, sky.loses_answer, sky.drops = 0.002, float(self.end is End.FULL), 0.0, 0.0
        if self.hub is not None and self.end is End.DOWN:
            self.hub.fail()
        elif self.hub is not None:
            self.hub.recover()
        self.mend(range(len(self.places)))

    def mend(self, places: Iterable[int]) -> None:
        """Let these relays reach the backplane again."""
        for place in places:
            if place in self.backplanes and self.places[place] is not None:
                self.backplanes[place].mend()
