"""Sends the actions that wait in a file of discussions: in their order, one at a time, each as often as it takes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from random import Random
from typing import Any

import anyio

from crdt_sync.errors import ConnectionLost, NotFound, StorageError
from crdt_sync.protocol.backoff import backoff
from crdt_sync.storage.discussion_file import DiscussionFile, Waiting
from crdt_sync.sync.actions import ActionRefused, Actions
from crdt_sync.worker import Worker

__all__ = ["Outbox"]


class Outbox:
    """Runs until cancelled. `changed` is awaited with each action that was done or refused, and with None if the first
    that waits could not be sent: `trouble` says why.

    The relay does an action once, however often it comes, so one whose answer was lost is simply sent again. Nothing
    overtakes it: only the last action that was sent is ever repeated.
    """

    def __init__(
        self,
        worker: Worker,
        file: DiscussionFile,
        actions: Actions,
        *,
        random: Random,
        changed: Callable[[Mapping[str, Any] | None], Awaitable[None]],
    ) -> None:
        self.trouble: str | None = None
        self._worker = worker
        self._file = file
        self._actions = actions
        self._random = random
        self._changed = changed
        self._work = anyio.Event()
        self._shut_out: list[str] = []  # the ids of actions that were refused because the group was not open
        self._is_open_again = False

    def wake(self) -> None:
        """Look at once: something new waits, or the relay can be reached again."""
        self._work.set()

    def open_again(self) -> None:
        """Send also what was refused since the file was opened because the group was not open to this account."""
        self._is_open_again = True
        self._work.set()

    async def run(self) -> None:
        """Send what waits."""
        delays = backoff(self._random.random)
        while True:
            self._work = anyio.Event()
            action = None
            try:
                await self._retry_shut_out()
                action = await self._worker.call(self._file.next_action)
                if action is not None:
                    await self._send(action)
                    delays = backoff(self._random.random)
                    self.trouble = None
                    await self._changed(action.action)
            except (ConnectionLost, StorageError) as error:
                self.trouble = str(error)
                await self._changed(None)
                with anyio.move_on_after(next(delays)):
                    await self._work.wait()
            else:
                if action is None:
                    await self._work.wait()

    async def _send(self, action: Waiting) -> None:
        try:
            await self._actions.send(action.action)
        except ActionRefused as refusal:
            await self._worker.call(self._file.refused, action, str(refusal))
            if refusal.is_not_open:
                self._shut_out.append(action.id)
        else:
            await self._worker.call(self._file.done, action)

    async def _retry_shut_out(self) -> None:
        """Once the group is open again, have what was refused because it was not wait in its old place."""
        while self._is_open_again and self._shut_out:
            with suppress(NotFound):  # somebody has discarded it, or has it sent already
                await self._worker.call(self._file.retry, self._shut_out[0])
            del self._shut_out[0]
        self._is_open_again = False
