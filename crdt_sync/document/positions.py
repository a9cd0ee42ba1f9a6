"""Where a person reads, on each device, and when another device's place is worth an offer.

Each device writes keys of its own (`positions`, `<device>/<work>`), so two never write the same one. Nothing here
decides a merge: clocks tell only what is offered, and the person says yes or no.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from crdt_sync.document.anchors import Anchor
from crdt_sync.errors import InvalidEdit

__all__ = ["SAME_PLACE", "Jump", "JumpReason", "ReadingPosition", "anchor_of", "check_work", "moved", "suggest"]

MAX_WORK_BYTES = 1_000
SAME_PLACE = 0.001
"""Places whose progression differs by less are one: two screens cut the same page at other words."""


@dataclass(frozen=True, slots=True)
class ReadingPosition:
    """Where one device is in a work, since when (milliseconds since 1970, by its clock, for display), how far it was.

    `furthest` is the place with the highest progression, None while no progression is known. `here` is True for this
    device.
    """

    work: str
    device: str
    device_name: str
    anchor: Anchor
    at_ms: int
    furthest: Anchor | None = None
    here: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the value that stands in the document; work and device are its key."""
        value: dict[str, Any] = {"at": self.at_ms, "name": self.device_name, "anchor": self.anchor.to_json()}
        if self.furthest is not None:
            value["furthest"] = self.furthest.to_json()
        return value

    @classmethod
    def from_json(cls, work: str, device: str, value: Any, *, here: bool = False) -> ReadingPosition | None:
        """Read what stands in a document, leniently; None if there is no place in it."""
        if not isinstance(value, Mapping) or not isinstance(value.get("anchor"), Mapping):
            return None
        at, name, furthest = value.get("at"), value.get("name"), value.get("furthest")
        return cls(
            work,
            device,
            name if isinstance(name, str) else "",
            Anchor.from_json(value["anchor"]),
            int(at) if isinstance(at, int | float) and abs(at) < 2**53 else 0,
            Anchor.from_json(furthest) if isinstance(furthest, Mapping) else None,
            here,
        )


class JumpReason(Enum):
    """Why a place is offered."""

    LATER = "later"
    """The other device was read on after this one."""
    FURTHER = "further"
    """Another device was further in the work than this one ever was."""


@dataclass(frozen=True, slots=True)
class Jump:
    """An offer to go to `anchor`, where `position`'s device is (LATER) or was (FURTHER). Ask; never just go."""

    anchor: Anchor
    reason: JumpReason
    position: ReadingPosition


def anchor_of(source: str | None, progression: float | None, anchor: Anchor | None) -> Anchor:
    """Return the anchor of a place that is given in one of these ways. Raises `InvalidEdit`."""
    if (anchor is None) == (source is None and progression is None):
        raise InvalidEdit("a reading position has an anchor, or a source, a progression or both")
    if anchor is not None:
        return anchor
    return Anchor(source=source or "", progression=progression)


def check_work(work: str) -> None:
    """Raise `InvalidEdit` if this names no work."""
    has_half = any(0xD800 <= ord(each) < 0xE000 for each in work)  # a lone surrogate
    if has_half or not 0 < len(work.encode()) <= MAX_WORK_BYTES:
        raise InvalidEdit(f"a work's name has 1 to {MAX_WORK_BYTES} bytes, as Anchor.work_id gives it")


def moved(before: ReadingPosition | None, now: ReadingPosition) -> ReadingPosition:
    """Return `now` with the furthest place that is known after it."""
    known = None if before is None else before.furthest
    reached = now.anchor if now.anchor.progression is not None else None
    if known is not None and (reached is None or (known.progression or 0) > (reached.progression or 0)):
        reached = known
    return ReadingPosition(now.work, now.device, now.device_name, now.anchor, now.at_ms, reached, now.here)


def suggest(
    own: ReadingPosition | None,
    others: Sequence[ReadingPosition],
    declined: Iterable[Anchor] = (),
    same_place: float = SAME_PLACE,
) -> Jump | None:
    """Return what to offer to who opens a work here, or None.

    What was read on elsewhere after this device comes first, back or forth: there the person was. Else the furthest
    place of another device, if it lies ahead of this one and of wherever this device has been. A place that was
    declined is not offered again. Places whose progression differs by less than `same_place` are one.
    """
    no = list(declined)
    later = [each for each in others if own is None or each.at_ms > own.at_ms]
    for each in sorted(later, key=lambda each: each.at_ms, reverse=True):
        if (own is None or not _same(each.anchor, own.anchor, same_place)) and each.anchor not in no:
            return Jump(each.anchor, JumpReason.LATER, each)
    reached = max((_progression(anchor) for anchor in (own.anchor, own.furthest)), default=-1.0) if own else -1.0
    ahead = [each for each in others if _progression(each.furthest) > reached + same_place and each.furthest not in no]
    best = max(ahead, key=lambda each: _progression(each.furthest), default=None)
    if best is None or best.furthest is None:
        return None
    return Jump(best.furthest, JumpReason.FURTHER, best)


def _progression(anchor: Anchor | None) -> float:
    return -1.0 if anchor is None or anchor.progression is None else anchor.progression


def _same(one: Anchor, other: Anchor, same_place: float) -> bool:
    if one.progression is not None and other.progression is not None:
        return abs(one.progression - other.progression) < same_place
    return one == other
