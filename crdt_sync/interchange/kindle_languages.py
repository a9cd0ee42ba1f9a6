"""How a Kindle writes the second line of a clipping, in each language that we know.

    - Your Highlight on page 12 | location 180-182 | Added on Sunday, 9 August 2026 14:03:07
    - 您在第 7 页（位置 #114-116）的标注 | 添加于 2024年4月1日星期一 下午2:30:45

Wordings differ between firmwares (`Location`, `Loc.`, `bei Position`, `ou posição`), so a language is known by the word
for what it is and, where there is a date, by the word before it; the rest is found by its own words. A line that no
language knows is not guessed at.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Literal, TypeAlias

from crdt_sync.interchange.times import ms_from_date

__all__ = ["LANGUAGES", "Header", "Kind", "Language", "parse_header"]

Kind: TypeAlias = Literal["highlight", "note", "bookmark"]


@dataclass(frozen=True, slots=True)
class Header:
    """What the line says. Locations are Kindle's, of about 150 bytes each; the end is the start where it names one."""

    kind: Kind
    page: str | None
    location: tuple[int, int] | None
    added_at_ms: int | None
    language: str


@dataclass(frozen=True, slots=True)
class Language:
    """The words of one language, as regular expressions that are matched without regard to case."""

    code: str
    highlight: str
    note: str
    bookmark: str
    page: str
    location: str
    added: str
    months: tuple[str, ...] = ()
    """From January on, lower case; empty where dates are written in digits."""
    afternoon: str = r"p\.?\s?m\.?"
    morning: str = r"a\.?\s?m\.?"


LANGUAGES = (
    Language(
        "en", r"(?:your )?(?:highlight|clipping|clip this article|cut)\b", r"(?:your )?note\b", r"(?:your )?bookmark\b",
        r"\bpages?", r"\bloc(?:ation|\.)?", r"added on",
        ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
         "december"),
    ),
    Language(
        "de", r"(?:(?:ihre|deine|meine) )?markierung\b", r"(?:(?:ihre|deine|meine) )?notiz\b",
        r"(?:(?:ihr|dein|mein) )?lesezeichen\b", r"\bseiten?", r"\bpos(?:ition|\.)?", r"hinzugefügt am",
        ("januar", "februar", "märz", "april", "mai", "juni", "juli", "august", "september", "oktober", "november",
         "dezember"),
    ),
    Language(
        "fr", r"(?:(?:votre|mon|ton) )?(?:surlignement|surlignage)\b", r"(?:votre|ma|ta) note\b",
        r"(?:(?:votre|mon|ton) )?signet\b", r"\bpages?", r"empl(?:acement|\.)?", r"ajoutée? le",
        ("janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre",
         "décembre"),
    ),
    Language(
        "es", r"(?:(?:tu|mi|la|su|el) )?subrayado\b", r"(?:tu|tus|mi|mis|su) notas?\b", r"(?:tu|mi|su|el) marcador\b",
        r"\bpáginas?", r"\b(?:posición|pos\.|ubicación)", r"(?:añadido|agregado) el",
        ("enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre", "noviembre",
         "diciembre"),
    ),
    Language(
        "it", r"(?:la )?(?:tua|mia) evidenziazione\b", r"(?:la tua|la mia|le tue|le mie) not[ae]\b",
        r"(?:il )?(?:tuo|mio) segnalibro\b", r"\bpagin[ae]", r"\bpos(?:izione|\.)", r"aggiunt[oa] (?:in data|il)",
        ("gennaio", "febbraio", "marzo", "aprile", "maggio", "giugno", "luglio", "agosto", "settembre", "ottobre",
         "novembre", "dicembre"),
    ),
    Language(
        "pt", r"(?:o )?(?:(?:seu|meu) )?destaque\b", r"(?:a )?(?:sua|minha) nota\b", r"(?:o )?(?:seu|meu) marcador\b",
        r"\bpáginas?", r"\b(?:posição|pos\.|localização)", r"adicionad[oa](?: em|:)",
        ("janeiro", "fevereiro", "março", "abril", "maio", "junho", "julho", "agosto", "setembro", "outubro",
         "novembro", "dezembro"),
    ),
    Language(
        "ja", r".*のハイライト$", r".*のメモ$", r".*の(?:ブックマーク|しおり)$",
        r"", r"位置(?:no\.)?", r"(?:作成日|追加日)[:：]", afternoon="午後", morning="午前",
    ),
    Language(
        "zh", r"(?:您|我)?(?:在|的).*标注$", r"(?:您|我)?(?:在|的).*笔记$", r"(?:您|我)?(?:在|的).*书签$",
        r"第", r"位置", r"添加于", afternoon="下午", morning="上午",
    ),
)  # fmt: skip
"""In the order in which they are asked. No line is of two of them."""

MAX_HEADER_CHARACTERS = 1000
_NUMBERS = r"\s*#?\s*([0-9]{1,9}|[ivxlcdm]{1,12})(?:\s*[-–]\s*([0-9]{1,9}|[ivxlcdm]{1,12}))?"
_CLOCK = re.compile(r"([0-9]{1,2})[:.]([0-9]{2})(?:[:.]([0-9]{2}))?")
_CHINESE_DATE = re.compile(r"([0-9]{4})年([0-9]{1,2})月([0-9]{1,2})日")
_WORD = re.compile(r"[^\W\d_]+|[0-9]+")


@dataclass(frozen=True, slots=True)
class _Compiled:
    language: Language
    kinds: tuple[tuple[Kind, re.Pattern[str]], ...]
    page: re.Pattern[str]
    location: re.Pattern[str]
    added: re.Pattern[str]
    half_of_day: re.Pattern[str]


def _compiled(language: Language) -> _Compiled:
    def pattern(text: str) -> re.Pattern[str]:
        return re.compile(text, re.IGNORECASE)

    kinds: tuple[tuple[Kind, str], ...]
    kinds = (("highlight", language.highlight), ("note", language.note), ("bookmark", language.bookmark))
    page = rf"(?:{language.page}){_NUMBERS}" if language.page else r"([0-9]{1,9})(?:-([0-9]{1,9}))?\s*ページ"
    return _Compiled(
        language,
        tuple((kind, pattern(words)) for kind, words in kinds),
        pattern(page),
        pattern(rf"(?:{language.location}){_NUMBERS}"),
        pattern(language.added),
        pattern(rf"({language.afternoon})|({language.morning})"),
    )


_COMPILED = tuple(_compiled(language) for language in LANGUAGES)


def parse_header(line: str) -> Header | None:
    """Return what the second line of a clipping says, or None if no language knows it."""
    if not line.startswith(("-", "–")) or len(line) > MAX_HEADER_CHARACTERS:
        return None
    segments = [part.strip() for part in line[1:].replace("｜", "|").split("|")]
    for each in _COMPILED:
        dated = each.added.match(segments[-1]) if len(segments) > 1 else None
        if dated is None and len(segments) > 1 and segments[-1] and not each.location.search(segments[-1]):
            continue
        told = segments[:-1] if dated is not None else segments
        whole = " | ".join(part for part in told if part)
        kind = next((kind for kind, words in each.kinds if words.match(whole)), None)
        if kind is not None:
            page = each.page.search(whole)
            added = None if dated is None else _moment(segments[-1][dated.end() :], each)
            return Header(kind, _range(page), _location(each.location.search(whole)), added, each.language.code)
    return None


def _range(match: re.Match[str] | None) -> str | None:
    if match is None:
        return None
    return match[1] if match[2] is None or match[2] == match[1] else f"{match[1]}-{match[2]}"


def _location(match: re.Match[str] | None) -> tuple[int, int] | None:
    """Return a range of locations. Old Kindles shorten its end: 433-34 is 433-434."""
    if match is None or not match[1].isdigit() or not (match[2] or "0").isdigit():
        return None
    first, last = match[1], match[2] or match[1]
    if len(last) < len(first):
        last = first[: len(first) - len(last)] + last
    return (int(first), int(last)) if int(first) <= int(last) else (int(last), int(first))


def _moment(text: str, each: _Compiled) -> int | None:
    """Return the time that a date in words and digits tells, None if it cannot be read."""
    clock = next(_CLOCK.finditer(text), None)
    hour, minute, second = (int(part or 0) for part in clock.groups()) if clock is not None else (0, 0, 0)
    if clock is not None:
        half = each.half_of_day.search(text, clock.end()) if each.language.months else each.half_of_day.search(text)
        if half is not None and hour <= 12:
            hour = hour % 12 + (12 if half[1] else 0)
    # Many clippings are of one day: what stands around the clock is read once.
    date = text if clock is None else text[: clock.start()] + " " + text[clock.end() :]
    found = _day(date, each.language.months)
    if found is None:
        return None
    try:
        return ms_from_date(datetime(*found, hour, minute, second))
    except ValueError:
        return None


@lru_cache(maxsize=1024)
def _day(text: str, months: tuple[str, ...]) -> tuple[int, int, int] | None:
    if not months:
        match = _CHINESE_DATE.search(text)
        return None if match is None else (int(match[1]), int(match[2]), int(match[3]))
    words = [word.lower() for word in _WORD.findall(text)]
    month = next((months.index(word) + 1 for word in words if word in months), None)
    year = next((int(word) for word in words if word.isdigit() and len(word) == 4), None)
    day = next((int(word) for word in words if word.isdigit() and len(word) <= 2), None)
    return (year, month, day) if year is not None and month is not None and day is not None else None
