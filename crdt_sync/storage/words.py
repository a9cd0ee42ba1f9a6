"""Texts as the full-text index holds them, and a person's words as a query of it. Pure.

SQLite's `unicode61` tokenizer takes a run of letters as a word. Scripts that write no spaces between words (Chinese,
Japanese, Thai, Lao, Khmer, Burmese) would make one word of a whole sentence, so their runs are indexed as pairs of
neighbouring characters: 国人民 as 国人, 人民 and 民. A query is cut the same way and asked as a phrase, which finds any
part of a run; FTS5's own trigrams find nothing under three characters, and most Chinese words have two. Between the
pairs stands a character that no text needs, by which `shown` puts a snippet together again.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["ELLIPSIS", "OFF", "ON", "TOKENIZER", "Query", "indexed", "shown", "whole"]

TOKENIZER = "unicode61 remove_diacritics 2 categories 'L* N* Co Mn Mc'"
"""Marks are parts of words: the vowels of Devanagari, Thai and many others are marks."""
ON, OFF = "\x02", "\x03"
"""What stands before and after the words found, in a snippet as SQLite makes it."""
MOST_WORDS = 100
"""So many words of a query count."""
SHORTEST_PREFIX = 3
"""A last word of fewer letters is taken as a whole word: what begins with two letters is a good part of all words."""

_JOINT = "\N{WORD JOINER}"
ELLIPSIS = f"{_JOINT} … {_JOINT}"
_SPACELESS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\ua9e0-\ua9ff\uaa60-\uaa7f\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
_RUN = re.compile(f"[{_SPACELESS}]+")
_WORD = re.compile(r'(-?)"([^"]*)(?:"|$)|(\S+)')
_OURS = re.compile(f"[{_JOINT}{ON}{OFF}]")
_HALVES = re.compile("[\ud800-\udfff\x00]")


def indexed(text: str) -> str:
    """Return a text as the index holds it: runs of scripts without spaces as pairs, all else as it is."""
    return _RUN.sub(_pairs, _OURS.sub("", text))


def shown(snippet: str) -> str:
    """Return a snippet as a person wrote it, with the words found between `[` and `]`."""
    return "".join(_marked(_characters(snippet)))


def whole(text: str) -> str:
    """Return the phrase of FTS5's query language that finds whatever holds a text; empty if it has no words."""
    return _phrase(_HALVES.sub(" ", text), goes_on=False)


@dataclass(frozen=True, slots=True)
class Query:
    """A person's words: those that must be there, those that must not, each as a phrase of FTS5's query language."""

    wanted: tuple[str, ...]
    unwanted: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> Query:
        """Read words, "phrases in quotes" and what shall not be there (-word, -"a phrase"); the last word may go on.

        Any text is a query: nothing of it is taken as FTS5's query language.
        """
        wanted: list[str] = []
        unwanted: list[str] = []
        text = _HALVES.sub(" ", text)
        for number, found in enumerate(_WORD.finditer(text)):
            if number == MOST_WORDS:
                break
            minus, quoted, word = found.groups()
            if word is not None and word.startswith("-"):
                minus, word = "-", word.lstrip("-")
            last = quoted is None and found.end() == len(text) and not minus
            if phrase := _phrase(word if quoted is None else quoted, goes_on=last):
                (unwanted if minus else wanted).append(phrase)
        return cls(tuple(wanted), tuple(unwanted))

    @property
    def match(self) -> str:
        """The query for FTS5; empty if there is nothing to look for."""
        if not self.wanted:
            return ""
        wanted = " AND ".join(self.wanted)
        return f"({wanted}) NOT ({' OR '.join(self.unwanted)})" if self.unwanted else wanted


def _phrase(words: str, *, goes_on: bool) -> str:
    if not any(_counts(character) for character in words):
        return ""
    cut = indexed(words).rstrip(_JOINT)
    goes_on = goes_on and sum(map(_counts, words)) >= SHORTEST_PREFIX
    runs = _RUN.findall(words)
    if runs and words.endswith(runs[-1]):  # in the index the run may go on, and its last character begin a pair
        goes_on = len(_clusters(runs[-1])) == 1
        if not goes_on:
            cut = cut.rpartition(_JOINT)[0]
    return f'"{cut.replace(chr(34), chr(34) * 2)}"' + "*" * goes_on


def _counts(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in "LN" or category in ("Co", "Mn", "Mc")


def _pairs(run: re.Match[str]) -> str:
    clusters = _clusters(run[0])
    pairs = [*map("".join, pairwise(clusters)), clusters[-1]]
    return f"{_JOINT}{_JOINT.join(pairs)}{_JOINT}"


def _clusters(run: str) -> list[str]:
    """Return the characters of a run, each with the marks that follow it."""
    clusters: list[str] = []
    for character in run:
        if clusters and unicodedata.category(character)[0] == "M":
            clusters[-1] += character
        else:
            clusters.append(character)
    return clusters


def _characters(snippet: str) -> Iterator[tuple[str, bool]]:
    """Yield characters and whether they were found. The second of a pair is the first of the next."""
    on = False
    second: tuple[str, bool] | None = None
    for piece in snippet.split(_JOINT):
        characters: list[tuple[str, bool]] = []
        for character in piece:
            if character in (ON, OFF):
                on = character == ON
            else:
                characters.append((character, on))
        text = "".join(character for character, _ in characters)
        clusters = _clusters(text) if _RUN.fullmatch(text) else []
        if not clusters:
            if second and text:
                yield second
                second = None
            yield from characters
            continue
        found = any(each for _, each in characters)
        if second and second[0] == clusters[0]:
            yield clusters[0], found or second[1]
        else:
            if second:
                yield second
            yield clusters[0], found
        second = (clusters[1], found) if len(clusters) > 1 else None
    if second:
        yield second


def _marked(characters: Iterable[tuple[str, bool]]) -> Iterator[str]:
    on = False
    for character, found in characters:
        if found != on:
            yield "[" if found else "]"
            on = found
        yield character
    if on:
        yield "]"
