"""Whether an update deletes something that is not deleted yet. Its headers alone do not tell (`update.reach`)."""

from __future__ import annotations

from bisect import bisect_right

from crdt_sync.protocol.update import read_delete_ranges

__all__ = ["adds_deletes", "joined_ranges"]


def adds_deletes(update: bytes, known: bytes) -> bool:
    """Say whether a delete range of `update` is not within those of `known`, both V1 updates of 0 or more structs.

    Raises `RemoteProtocolError` if either is not exactly one update.
    """
    have = {client: joined_ranges(ranges) for client, ranges in read_delete_ranges(known).items()}
    for client, ranges in read_delete_ranges(update).items():
        mine = have.get(client, [])
        for start, end in ranges:
            at = bisect_right(mine, (start, 2**64)) - 1
            if at < 0 or mine[at][1] < end:
                return True
    return False


def joined_ranges(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return ranges (start, end) in order, those that touch made one."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined
