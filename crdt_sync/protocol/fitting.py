"""Puts updates of one document, found in any order, into one in which each fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crdt_sync.errors import RemoteProtocolError
from crdt_sync.protocol.update import reach, read_update

__all__ = ["in_fitting_order"]


def in_fitting_order(updates: Sequence[bytes], state_vector: Mapping[int, int]) -> tuple[list[bytes], list[bytes]]:
    """Return what a document at `state_vector` can take, in an order in which each fits, and what it cannot.

    An update that cannot be read counts among the latter. Updates that are nearly in order cost one pass.
    """
    vector = dict(state_vector)
    fitting: list[bytes] = []
    unread: list[bytes] = []
    waiting = []
    for update in updates:
        try:
            waiting.append((update, read_update(update)))
        except RemoteProtocolError:
            unread.append(update)
    moving = True
    while moving and waiting:
        moving, left = False, []
        for update, header in waiting:
            moved = reach(header, vector)
            if moved is None:
                left.append((update, header))
                continue
            vector.update(moved)
            fitting.append(update)
            moving = True
        waiting = left
    return fitting, [*(update for update, _ in waiting), *unread]
