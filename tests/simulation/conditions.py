"""What a run finds: small bounds that hold, a library's file that is new, and ears for what is logged as a bug."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from unittest.mock import patch

from crdt_sync.protocol.update import decode_state_vector
from crdt_sync.storage import transactions as transactions_module
from crdt_sync.storage.store import LibraryStore
from crdt_sync.sync import polling as polling_module
from crdt_sync_server import backplane as backplane_module
from crdt_sync_server import cluster as cluster_module
from crdt_sync_server import compaction as compaction_module
from crdt_sync_server import following as following_module
from crdt_sync_server import inbox as inbox_module
from crdt_sync_server import outbox as outbox_module
from crdt_sync_server import poll_sessions as poll_sessions_module
from crdt_sync_server import room_document as room_module
from crdt_sync_server import room_log as room_log_module
from crdt_sync_server import room_loop as room_loop_module
from crdt_sync_server.app import RelayApp
from crdt_sync_server.backplanes import memory as memory_backplane_module
from crdt_sync_server.host import Host
from tests.simulation.disk import ROOM
from tests.simulation.truth import Durable

__all__ = ["check_bounds", "check_documents", "empty_library", "listening", "small_bounds"]

LARGEST = 64 * 1024
"""No message of a run is larger, in bytes: a peer that is above its bound has sent one message more at most."""


@cache
def empty_library() -> bytes:
    """Return a library's file as it is when it is new: making one takes longer than writing it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "empty"
        LibraryStore(path, durability="normal").close()
        return path.read_bytes()


@contextmanager
def small_bounds() -> Iterator[None]:
    """Make bounds so small that a short run meets them."""
    with ExitStack() as stack:
        for module, name, value in (
            (compaction_module, "AFTER_UPDATES", 12),
            (compaction_module, "AFTER_BYTES", 0),
            (compaction_module, "MOST_UPDATES", 40),
            (compaction_module, "IDLE_AFTER_UPDATES", 3),
            (compaction_module, "SEGMENT_BYTES", 300),
            (room_log_module, "SEGMENT_BYTES", 300),
            (room_loop_module, "THREAD_ABOVE_BYTES", 2048),
            (inbox_module, "MAX_INBOX_BYTES_PER_PEER", 1024),
            (outbox_module, "MAX_TAIL_BATCHES", 4),
            (outbox_module, "MAX_TAIL_BYTES", 4096),
            (poll_sessions_module, "WINDOW_BYTES", 2048),
            (poll_sessions_module, "WINDOW_FRAMES", 8),
            (room_module, "HEADERS_UP_TO_BYTES", 200),
            (following_module, "MAX_HELD", 3),
            (following_module, "MAX_HELD_BYTES", 1024),
            (cluster_module, "CARRIED_UP_TO_BYTES", 400),
            (cluster_module, "MAX_WAITING", 6),
            (cluster_module, "MAX_WAITING_BYTES", 1024),
            (backplane_module, "CARRIED_UP_TO_BYTES", 300),
            (memory_backplane_module, "WAITING_SAID", 12),
            (polling_module, "MIN_MOST_BYTES", 64),
            (polling_module, "MAX_MOST_BYTES", 1024),
            (polling_module, "MAX_UNSENT_BYTES", 8192),
            (polling_module, "MAX_INBOX_BYTES", 2048),
            (transactions_module, "COMPACT_AFTER_UPDATES", 15),
            (transactions_module, "COMPACT_CHECK_EVERY", 5),
            (transactions_module, "SNAPSHOT_PART_BYTES", 400),
        ):
            stack.enter_context(patch.object(module, name, value))
        yield


def check_bounds(app: RelayApp) -> None:
    """Fail if the relay keeps more for its peers than it may, however slow they are."""
    sessions = app._sessions._sessions
    for room in app.host._rooms.values():
        tail = room.tail
        peers = app._connections + len(sessions)  # those that are being closed included
        kept = (len(tail._batches), len(tail._lost), max(room._inbox._bytes.values(), default=0))
        most = (outbox_module.MAX_TAIL_BATCHES, peers, inbox_module.MAX_INBOX_BYTES_PER_PEER + LARGEST)
        assert all(one <= bound for one, bound in zip(kept, most, strict=True)), f"{kept} is above {most}"
    for session in sessions.values():
        kept_bytes, bound = session.stream.unacknowledged, poll_sessions_module.WINDOW_BYTES + LARGEST
        assert kept_bytes <= bound, f"a poll session keeps {kept_bytes} bytes and may keep {bound}"


def check_documents(host: Host, durable: Durable) -> None:
    """Fail if a room's document is not what the log says up to its position, or it is wrong about its own clocks."""
    hosted = host.opened(ROOM)
    if hosted is None or not hosted.is_loaded or not hosted._settled:
        return
    room, needed = hosted._room, durable.vectors[hosted.position]
    has = decode_state_vector(room.document.doc.get_state())
    assert has == room.document.vector, (
        f"a room takes its document for being at {room.document.vector}, and it is at {has}"
    )
    behind = {client: clock for client, clock in needed.items() if has.get(client, 0) < clock}
    assert not behind, f"a room is at position {hosted.position} and its document lacks {behind}"


@contextmanager
def listening() -> Iterator[list[str]]:
    """Collect what the code logs as its own bug: with a traceback, or that a relay could not follow another."""
    logged: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            is_broken = getattr(record, "event", "") == "failed" and "another relay has stored" in record.getMessage()
            if is_broken or (record.exc_info and record.exc_info[1] is not None):
                logged.append(logging.Formatter().format(record))

    handler = Handler()
    loggers = [logging.getLogger(name) for name in ("crdt_sync", "crdt_sync_server")]
    before = [(each.level, each.propagate) for each in loggers]
    for each in loggers:
        each.addHandler(handler)
        each.setLevel(logging.WARNING)
        each.propagate = False
    try:
        yield logged
    finally:
        for each, (level, propagate) in zip(loggers, before, strict=True):
            each.removeHandler(handler)
            each.setLevel(level)
            each.propagate = propagate
