"""Three rooms of one log, in any interleaving of turns, news that comes early, late or not at all, and snapshots."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from random import Random
from typing import Any, TypeVar
from unittest.mock import patch

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from pycrdt import Doc, Text

from crdt_sync.protocol.messages import SyncStep1, SyncStep2, SyncUpdate, decode
from crdt_sync.protocol.update import EMPTY_UPDATE, decode_state_vector, reach, read_update
from crdt_sync.testing.state import State, state_of
from crdt_sync_server import compaction as compaction_module
from crdt_sync_server import following as following_module
from crdt_sync_server import outbox as outbox_module
from crdt_sync_server import room_document as room_module
from crdt_sync_server.cluster import Cluster
from crdt_sync_server.errors import StoreError
from crdt_sync_server.host import Host
from crdt_sync_server.outbox import Behind, Tail
from crdt_sync_server.ports import Stored
from crdt_sync_server.room import Room
from crdt_sync_server.room_log import RoomLog
from crdt_sync_server.stores.memory import MemoryStore
from crdt_sync_server.stores.memory_members import MemoryMembers
from crdt_sync_server.turn import Content, Frame, Joined, Received, Turn

Value = TypeVar("Value")
RELAYS = st.integers(0, 2)
DEVICES = st.integers(0, 1)
SMALL_BOUNDS = (
    (room_module, "HEADERS_UP_TO_BYTES", 48),
    (following_module, "MAX_HELD", 2),
    (outbox_module, "MAX_TAIL_BATCHES", 3),
    (compaction_module, "SEGMENT_BYTES", 60),
)


def at_once(coroutine: Coroutine[Any, Any, Value]) -> Value:
    """Run what waits for nothing: a store in memory answers in the same step."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        value: Value = end.value
        return value
    raise AssertionError("it waits")


async def inline(function: Callable[..., Value], *arguments: object) -> Value:
    return function(*arguments)


def doc_state(doc: Doc[Any]) -> State:
    return state_of(doc.get_update())


@dataclass
class Lagging:
    """A reader that is busy since a batch, and what it had then."""

    batch: int
    doc: Doc[Any]


class MoodyStore(MemoryStore):
    is_readable = True

    async def since(self, room: str, after: int) -> Stored:
        if not self.is_readable:
            raise StoreError("not now")
        return await super().since(room, after)


class Relay:
    """What `HostedRoom` does with a room and its log, one step at a time, and a reader that gets all that it sends."""

    def __init__(self, shared: MemoryStore, node: str) -> None:
        self.store = MoodyStore(node)
        self.store._rooms, self.store._notices = shared._rooms, shared._notices
        self.host = Host(self.store, now=lambda: 0.0, run_sync=inline)
        self.host.cluster = Cluster(self.host, self.store, MemoryMembers(), None, random=Random(0))
        self.room: Room[str] = Room()
        self.log = RoomLog("room", self.host, self.room.document, lambda: None)
        self.tail = Tail()
        self.lagging: list[Lagging] = []
        self.reader: Doc[Any] = Doc()
        at_once(self.log.load())
        self.tail.start(self.room.document.vector)
        hello = (SyncStep1(b"\x00"), SyncStep2(EMPTY_UPDATE))
        arrivals = [Joined("reader"), *(Received("reader", each) for each in hello)]
        self.take_turn(arrivals)

    def take_turn(self, arrivals: list[Any]) -> int | None:
        """Take, commit and release; return the position at which something was stored."""
        before = dict(self.room.document.vector)
        turn = self.room.take(arrivals, 0.0)
        position = None
        if turn.update is not None:
            at_once(self.log.append(turn.update, turn.updates))
            position = self.store._rooms["room"].position
        self.release(turn, before)
        return position

    def follow(self) -> None:
        """Take what the log has next, be it from what was told or from the store."""
        before = dict(self.room.document.vector)
        if updates := at_once(self.log.follow()):
            self.release(self.room.follow(updates), before)

    def release(self, turn: Turn[str], before: dict[int, int]) -> None:
        after = decode_state_vector(self.room.document.doc.get_state())
        moved = {client: clock for client, clock in after.items() if clock != before.get(client)}
        assert turn.moved == moved, "the clocks that a turn says to have moved are those of the document"
        for output in self.room.release(turn):
            match output:
                case Content(update=update, moved=told):
                    assert told == moved
                    self.take_in(self.reader, self.tail.push(update, told))
                case Frame(frame=frame):
                    self.take_in(self.reader, frame)

    def take_in(self, doc: Doc[Any], frame: bytes) -> None:
        for message in decode(frame):
            if isinstance(message, SyncStep2 | SyncUpdate):
                doc.apply_update(message.update)

    def lag(self) -> None:
        """Let a reader that has everything be busy from here on."""
        doc: Doc[Any] = Doc()
        doc.apply_update(self.room.document.whole())
        self.tail.push(EMPTY_UPDATE, {})  # the batch that finds it busy
        self.tail.mark(self.tail.head - 1)
        self.lagging.append(Lagging(self.tail.head - 1, doc))

    def catch_up(self) -> None:
        """Let the readers that were busy take what came since, as one frame."""
        for each in self.lagging:
            item = self.tail.take(each.batch)
            self.take_in(each.doc, self.room.document.catch_up(item.state_vector) if isinstance(item, Behind) else item)
            assert doc_state(each.doc) == doc_state(self.room.document.doc), "who lagged has everything"
        self.lagging = []


class Device:
    def __init__(self, number: int) -> None:
        self.doc: Doc[Any] = Doc(client_id=number)

    def edit(self, place: int, words: str, *, deletes: bool) -> None:
        text = self.doc.get("text", type=Text)
        length = len(text)
        start = place % (length + 1)
        with self.doc.transaction():
            if deletes and start < length:
                del text[start : min(start + 1 + place % 3, length)]
            if words:
                text.insert(min(start, len(text)), words)


class RoomsOfOneLog(RuleBasedStateMachine):
    """Relays that store, tell, hear, ask and compact, and devices that go from one to another."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = [patch.object(module, name, value) for module, name, value in SMALL_BOUNDS]
        for each in self.patches:
            each.start()
        self.shared = MemoryStore()
        self.relays = [Relay(self.shared, f"n{number}") for number in range(3)]
        self.devices = [Device(1), Device(2)]
        self.published: list[tuple[int, bytes]] = []
        self.vectors: list[dict[int, int]] = [{}]  # of the log, at each position

    def teardown(self) -> None:
        try:
            self.all_equal()
        finally:
            for each in self.patches:
                each.stop()

    @rule(
        device=DEVICES,
        relay=RELAYS,
        place=st.integers(0, 20),
        words=st.sampled_from(["", "a", "bc"]),
        cut=st.booleans(),
    )
    def edit(self, device: int, relay: int, place: int, words: str, cut: bool) -> None:
        """A device edits and says to a relay what that lacks; something of it may be on its way from another one."""
        self.devices[device].edit(place, words, deletes=cut)
        self.bring(device, relay)

    @rule(device=DEVICES, relay=RELAYS)
    def bring(self, device: int, relay: int) -> None:
        here, doc = self.relays[relay], self.devices[device].doc
        before = here.log.position
        update = doc.get_update(here.room.document.doc.get_state())
        position = here.take_turn([Received("reader", SyncUpdate(update))])
        if position is None:
            return
        stored = self.shared._rooms["room"].log[-1]
        moved = reach(read_update(stored), self.vectors[-1])
        assert moved is not None, "the log has a gap"
        for client, structs in read_update(stored).structs.items():
            assert structs[0][0] >= self.vectors[before].get(client, 0), "what was followed is stored again"
        self.vectors.append({**self.vectors[-1], **moved})
        assert position == len(self.vectors) - 1
        self.published.append((position, stored))

    @rule(device=DEVICES, relay=RELAYS)
    def fetch(self, device: int, relay: int) -> None:
        """A device takes what a relay has."""
        doc = self.devices[device].doc
        doc.apply_update(self.relays[relay].room.document.doc.get_update(doc.get_state()))

    @rule(relay=RELAYS, data=st.data(), with_update=st.booleans())
    def tell(self, relay: int, data: st.DataObject, with_update: bool) -> None:
        """News of any update come, in any order, also twice."""
        if self.published:
            position, update = data.draw(st.sampled_from(self.published))
            self.relays[relay].log.told(position, update if with_update else None)

    @rule(relay=RELAYS, is_readable=st.booleans())
    def follow(self, relay: int, is_readable: bool) -> None:
        here = self.relays[relay]
        here.store.is_readable = is_readable
        if here.log.is_behind:
            here.follow()
        here.store.is_readable = True

    @rule(relay=RELAYS)
    def compact(self, relay: int) -> None:
        log = self.relays[relay].log
        at_once(log._put_together(log._compaction.begin(log._document.whole(), log.position)))

    @rule(relay=RELAYS)
    def restart(self, relay: int) -> None:
        self.relays[relay].room.document.close()
        self.relays[relay] = Relay(self.shared, f"n{relay}")

    @rule(relay=RELAYS)
    def lag(self, relay: int) -> None:
        self.relays[relay].lag()

    @rule(relay=RELAYS)
    def catch_up(self, relay: int) -> None:
        self.relays[relay].catch_up()

    @invariant()
    def each_room_is_what_the_log_says(self) -> None:
        for relay in self.relays:
            has = decode_state_vector(relay.room.document.doc.get_state())
            assert relay.room.document.vector == has, "a room knows its document's clocks"
            needed = self.vectors[relay.log.position]
            assert all(has.get(client, 0) >= clock for client, clock in needed.items()), "a position was jumped over"
            assert doc_state(relay.reader) == doc_state(relay.room.document.doc), "who reads has what the room has"

    def all_equal(self) -> None:
        """Each is told how far the log is, and has it; a relay that loads it has the same."""
        position = len(self.vectors) - 1
        for relay in self.relays:
            relay.log.told(position, None)
            while relay.log.is_behind:
                relay.follow()
            relay.catch_up()
        loaded = Relay(self.shared, "late")
        states = {repr(doc_state(each.room.document.doc)) for each in (*self.relays, loaded)}
        assert len(states) == 1, states
        assert {each.log.position for each in (*self.relays, loaded)} == {position}
        self.each_room_is_what_the_log_says()


TestRoomsOfOneLog = RoomsOfOneLog.TestCase
TestRoomsOfOneLog.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
