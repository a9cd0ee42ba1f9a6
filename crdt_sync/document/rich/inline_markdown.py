"""One block's text as Markdown: what to escape, and how delimiters stand so that they are read as such.

Source: CommonMark 0.31.2, sections 2.4 (backslash escapes), 2.5 (entities) and 6.2 (emphasis).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from crdt_sync.document.rich.links import safe_href
from crdt_sync.document.rich.names import BOLD, CODE, HARD_BREAK, ITALIC, LINK, STRIKE
from crdt_sync.document.rich.values import Element, Mark, Node, Run, Text, joined

__all__ = ["UNSAYABLE", "inline_markdown", "sayable", "tidied"]

_DELIMITERS = {BOLD: "**", ITALIC: "_", STRIKE: "~~"}
_ESCAPED = re.compile(r"[\\`*\[\]]|_|~(?=~)|(?<=~)~|^~|~$|<(?=[A-Za-z/!?])|&(?=[#A-Za-z])|!(?=\[)|!$|[\n\r\t\f]")
_TITLES = re.compile(r"\[\[[^\[\]\n\r\t\f\\`*_<&!~]+\]\](?!\()")
_AT_START = re.compile(r"(#{1,6})(?=\s|$)|([>=])|([-+])(?=\s|$|-)|~(?=~~)|(\d{1,9})([.)])(?=\s|$)")
UNSAYABLE = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]")
"""What no entity may stand for, and is invisible. Where the text is not edited it stays (`lifting.py`)."""
_SPACES = re.compile(r"(\s+)")


@dataclass(frozen=True, slots=True)
class _Piece:
    """A word, code or a row of spaces (`kind`), with its marks."""

    text: str
    marks: tuple[Mark, ...]
    kind: str


def inline_markdown(nodes: Sequence[Node], *, one_line: bool = False) -> str:
    """Return the text in `nodes` as Markdown. With `one_line` a hard break is a space, as a heading can have none."""
    if one_line:
        space = Text((Run(" "),))
        nodes = [space if isinstance(node, Element) and node.name == HARD_BREAK else node for node in nodes]
    lines = list(_split(nodes))
    while len(lines) > 1 and not lines[-1]:
        lines.pop()  # a break at the very end shows nothing, and cannot be said
    return "\\\n".join(_line(line) for line in lines)


def tidied(nodes: Sequence[Node]) -> tuple[Node, ...]:
    """Return text as Markdown can say it: with the marks that it has, and none on spaces at the edges of a marking."""
    found: list[Node] = []
    for line in _split(nodes):
        found += [Text.of(Run(piece.text, piece.marks) for piece in line), Element(HARD_BREAK)]
    return joined(found[:-1])


def _split(nodes: Sequence[Node]) -> Iterator[list[_Piece]]:
    """Yield the pieces of each line."""
    runs: list[Run] = []
    for node in (*nodes, Element(HARD_BREAK)):
        if isinstance(node, Text):
            runs += (Run(UNSAYABLE.sub("", run.text), sayable(run.marks)) for run in node.runs)
        elif node.name != HARD_BREAK:
            runs += (Run(UNSAYABLE.sub("", text)) for text in _words(node))
        else:
            yield _line_of(Text.of(runs))
            runs = []


def _line_of(text: Text) -> list[_Piece]:
    pieces = [
        _Piece(
            part,
            run.marks,
            "code" if run.marks and run.marks[0].name == CODE else "space" if part.isspace() else "word",
        )
        for run in text.runs
        for part in ([run.text] if run.marks and run.marks[0].name == CODE else _SPACES.split(run.text))
        if part
    ]
    for step in (1, -1):  # spaces have the marks that the words on both sides of them have, too
        around: tuple[Mark, ...] = ()
        for at in range(len(pieces))[::step]:
            piece = pieces[at]
            if piece.kind == "space":
                kept = tuple(mark for mark in piece.marks if mark in around)
                pieces[at] = _Piece(piece.text, kept, "space")
            else:
                around = piece.marks
    return pieces


def _words(node: Element) -> Iterator[str]:
    """Yield the text of an element that stands among text and is unknown."""
    for child in node.children:
        if isinstance(child, Text):
            yield child.plain
        else:
            yield from _words(child)


def sayable(marks: tuple[Mark, ...]) -> tuple[Mark, ...]:
    """Return the marks that Markdown has, as `parse_markdown` lets them stand together."""
    found: dict[str, Mark] = {}
    for mark in marks:
        if mark.name == LINK:
            title = mark.get("title")
            if (href := safe_href(mark.get("href"))) is not None:
                title_ = (("title", title),) if isinstance(title, str) and title else ()
                found[LINK] = Mark(LINK, (("href", href), *title_))
        elif mark.name in (BOLD, ITALIC, STRIKE, CODE):
            found[mark.name] = Mark(mark.name)
    if LINK in found:
        found.pop(CODE, None)
    elif CODE in found:
        found = {CODE: found[CODE]}
    return tuple(found.values())


def _line(pieces: Sequence[_Piece]) -> str:
    tokens = list(_tokens(pieces))
    rendered = []
    in_link = False
    for at, (kind, text) in enumerate(tokens):
        if kind != "text":
            in_link = (in_link or text == "[") and text[0] != "]"
            rendered.append(text)
            continue
        closes = at > 0 and tokens[at - 1][0] == "close"
        opens = at + 1 < len(tokens) and tokens[at + 1][0] == "open"
        rendered.append(
            _escaped(
                text,
                first=at == 0,
                last=at + 1 == len(tokens),
                after_close=closes and _needs_edge(tokens, at - 1, -1, text[0]),
                before_open=opens and _needs_edge(tokens, at + 1, 1, text[-1]),
                in_link=in_link,
            )
        )
    return "".join(rendered)


def _tokens(pieces: Sequence[_Piece]) -> Iterator[tuple[str, str]]:
    """Yield `("open", …)`, `("close", …)`, `("text", …)`, `("code", …)`; no delimiter has a space on its inner side."""
    open_: list[Mark] = []
    text: list[str] = []
    for at, piece in enumerate(pieces):
        keep = 0
        while keep < len(open_) and open_[keep] in piece.marks:
            keep += 1
        new = [] if piece.kind == "space" else [mark for mark in piece.marks if mark not in open_[:keep]]
        if (len(open_) > keep or new or piece.kind == "code") and text:
            yield "text", "".join(text)
            text.clear()
        while len(open_) > keep:
            yield "close", _closing(open_.pop())
        if piece.kind == "code":
            yield "code", _code(piece.text)
            continue
        for mark in sorted(new, key=lambda mark: -_extent(mark, pieces, at)):
            open_.append(mark)
            yield "open", "[" if mark.name == LINK else _DELIMITERS[mark.name]
        text.append(piece.text)
    if text:
        yield "text", "".join(text)
    while open_:
        yield "close", _closing(open_.pop())


def _extent(mark: Mark, pieces: Sequence[_Piece], at: int) -> int:
    """Return how many pieces from `at` on have the mark, up to a bound that keeps long lines linear."""
    end = at
    while end < len(pieces) and end - at < 64 and mark in pieces[end].marks:
        end += 1
    return end - at


def _needs_edge(tokens: Sequence[tuple[str, str]], at: int, step: int, edge: str) -> bool:
    """Return whether the character outside of the delimiters at `at` must not be a letter for them to count.

    `step` leads inwards, through all delimiters that stand there together.
    """
    if edge.isspace():
        return False
    delimiters = []
    outwards = "open" if step == 1 else "close"
    inner = at
    while 0 <= inner < len(tokens) and tokens[inner][0] == outwards:
        delimiters.append(tokens[inner][1])
        inner += step
    if all(delimiter[0] in "[]" for delimiter in delimiters):
        return False
    if not 0 <= inner < len(tokens):
        return True
    kind, text = tokens[inner]
    character = text[0 if step == 1 else -1]
    beyond = inner + step
    is_entity = len(text) == 1 and 0 <= beyond < len(tokens) and tokens[beyond][0] == outwards  # it may become one
    is_punctuation = kind != "text" or not character.isalnum() or len(delimiters) > 1 or is_entity
    return "_" in delimiters or is_punctuation


def _closing(mark: Mark) -> str:
    if mark.name != LINK:
        return _DELIMITERS[mark.name]
    href, title = str(mark.get("href")), mark.get("title")
    address = href
    if re.search(r"[\s()<>\\&]", href) or not href:
        address = "<" + re.sub(r"[<>\\&]", lambda found: "&amp;" if found[0] == "&" else "\\" + found[0], href) + ">"
    if not isinstance(title, str):
        return f"]({address})"
    said = re.sub(r'["\\&\s]', lambda found: found[0] if found[0] == " " else f"&#{ord(found[0])};", title)
    return f']({address} "{said}")'


def _code(text: str) -> str:
    text = re.sub(r"[\n\r]", " ", text)
    longest = max((len(found) for found in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1) if longest else "`"
    pad = " " if text[0] == "`" or text[-1] == "`" or (text[0] == text[-1] == " " and text.strip(" ")) else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def _escaped(text: str, *, first: bool, last: bool, after_close: bool, before_open: bool, in_link: bool) -> str:
    """Return text so that it is read as it is. `first` and `last` say that it begins and ends a line."""
    start, end = 0, len(text)
    head = tail = ""
    if after_close or (first and text[0].isspace()):
        head, start = f"&#{ord(text[0])};", 1
    if end > start and (before_open or (last and text[-1].isspace())):
        tail, end = f"&#{ord(text[-1])};", end - 1
    middle = text[start:end]
    if first and not head and (found := _AT_START.match(middle)):
        digits = found[4] or ""
        head, middle = f"{digits}\\{middle[len(digits)]}", middle[len(digits) + 1 :]
    escaped = _escape(middle, in_link)
    if last and not tail and escaped.endswith("#"):
        escaped = escaped[:-1] + "\\#"
    return head + escaped + tail


def _escape(text: str, in_link: bool) -> str:
    if in_link:
        return _ESCAPED.sub(_one, text)
    parts = []
    at = 0
    for title in _TITLES.finditer(text):
        parts += [_ESCAPED.sub(_one, text[at : title.start()]), title[0]]
        at = title.end()
    return "".join((*parts, _ESCAPED.sub(_one, text[at:])))


def _one(found: re.Match[str]) -> str:
    character, text, at = found[0], found.string, found.start()
    if character in "\n\r\t\f":
        return character if character == "\t" else f"&#{ord(character)};"
    if character == "_" and 0 < at < len(text) - 1 and text[at - 1].isalnum() and text[at + 1].isalnum():
        return character
    return "\\" + character
