"""Highlights and the texts they stand in: the part of `Library` that looks for them and anchors them anew."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import anyio

from crdt_sync.document import Anchor, Highlight, Reanchor, Resolution, Text
from crdt_sync.errors import InvalidEdit, NotFound
from crdt_sync.queries import Queries

__all__ = ["Anchoring", "Resolved"]

ENOUGH_TO_WRITE = 0.8
"""The score from which on a place is written back, if the caller does not say."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """Where a highlight stands in a text; `is_written` if it was anchored there anew."""

    highlight: Highlight
    resolution: Resolution
    is_written: bool = False


class Anchoring(Queries):
    """What `Library` does with the text of a work."""

    edit: Callable[..., Awaitable[tuple[str, ...]]]

    async def reanchor(
        self,
        text: Text,
        *,
        work: str | None = None,
        within: str | None = None,
        write: bool = False,
        minimum_score: float = ENOUGH_TO_WRITE,
    ) -> list[Resolved]:
        """Say where the highlights of a work, or within a part of it, stand in `text`; change nothing but if asked.

        With `write` those that stand elsewhere now, without doubt and with `minimum_score` (0 to 1), are anchored
        there, each in an edit that keeps the first anchor. What is ambiguous or an orphan is never written. One that
        somebody has changed or purged meanwhile stays as that left it. Raises what `edit` raises, and `InvalidEdit`.
        """
        if not 0 <= minimum_score <= 1:
            raise InvalidEdit(f"minimum_score goes from 0 to 1; this is {minimum_score}")
        highlights = await self.highlights(work=work, within=within)
        anchors = [each.anchor for each in highlights]
        answers = await anyio.to_thread.run_sync(text.resolve_all, anchors)
        written: frozenset[str] = frozenset()
        if write:
            edits = {
                each.id: Reanchor(each.id, text.moved(each.anchor, answer.start, answer.end))
                for each, answer in zip(highlights, answers, strict=True)
                if answer.start is not None and answer.end is not None and answer.score >= minimum_score
            }
            was = {each.id: each.anchor for each in highlights}
            written = await self._write({key: edit for key, edit in edits.items() if edit.anchor != was[key]}, was)
        return [Resolved(each, answer, each.id in written) for each, answer in zip(highlights, answers, strict=True)]

    async def _write(self, edits: dict[str, Reanchor], was: Mapping[str, Anchor]) -> frozenset[str]:
        """Make the edits whose highlights are as they were; return their ids."""
        while True:
            for item_id in list(edits):
                now = await self.highlight(item_id)
                if now is None or now.anchor != was[item_id]:
                    del edits[item_id]
            try:
                await self.edit(*edits.values())
            except NotFound:  # purged between the look and the edit: look again, at fewer each time
                continue
            return frozenset(edits)
