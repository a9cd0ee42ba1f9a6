"""Tells webhooks what has changed: looks at the marks twice a second, and sends what is due, beside the rooms.

What waits is in memory alone. When the relay stops it is tried once more, for a bounded time; a crash loses it.
"""

from __future__ import annotations

import logging
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum

import anyio
from anyio.abc import TaskGroup

from crdt_sync_server.changes import Changes
from crdt_sync_server.errors import ReceiverFailed, StoreError
from crdt_sync_server.keepers import Webhooks
from crdt_sync_server.logs import tell
from crdt_sync_server.metrics import Metrics
from crdt_sync_server.ports import Poster
from crdt_sync_server.webhook_queue import Delivery, WebhookBounds, WebhookQueue
from crdt_sync_server.webhooks import Webhook, body_of, headers_of

__all__ = ["Deliveries"]

LOOK_EVERY_S = 0.5
LOAD_AGAIN_AFTER_S = 5.0
FINISH_WITHIN_S = 5.0
MAX_PAUSE_S = 300.0
"""However long a receiver asks not to be called."""
AGAIN = range(500, 600)
TOO_MANY = 429


class _End(Enum):
    TAKEN = "taken"
    LATER = "later"
    REFUSED = "refused"


@dataclass(slots=True)
class _Line:
    """One webhook and what waits for it."""

    hook: Webhook
    queue: WebhookQueue
    fails: bool = False  # since the last delivery that was taken
    overflows: bool = False  # since there was a place for all


class Deliveries:
    """The webhooks of a relay that runs. `poster` sends; `now` counts seconds, `wall` those since 1970."""

    def __init__(
        self,
        hooks: Webhooks,
        changes: Changes,
        poster: Poster,
        metrics: Metrics,
        *,
        bounds: WebhookBounds,
        now: Callable[[], float],
        wall: Callable[[], float],
        random: Callable[[], float] = random.random,
    ) -> None:
        self._hooks = hooks
        self._changes = changes
        self._poster = poster
        self._metrics = metrics
        self._bounds = bounds
        self._now = now
        self._wall = wall
        self._random = random
        self._lines: dict[str, _Line] = {}
        self._changing = anyio.Lock()  # which hooks there are
        self._loaded = False
        self._hooked = anyio.Event()  # there may be a hook
        self._stopping = False
        self._emptied = anyio.Event()
        self._tasks: TaskGroup | None = None
        metrics.waiting_webhooks = self.waiting

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send for as long as the block lasts; you must `finish` before you leave it, or what waits is dropped."""
        self._changes.wanted = True  # until it is known that nobody wants to hear
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            tasks.start_soon(self._look)
            try:
                yield
            finally:
                self._tasks = None
                tasks.cancel_scope.cancel()
                with anyio.CancelScope(shield=True):
                    await self._poster.close()

    async def listed(self) -> Sequence[Webhook]:
        """Return all webhooks, the oldest first. Raises `StoreError`."""
        return await self._hooks.listed()

    async def add(self, hook: Webhook) -> None:
        """Keep a webhook; it hears what happens from now on. Raises `StoreError`."""
        async with self._changing:
            await self._hooks.add(hook)
            self._open(hook)

    async def remove(self, hook_id: str) -> Webhook | None:
        """Forget a webhook and what waits for it, and return it; None if there is none. Raises `StoreError`."""
        async with self._changing:
            removed = await self._hooks.remove(hook_id)
            self._lines.pop(hook_id, None)
            self._changes.wanted = bool(self._lines) or not self._loaded
            return removed

    async def reload(self) -> None:
        """Find out which webhooks there are, as another relay has changed them. Raises `StoreError`."""
        async with self._changing:
            hooks = await self._hooks.listed()
            for gone in self._lines.keys() - {hook.id for hook in hooks}:
                del self._lines[gone]
            for hook in hooks:
                self._open(hook)
            self._loaded = True
            self._changes.wanted = bool(self._lines)

    def waiting(self) -> int:
        """Return how many deliveries wait or are in flight. Any thread may ask."""
        return sum(len(line.queue) for line in list(self._lines.values()))

    async def look(self) -> bool:
        """Take what is marked, and begin to send what is due; return False if the webhooks cannot be had now."""
        if not await self._are_known():
            return False
        self._gather()
        for line in self._lines.values():
            self._send(line)
        return True

    async def finish(self) -> None:
        """Try once more what waits, within 5 seconds, and say what was not told. Call it when the rooms are closed."""
        self._stopping = True
        with anyio.move_on_after(FINISH_WITHIN_S):
            if await self._are_known():
                self._gather()
                for line in self._lines.values():
                    line.queue.hurry(self._now())
                    self._send(line)
                while self.waiting():
                    self._emptied = anyio.Event()
                    await self._emptied.wait()
        for line in self._lines.values():
            if left := len(line.queue):
                self._metrics.webhooks["given_up"] += left
                tell("webhooks dropped", logging.WARNING, id=line.hook.id, rooms=left, reason="the relay has stopped")
        self._lines.clear()

    async def _look(self) -> None:
        while True:
            if self._loaded and not self._lines:
                self._hooked = anyio.Event()
                await self._hooked.wait()
            await anyio.sleep(LOOK_EVERY_S)
            if not await self.look():
                await anyio.sleep(LOAD_AGAIN_AFTER_S)

    async def _are_known(self) -> bool:
        """Load the webhooks as soon as something has changed, and say whether they are there."""
        if self._loaded or self._changes.is_empty:
            return True
        try:
            await self.reload()
        except StoreError as error:
            tell("no webhooks", logging.ERROR, reason=str(error))
        return self._loaded

    def _open(self, hook: Webhook) -> None:
        if hook.id not in self._lines:
            self._lines[hook.id] = _Line(hook, WebhookQueue(self._bounds))
        self._changes.wanted = True
        self._hooked.set()

    def _gather(self) -> None:
        """Give each webhook the changes that concern it."""
        now_s = self._now()
        self._metrics.webhooks["dropped"] += self._changes.lost
        self._changes.lost = 0
        changes = self._changes.take()
        for line in self._lines.values():
            concerning = [change for change in changes if line.hook.concerns(change.room)]
            dropped = sum(not line.queue.put(change, now_s) for change in concerning)
            self._metrics.webhooks["dropped"] += dropped
            if dropped and not line.overflows:
                tell("webhooks dropped", logging.WARNING, id=line.hook.id, rooms=dropped, reason="too many wait")
            if concerning:
                line.overflows = dropped > 0

    def _send(self, line: _Line) -> None:
        while self._tasks is not None and (delivery := line.queue.take(self._now())) is not None:
            self._tasks.start_soon(self._deliver, line, delivery)

    async def _deliver(self, line: _Line, delivery: Delivery) -> None:
        try:
            end, reason = await self._try(line, delivery)
        except Exception:  # a bug of ours must not take the relay down
            tell("failed", logging.CRITICAL, id=line.hook.id)
            end, reason = _End.LATER, "a bug"
        if line.hook.id in self._lines:  # and was not removed meanwhile
            self._settle(line, delivery, end, reason)
            self._send(line)
        if not self.waiting():
            self._emptied.set()

    async def _try(self, line: _Line, delivery: Delivery) -> tuple[_End, str]:
        """Send once, and return what came of it, with the reason if it was not taken."""
        body = body_of(delivery.id, delivery.change)
        headers = headers_of(line.hook, delivery.id, int(self._wall()), body)
        try:
            answer = await self._poster.post(line.hook.url, headers, body)
        except ReceiverFailed as error:
            return _End.LATER, str(error)
        if 200 <= answer.status < 300:
            return _End.TAKEN, ""
        if answer.status != TOO_MANY and answer.status not in AGAIN:
            return _End.REFUSED, f"it answered {answer.status}"
        if answer.retry_after_s is not None:
            line.queue.pause(self._now() + min(answer.retry_after_s, MAX_PAUSE_S))
        return _End.LATER, f"it answered {answer.status}"

    def _settle(self, line: _Line, delivery: Delivery, end: _End, reason: str) -> None:
        """Count and tell what came of an attempt, and say to the queue how it goes on."""
        now_s, counts, hook_id = self._now(), self._metrics.webhooks, line.hook.id
        if end is _End.TAKEN:
            counts["delivered"] += 1
            line.queue.done(delivery, now_s)
            if line.fails:
                tell("webhook", do="recovered", id=hook_id)
            line.fails = False
        elif end is _End.LATER and not self._stopping and line.queue.failed(delivery, now_s, self._random):
            counts["retried"] += 1
            if not line.fails:
                tell("webhook", logging.WARNING, do="fails", id=hook_id, reason=reason)
            line.fails = True
        else:
            if end is _End.REFUSED or self._stopping:
                line.queue.done(delivery, now_s)
            counts["given_up"] += 1
            tell("webhook", logging.WARNING, do="give up", id=hook_id, room=delivery.change.room, reason=reason)
