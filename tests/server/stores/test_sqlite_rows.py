"""The rows against a model: whatever is appended, staged, given up, deleted and swept, in whatever order."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from crdt_sync_server.errors import RoomDeleted, StoreError
from crdt_sync_server.stores import sqlite_rows as rows
from crdt_sync_server.stores.sqlite_file import prepare, transaction

ROOMS = ("a", "b")
UPDATES = st.binary(max_size=20)


class Room:
    """What should be stored of a room."""

    def __init__(self) -> None:
        self.segments: list[bytes] = []
        self.log: list[tuple[int, bytes]] = []
        self.through = 0
        self.deleted = False

    @property
    def position(self) -> int:
        return self.log[-1][0] if self.log else self.through


class Writing:
    """A snapshot that is being staged, by a process that lives."""

    def __init__(self, room: str, segments: list[bytes], through: int) -> None:
        self.room = room
        self.segments = segments
        self.through = through
        self.staged: rows.Staged | None = None
        self.written = 0


class RowsMachine(RuleBasedStateMachine):
    """Pieces of two rows and 30 bytes, so that a long work is one of many."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(rows, "PIECE_BYTES", 30)
        self.patch.setattr(rows, "PIECE_ROWS", 2)
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        prepare(self.connection, Path(":memory:"))
        self.rooms = {name: Room() for name in ROOMS}
        self.writing: list[Writing] = []

    def teardown(self) -> None:
        self.connection.close()
        self.patch.undo()

    @property
    def spared(self) -> set[int]:
        return {each.staged.number for each in self.writing if each.staged is not None}

    @rule(name=st.sampled_from(ROOMS), update=UPDATES)
    def append(self, name: str, update: bytes) -> None:
        room = self.rooms[name]
        try:
            with transaction(self.connection):
                position = rows.append(self.connection, name, update, None)
        except RoomDeleted:
            assert room.deleted
        else:
            assert not room.deleted
            assert position > room.position
            room.log.append((position, update))

    @rule(name=st.sampled_from(ROOMS), segments=st.lists(UPDATES, max_size=4), back=st.integers(0, 2))
    def begin_to_write(self, name: str, segments: list[bytes], back: int) -> None:
        positions = [0, *(position for position, _ in self.rooms[name].log)]
        self.writing.append(Writing(name, segments, positions[max(0, len(positions) - 1 - back)]))

    @precondition(lambda self: self.writing)
    @rule(data=st.data())
    def write(self, data: st.DataObject) -> None:
        """Stage a part, or put the whole in place."""
        writing = data.draw(st.sampled_from(self.writing))
        rest = writing.segments[writing.written :]
        room = self.rooms[writing.room]
        try:
            with transaction(self.connection):
                staged = rows.stage(self.connection, writing.room, writing.staged, rest[:1], len(rest))
                if len(rest) <= 1:
                    size = sum(map(len, writing.segments))
                    rows.put_in_place(self.connection, writing.room, staged, writing.through, size)
                    rows.sweep(self.connection, self.spared)
        except (RoomDeleted, StoreError) as error:
            assert room.deleted if isinstance(error, RoomDeleted) else writing.through < room.through
            self.writing.remove(writing)
            return
        writing.staged = staged
        writing.written += 1
        assert not room.deleted
        if len(rest) <= 1:
            assert writing.through >= room.through
            room.segments, room.through = writing.segments, writing.through
            room.log = [(position, update) for position, update in room.log if position > room.through]
            self.writing.remove(writing)

    @precondition(lambda self: self.writing)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        self.writing.remove(data.draw(st.sampled_from(self.writing)))

    @rule(name=st.sampled_from(ROOMS))
    def bury(self, name: str) -> None:
        with transaction(self.connection):
            rows.bury(self.connection, name)
        self.rooms[name].deleted = True
        self.rooms[name].segments, self.rooms[name].log = [], []

    @rule()
    def crash(self) -> None:
        """Another process opens the file, and nothing is written any more."""
        self.writing.clear()

    @rule()
    def sweep(self) -> None:
        before = self.counted()
        with transaction(self.connection):
            rows.sweep(self.connection, self.spared)
        assert before - self.counted() <= 2

    @rule()
    def sweep_all(self) -> None:
        """Then nothing is there but what is valid and what is being written."""
        for _ in range(10_000):
            with transaction(self.connection):
                if not rows.sweep(self.connection, self.spared):
                    break
        staged = sum(each.written for each in self.writing if not self.rooms[each.room].deleted)
        assert self.counted() == staged + sum(len(room.segments) + len(room.log) for room in self.rooms.values())
        assert self.count("waste") == len(self.spared)

    @invariant()
    def what_is_read_is_what_was_stored(self) -> None:
        for name, room in self.rooms.items():
            if room.deleted:
                with pytest.raises(RoomDeleted):
                    rows.load(self.connection, name)
                self.connection.execute("ROLLBACK")
                continue
            stored = rows.load(self.connection, name)
            assert list(stored.updates) == [*room.segments, *(update for _, update in room.log)]
            assert (stored.position, stored.log_length) == (room.position, len(room.log))

    @invariant()
    def records_count_what_is_valid(self) -> None:
        assert self.connection.execute(rows.MISCOUNTS).fetchall() == []
        for name, size, length in self.connection.execute("SELECT room, bytes, updates FROM rooms"):
            room = self.rooms[name]
            assert length == len(room.log)
            assert size == sum(map(len, room.segments)) + sum(len(update) for _, update in room.log)

    def counted(self) -> int:
        return self.count("updates") + self.count("snapshots")

    def count(self, table: str) -> int:
        return int(self.connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


TestRows = RowsMachine.TestCase
TestRows.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


@given(st.lists(st.binary(max_size=40)), st.integers(1, 60))
def test_pieces_are_the_segments_in_order_and_bounded(segments: list[bytes], piece_bytes: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "PIECE_BYTES", piece_bytes)
        found = rows.pieces(segments)
    assert [segment for piece in found for segment in piece] == segments
    assert all(sum(map(len, piece)) <= piece_bytes or len(piece) == 1 for piece in found)
    assert found == [[]] or all(found)


def test_a_snapshot_that_is_not_whole_is_an_error(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "relay", isolation_level=None)) as connection:
        prepare(connection, tmp_path / "relay")
        with transaction(connection):
            staged = rows.stage(connection, "room", None, [b"1", b"2", b"3"], 3)
            rows.put_in_place(connection, "room", staged, 7, 3)
        connection.execute("DELETE FROM snapshots WHERE part = 1")
        with pytest.raises(StoreError, match="of the 3 segments of the snapshot of 'room' 2 are there"):
            rows.load(connection, "room")
        assert connection.execute(rows.MISCOUNTS).fetchall() == [("room",)]
