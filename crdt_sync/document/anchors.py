"""Where a highlight stands: several ways to say it, so that one of them holds when the text re-flows.

The selectors are those of the W3C Web Annotation Data Model (section 4.2): a quote with what surrounds it, and a
position in code points. JavaScript counts UTF-16 units and pycrdt bytes; convert at the edge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeGuard

from crdt_sync.document.verses import osis_source
from crdt_sync.errors import InvalidEdit

__all__ = ["Anchor", "Position", "Quote", "Shared"]

_SHARED = "shared"


@dataclass(frozen=True, slots=True)
class Quote:
    """The text itself, and about 32 characters before and after it."""

    exact: str
    prefix: str = ""
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Position:
    """Start and end in code points of the source's text; the end is past the last."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Shared:
    """Of what a highlight is a copy: the highlight `of` in the library of `by`, a subject, None where nobody has one.

    It is what the device that copied says, and as true as anything else that an editor of the group writes.
    """

    of: str
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where a highlight stands. It never changes; re-anchoring is an edit that records a new one.

    `work` holds what names the text (`id`, `title`, `author`, `edition`, `hash`), `source` the part of it (a file, or a
    verse range in OSIS form such as `Gen.1.1-Gen.1.3`), `opaque` foreign selectors kept to the letter, `progression`
    0 to 1 the place in the work. `extra` holds the keys that this version does not know.
    """

    work: Mapping[str, Any] = field(default_factory=dict)
    source: str | None = None
    quote: Quote | None = None
    position: Position | None = None
    opaque: tuple[Any, ...] = ()
    progression: float | None = None
    heading: str | None = None
    page: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.source is None and self.quote is None and self.position is None and not self.opaque:
            raise InvalidEdit("an anchor needs a source, a quote, a position or a foreign selector")
        if self.position is not None and not 0 <= self.position.start <= self.position.end:
            raise InvalidEdit("a position starts at 0 or later and does not end before it starts")
        if self.progression is not None and not 0 <= self.progression <= 1:
            raise InvalidEdit("progression goes from 0 to 1")

    @classmethod
    def verse(cls, source: str, *, work: str, quote: str | None = None) -> Anchor:
        """Return the anchor of a verse or verse range, in OSIS or USFM form, in the work called `work`."""
        return cls(work={"id": work}, source=osis_source(source), quote=None if quote is None else Quote(quote))

    @property
    def work_id(self) -> str:
        """What the work is indexed by: its id, else its hash, else its title."""
        return next((str(self.work[key]) for key in ("id", "hash", "title") if self.work.get(key)), "")

    @property
    def shared(self) -> Shared | None:
        """Of what the highlight is a copy, or None if it is none."""
        value = self.extra.get(_SHARED)
        of, by = (value.get("of"), value.get("by")) if isinstance(value, Mapping) else (None, None)
        return Shared(of, by if isinstance(by, str) else None) if isinstance(of, str) else None

    def copied(self, shared: Shared) -> Anchor:
        """Return the anchor for a copy. What this version does not know stays behind: it may be private."""
        value = {"of": shared.of} if shared.by is None else {"of": shared.of, "by": shared.by}
        return replace(self, extra={_SHARED: value})

    def to_json(self) -> dict[str, Any]:
        """Return the value that stands in the document."""
        value: dict[str, Any] = dict(self.extra)
        if self.work:
            value["work"] = dict(self.work)
        if self.quote is not None:
            value["quote"] = {"exact": self.quote.exact, "prefix": self.quote.prefix, "suffix": self.quote.suffix}
        if self.position is not None:
            value["position"] = {"start": self.position.start, "end": self.position.end, "unit": "codepoint"}
        if self.opaque:
            value["opaque"] = list(self.opaque)
        for name in ("source", "progression", "heading", "page"):
            if (given := getattr(self, name)) is not None:
                value[name] = given
        return value

    @classmethod
    def from_json(cls, value: Any) -> Anchor:
        """Read what stands in a document, leniently: what is not as expected goes to `extra`, never lost."""
        rest = dict(value) if isinstance(value, Mapping) else {"value": value}
        given: dict[str, Any] = {}
        for name, read in _READERS.items():
            if name in rest and (known := read(rest[name])) is not None:
                given[name] = known
                del rest[name]
        if not given.keys() & {"source", "quote", "position", "opaque"}:
            given["source"] = ""
        return cls(**given, extra=rest)


def _read_work(value: Any) -> Mapping[str, Any] | None:
    return dict(value) if isinstance(value, Mapping) else None


def _read_text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _read_quote(value: Any) -> Quote | None:
    if not isinstance(value, Mapping) or set(value) - {"exact", "prefix", "suffix"}:
        return None
    parts = [value.get(name, "") for name in ("exact", "prefix", "suffix")]
    return Quote(*parts) if all(isinstance(part, str) for part in parts) else None


def _read_position(value: Any) -> Position | None:
    if not isinstance(value, Mapping) or value.get("unit", "codepoint") != "codepoint":
        return None
    if set(value) - {"start", "end", "unit"}:
        return None
    start, end = value.get("start"), value.get("end")
    if not _is_number(start) or not _is_number(end) or not 0 <= start <= end < 2**53:
        return None
    return Position(int(start), int(end))


def _read_opaque(value: Any) -> tuple[Any, ...] | None:
    return tuple(value) if isinstance(value, list) and value else None


def _read_progression(value: Any) -> float | None:
    return float(value) if _is_number(value) and 0 <= value <= 1 else None


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)  # to Python, true is 1


_READERS = {
    "work": _read_work,
    "source": _read_text,
    "quote": _read_quote,
    "position": _read_position,
    "opaque": _read_opaque,
    "progression": _read_progression,
    "heading": _read_text,
    "page": _read_text,
}
