"""Verse ranges: read in OSIS and USFM form, kept in OSIS form, compared and sorted in canonical order.

OSIS (osisRef, OSIS 2.1.1 user's manual, section 14): `Gen.1.1`, `Gen.1.1-Gen.1.3`, `Bible.KJV:Gen.1.1`, `Gen.1`, `Gen`.
USFM (book codes and chapter:verse, USFM 3): `GEN 1:1`, `GEN 1:1-3`, `GEN 1:1-2:3`. Codes are read in any case, and
shorter ends (`Gen.1.1-3`) are completed. The canonical order is that of the 66 books of the King James Version, then
the deuterocanon in the order of USFM. How many chapters and verses a book has differs by edition, and is not known
here: a whole book or chapter reaches to its end, wherever that is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from crdt_sync.errors import InvalidEdit

__all__ = ["BOOKS", "VerseRange", "VerseReference", "osis_source", "place_key"]

_CODES = """
Gen GEN Exod EXO Lev LEV Num NUM Deut DEU Josh JOS Judg JDG Ruth RUT 1Sam 1SA 2Sam 2SA 1Kgs 1KI 2Kgs 2KI 1Chr 1CH
2Chr 2CH Ezra EZR Neh NEH Esth EST Job JOB Ps PSA Prov PRO Eccl ECC Song SNG Isa ISA Jer JER Lam LAM Ezek EZK Dan DAN
Hos HOS Joel JOL Amos AMO Obad OBA Jonah JON Mic MIC Nah NAM Hab HAB Zeph ZEP Hag HAG Zech ZEC Mal MAL Matt MAT Mark MRK
Luke LUK John JHN Acts ACT Rom ROM 1Cor 1CO 2Cor 2CO Gal GAL Eph EPH Phil PHP Col COL 1Thess 1TH 2Thess 2TH 1Tim 1TI
2Tim 2TI Titus TIT Phlm PHM Heb HEB Jas JAS 1Pet 1PE 2Pet 2PE 1John 1JN 2John 2JN 3John 3JN Jude JUD Rev REV
Tob TOB Jdt JDT EsthGr ESG Wis WIS Sir SIR Bar BAR EpJer LJE PrAzar S3Y Sus SUS Bel BEL 1Macc 1MA 2Macc 2MA 3Macc 3MA
4Macc 4MA 1Esd 1ES 2Esd 2ES PrMan MAN Ps151 PS2 Odes ODA PssSol PSS DanGr DAG Jub JUB 1En ENO EpLao LAO
"""
BOOKS: dict[str, str] = dict(zip(_CODES.split()[::2], _CODES.split()[1::2], strict=True))
"""The USFM code of each book, by its OSIS code, in canonical order."""
_NUMBERS = {code: number for number, code in enumerate(BOOKS, 1)}
_BY_ANY_CODE = {spelled.casefold(): osis for osis, usfm in BOOKS.items() for spelled in (osis, usfm)}

_LAST = 999
"""No chapter or verse has a number beyond this; the end of a whole chapter or book sorts as this."""
_WORK = re.compile(r"(\w[\w.]*):(?=[1-6]?[A-Za-z])")
_REFERENCE = re.compile(r"([1-6]?[A-Za-z][A-Za-z0-9]*)(?:[. ]([0-9]+)(?:[.:]([0-9]+))?)?")
_BETWEEN = re.compile(r"[,;]")
_DASH = re.compile(" ?[-–] ?")
_REST = re.compile(r"([0-9]+)(?:[.:]([0-9]+))?")
_USFM_VERSE = re.compile(r"[0-9]:[0-9]+(?![0-9A-Za-z])")
_USFM_SHAPE = re.compile(r"\s*\w{2,8}\s+\d+:\d+.*", re.DOTALL)
_GRAIN = re.compile(r"[!@][^\s,;-]*")
_DIGITS = re.compile(r"0*([0-9]+)")

MAX_CHARACTERS = 10_000
"""How long a text may be that is read as verse ranges."""

_Key = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class VerseReference:
    """A verse, or a whole chapter (no `verse`) or book (no `chapter` either); `book` is an OSIS code.

    Chapters count from 1. Verse 0 is what stands before the first, such as the title of a psalm.
    """

    book: str
    chapter: int | None = None
    verse: int | None = None

    def __post_init__(self) -> None:
        if self.book not in BOOKS:
            raise InvalidEdit(f"there is no book {self.book!r}; codes are those of OSIS, such as Gen, 1Sam, Matt")
        if self.chapter is None and self.verse is not None:
            raise InvalidEdit(f"a verse of {self.book} was named without its chapter")
        if self.chapter is not None and not 1 <= self.chapter <= _LAST:
            raise InvalidEdit(f"chapters are numbered 1 to {_LAST}; this is {self.chapter}")
        if self.verse is not None and not 0 <= self.verse <= _LAST:
            raise InvalidEdit(f"verses are numbered 0 to {_LAST}; this is {self.verse}")

    @property
    def osis(self) -> str:
        """The reference in OSIS form: `Gen.1.1`."""
        return ".".join(str(part) for part in (self.book, self.chapter, self.verse) if part is not None)

    @property
    def usfm(self) -> str:
        """The reference in USFM form: `GEN 1:1`."""
        chapter = "" if self.chapter is None else f" {self.chapter}"
        return BOOKS[self.book] + chapter + ("" if self.verse is None else f":{self.verse}")

    @property
    def starts(self) -> _Key:
        """Numbers of book, chapter and verse where it starts; they compare in canonical order."""
        return _NUMBERS[self.book], self.chapter or 0, self.verse or 0

    @property
    def first_verse(self) -> _Key:
        """The same, but of verse 1 for a whole chapter or book: the title that may stand before it is left out."""
        book, chapter, verse = self.starts
        return book, chapter or 1, 1 if self.verse is None else verse

    @property
    def ends(self) -> _Key:
        """Numbers of book, chapter and verse of the last verse in it."""
        chapter = _LAST if self.chapter is None else self.chapter
        return _NUMBERS[self.book], chapter, _LAST if self.verse is None else self.verse


@dataclass(frozen=True, slots=True)
class VerseRange:
    """All from the start of `first` to the end of `last`, both included; `work` is an OSIS work such as `Bible.KJV`.

    Ranges sort by where they start, then by where they end. Comparisons look at the place alone and not at the work,
    but for equality.
    """

    first: VerseReference
    last: VerseReference
    work: str | None = None

    def __post_init__(self) -> None:
        if self.first.ends > self.last.ends:
            raise InvalidEdit(f"a range goes on to a later verse; {self.last.osis} ends before {self.first.osis} does")

    @classmethod
    def parse(cls, text: str) -> VerseRange:
        """Read one range in OSIS or USFM form. Raises `InvalidEdit`, which says what is wrong."""
        ranges = cls.parse_list(text)
        if len(ranges) != 1:
            raise InvalidEdit(f"{text!r} names {len(ranges)} ranges and one is expected; see VerseRange.parse_list")
        return ranges[0]

    @classmethod
    def parse_list(cls, text: str) -> tuple[VerseRange, ...]:
        """Read ranges with `,` or `;` between them, or spaces in OSIS form, in the order in which they stand.

        What an item leaves out is that of the one before: `GEN 1:1,3; 2:4` is verses 1 and 3 of chapter 1, and verse 4
        of chapter 2. Raises `InvalidEdit`.
        """
        if len(text) > MAX_CHARACTERS:
            raise InvalidEdit(
                f"a list of verse ranges has at most {MAX_CHARACTERS:,} characters; this has {len(text):,}"
            )
        ranges: list[VerseRange] = []
        try:
            for part in _BETWEEN.split(_DASH.sub("-", " ".join(text.split()))):
                for item in _items(part.strip()):
                    ranges.append(_parse(item, ranges[-1] if ranges else None))
        except InvalidEdit as error:
            shown = text if len(text) <= 80 else f"{text[:80]}…"
            raise InvalidEdit(f"{shown!r} is no verse range: {error}") from None
        return tuple(ranges)

    @property
    def osis(self) -> str:
        """The range in OSIS form, as the document keeps it: `Bible.KJV:Gen.1.1-Gen.1.3`."""
        last = "" if self.last == self.first else f"-{self.last.osis}"
        return ("" if self.work is None else f"{self.work}:") + self.first.osis + last

    @property
    def usfm(self) -> str:
        """The range in USFM form, which has no work in it: `GEN 1:1-3`, `GEN 1:1-2:3`, `GEN 1:1-EXO 2`."""
        first, last = self.first, self.last
        if last == first:
            return first.usfm
        if (
            last.book != first.book
            or None in (first.chapter, last.chapter)
            or (first.verse is None) != (last.verse is None)
        ):
            return f"{first.usfm}-{last.usfm}"
        if last.verse is None:
            return f"{first.usfm}-{last.chapter}"
        return (
            f"{first.usfm}-{last.verse}"
            if last.chapter == first.chapter
            else f"{first.usfm}-{last.chapter}:{last.verse}"
        )

    def __lt__(self, other: VerseRange) -> bool:
        return self._order < other._order

    def overlaps(self, other: VerseRange) -> bool:
        """Whether there is a verse that is in both."""
        return self.first.starts <= other.last.ends and other.first.starts <= self.last.ends

    def contains(self, other: VerseRange) -> bool:
        """Whether every verse of `other` is in this one; a whole chapter or book counts from its verse 1 on.

        How many verses a chapter has differs from Bible to Bible, so `GEN 1:1-31` is not known to contain `Gen.1`.
        """
        return self.first.starts <= other.first.first_verse and other.last.ends <= self.last.ends

    @property
    def _order(self) -> tuple[_Key, _Key, str]:
        return self.first.starts, self.last.ends, self.osis


def osis_source(source: str) -> str:
    """Return a source as the document keeps it: verse ranges in OSIS form, all else to the letter.

    A word alone is a book only if it is its code as it is written: `acts` may be the name of a file. Raises
    `InvalidEdit` for what has the shape of USFM and is none: `GNE 1:1` is a slip.
    """
    if source.isalnum() and source not in BOOKS and source not in BOOKS.values():
        return source
    try:
        return " ".join(each.osis for each in VerseRange.parse_list(source))
    except InvalidEdit:
        if _USFM_SHAPE.fullmatch(source):
            raise
        return source


def place_key(source: str | None) -> str:
    """Return a key for a source whose order as text, code point by code point, is the order in the text.

    Verse ranges come in canonical order, before all other sources; a list of them stands where its first and last
    verses are, and what OSIS adds after `!` or `@` counts last. Other sources sort by their text, numbers in it by
    their value: `chapter2` before `chapter10`. No source at all comes first. Two sources have one key only if they are
    the same to `osis_source`.
    """
    if not source:
        return ""
    try:
        ranges = VerseRange.parse_list(_GRAIN.sub("", source))
    except InvalidEdit:
        return f"2{_DIGITS.sub(_by_value, source)}\x01{source}"
    first, last = min(each.first.starts for each in ranges), max(each.last.ends for each in ranges)
    kept = source if _GRAIN.search(source) else " ".join(each.osis for each in ranges)
    return "1" + "".join(f"{number:03}" for number in (*first, *last)) + kept


def _by_value(digits: re.Match[str]) -> str:
    """A longer number is greater: its length goes before it."""
    return f"{min(len(digits[1]), 99):02}{digits[1]}"


def _items(part: str) -> list[str]:
    """In OSIS form spaces are between ranges; in USFM form they are between book and chapter."""
    return part.split() if "." in part and not _USFM_VERSE.search(part) else [part]


def _parse(item: str, before: VerseRange | None) -> VerseRange:
    work = _WORK.match(item)
    name = work[1] if work else before.work if before else None
    ends = (item[work.end() :] if work else item).split("-")
    if len(ends) > 2:
        raise InvalidEdit(f"it has {len(ends) - 1} dashes; write Gen.1.1-Gen.1.3, and commas between ranges")
    first = _reference(ends[0], before.last if before else None)
    if len(ends) == 1:
        return VerseRange(first, first, name)
    if (again := _WORK.match(ends[1])) and again[1] != name:
        raise InvalidEdit(f"it ends in another work, {again[1]}")
    return VerseRange(first, _reference(ends[1][again.end() :] if again else ends[1], first), name)


def _reference(part: str, before: VerseReference | None) -> VerseReference:
    """Read a reference; what it leaves out is that of `before`."""
    if whole := _REFERENCE.fullmatch(part):
        book = _BY_ANY_CODE.get(whole[1].casefold())
        if book is None:
            raise InvalidEdit(
                f"there is no book {whole[1]!r}; codes are those of OSIS (Gen, 1Sam, Matt) or USFM (GEN, 1SA, MAT)"
            )
        return VerseReference(book, _number(whole[2]), _number(whole[3]))
    if re.search("[!@]|[0-9][a-z]$", part):
        raise InvalidEdit(f"{part!r} names a part of a verse; leave that out, and let the quote say which words")
    rest = _REST.fullmatch(part)
    if rest is None or before is None or before.chapter is None:
        raise InvalidEdit(f"{part!r} is no place in a book; write Gen.1.1, Gen.1.1-Gen.1.3 or GEN 1:1-3")
    first, second = _number(rest[1]), _number(rest[2])
    if second is not None:
        return VerseReference(before.book, first, second)
    if before.verse is not None:
        return VerseReference(before.book, before.chapter, first)
    return VerseReference(before.book, first)


def _number(digits: str | None) -> int | None:
    if digits is None:
        return None
    if len(digits) > 4:
        raise InvalidEdit(f"{digits[:20]} is no number of a chapter or verse")
    return int(digits)
