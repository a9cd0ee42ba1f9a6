"""The answer to where an anchor stands in a text."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = ["Candidate", "FoundBy", "Resolution", "Verdict"]


class Verdict(Enum):
    """What is known of an anchor's place."""

    EXACT = "exact"
    """The quote stands, to the letter, at its recorded position; or, if none was recorded, at one place alone."""
    RELOCATED = "relocated"
    """It stands elsewhere, or in other words, and there is no doubt where."""
    AMBIGUOUS = "ambiguous"
    """There are several places, or one that is not sure: `candidates`."""
    ORPHAN = "orphan"
    """Nothing here is enough like it."""


class FoundBy(Enum):
    """Which step found a place."""

    POSITION = "position"
    QUOTE = "quote"
    FOLDED_QUOTE = "folded quote"
    LIKENESS = "likeness"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place that was considered, in code points, and its score from 0 to 1."""

    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class Resolution:
    """The answer for one anchor. `start` and `end` (code points) are there if the verdict is exact or relocated.

    `score`, 0 to 1, is the share of characters that agree at the best place, in the quote and around it. `candidates`
    are up to five places, the best first, whatever the verdict.
    """

    verdict: Verdict
    score: float = 0.0
    start: int | None = None
    end: int | None = None
    found_by: FoundBy | None = None
    candidates: tuple[Candidate, ...] = ()

    @property
    def is_sure(self) -> bool:
        """Whether there is one place, and it can be shown as the highlight's."""
        return self.verdict in (Verdict.EXACT, Verdict.RELOCATED)
