"""Sends the actions that wait in a file of discussions: in their order, one at a time, each as often as it takes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from random import Random
from typing import Any

import anyio

from crdt_sync.errors import ConnectionLost, StorageError
from crdt_sync.protocol.backoff import backoff
from crdt_sync.protocol.close_codes import CloseCode
from crdt_sync.storage.discussion_file import DiscussionFile, Waiting
from crdt_sync.sync.actions import ActionRefused, Actions
from crdt_sync.sync.credentials import Token, ask_for_token
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
        token: Token,
        random: Random,
        changed: Callable[[Mapping[str, Any] | None], Awaitable[None]],
    ) -> None:
        self.trouble: str | None = None
        self._worker = worker
        self._file = file
        self._actions = actions
        self._token = token
        self._random = random
        self._changed = changed
        self._work = anyio.Event()

    def wake(self) -> None:
        """Look at once: something new waits, or the relay can be reached again."""
        self._work.set()

    async def run(self) -> None:
        """Send what waits."""
        delays, has_new_token = backoff(self._random.random), False
        while True:
            self._work = anyio.Event()
            action = None
            try:
                action = await self._worker.call(self._file.next_action)
                if action is not None:
                    await self._send(action)
                    delays, has_new_token = backoff(self._random.random), False
                    self.trouble = None
                    await self._changed(action.action)
            except (ConnectionLost, StorageError) as error:
                is_token = isinstance(error, ConnectionLost) and error.code == CloseCode.UNAUTHENTICATED
                if is_token and callable(self._token) and not has_new_token:
                    has_new_token = True
                    continue
                self.trouble, has_new_token = str(error), False
                await self._changed(None)
                with anyio.move_on_after(next(delays)):
                    await self._work.wait()
            else:
                if action is None:
                    await self._work.wait()

    async def _send(self, action: Waiting) -> None:
        token = await ask_for_token(self._token)
        try:
            await self._actions.send(action.action, token)
        except ActionRefused as refusal:
            await self._worker.call(self._file.refused, action, str(refusal))
        else:
            await self._worker.call(self._file.done, action)
