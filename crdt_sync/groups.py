"""Task groups wrap what their tasks raise; this gives the one error that tells what happened."""

from __future__ import annotations

from crdt_sync.errors import CrdtSyncError

__all__ = ["telling_error"]


def telling_error(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the only error in `group`; among several, one of ours if all others are ours too; else the group."""
    leaves: list[BaseException] = []
    pending: list[BaseException] = [group]
    while pending:
        error = pending.pop()
        if isinstance(error, BaseExceptionGroup):
            pending += error.exceptions
        else:
            leaves.append(error)
    if len(leaves) == 1 or all(isinstance(leaf, CrdtSyncError) for leaf in leaves):
        return leaves[0]
    return group
