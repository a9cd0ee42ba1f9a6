"""Markdown as we write it: a file's text between our blocks is a person's, and a block is ours and says its id.

    <!-- crdt-sync ID HASH {"color": "green", …} -->
    > The quote ^ID
    tags:: #one, "two words"

    The comment, as many lines as it has.
    <!-- /crdt-sync -->

HASH is of what stands between the two lines, so that a person's change inside is seen. What Markdown has no place for
is JSON in the first line. One line of the file says which work it is of, and which blocks were ever written into it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from crdt_sync.document.anchors import Anchor
from crdt_sync.document.values import Highlight, Note
from crdt_sync.errors import UnreadableFile
from crdt_sync.interchange.bounds import parsed_json
from crdt_sync.interchange.identity import is_item_id

__all__ = [
    "Block",
    "Part",
    "anchor_of",
    "block_of",
    "file_line",
    "hash_of",
    "join",
    "parse",
    "read_file_line",
    "words_of",
]

_BEGIN = re.compile(r"<!-- crdt-sync (\S{1,600}) ([0-9a-f]{16}) (\{.*\}) -->(\r?)")
_END = re.compile(r"<!-- /crdt-sync -->\r?")
_ESCAPED = re.compile(r"\\+<!-- /?crdt-sync")
_NEEDS_ESCAPE = re.compile(r"\\*<!-- /?crdt-sync")
_FILE = re.compile(r"<!-- crdt-sync-file (\{.*\}) -->\r?")
_TAG = re.compile(r"[^\W\d_][\w/-]*")
_TAGS = "tags:: "
_LISTED = re.compile(r'#([^\W\d_][\w/-]*)|("(?:[^"\\]|\\.)*")')


@dataclass(frozen=True, slots=True)
class Block:
    """One managed block: the item's id, the hash that its first line tells, what that line knows, and its own lines."""

    id: str
    hash: str
    facts: Mapping[str, Any]
    inner: tuple[str, ...]
    line: int = 0
    ending: str = ""
    head: str = ""
    """Its first line as it stands in a file, which somebody may have written in another way than we would."""

    @property
    def is_edited(self) -> bool:
        """Whether somebody has changed what we wrote."""
        return hash_of(self.inner) != self.hash

    @property
    def lines(self) -> list[str]:
        """The block's lines, as they stand in a file."""
        head = self.head or f"<!-- crdt-sync {_quoted(self.id)} {self.hash} {_facts(self.facts)} -->{self.ending}"
        return [head, *(f"{line}{self.ending}" for line in (*self.inner, "<!-- /crdt-sync -->"))]


Part = str | Block
"""A line of a person's, without its line feed, or a block."""


def hash_of(inner: tuple[str, ...]) -> str:
    """Return the hash of a block's lines."""
    return hashlib.sha256("\n".join(inner).encode(errors="surrogatepass")).hexdigest()[:16]


def parse(text: str) -> list[Part]:
    """Cut a file into a person's lines and our blocks; `join` puts it together again to the letter.

    What begins like a block and is none, for it has no end or its first line was broken, is a person's.
    """
    lines = text.split("\n")
    parts: list[Part] = []
    start, at = None, 0  # where a block began that has no end yet
    for number, line in enumerate(lines):
        if _BEGIN.fullmatch(line):
            start = number
        elif start is not None and _END.fullmatch(line):
            if (block := _block(lines, start, number)) is not None:
                parts += [*lines[at:start], block]
                at = number + 1
            start = None
    return [*parts, *lines[at:]]


def join(parts: list[Part]) -> str:
    """Return the text of parts."""
    return "\n".join(line for part in parts for line in ([part] if isinstance(part, str) else part.lines))


def _block(lines: list[str], at: int, end: int) -> Block | None:
    match = _BEGIN.fullmatch(lines[at])
    if match is None:
        return None
    name, digest, facts, ending = match.groups()
    inner = lines[at + 1 : end]
    if ending:
        inner = [line.removesuffix("\r") for line in inner]
    try:
        value, item_id = parsed_json(facts, "a block"), _unquoted(name)
    except (UnreadableFile, ValueError):
        return None
    block = Block(item_id, digest, value, tuple(inner), at + 1, ending, lines[at])
    return block if is_item_id(item_id) and block.lines == lines[at : end + 1] else None


def block_of(item: Highlight | Note, work: Mapping[str, Any]) -> Block:
    """Return the block of an item, in a file of a work."""
    facts: dict[str, Any] = {"created": item.created_at_ms, "updated": item.updated_at_ms}
    if item.created_by:
        facts["by"] = item.created_by
    if isinstance(item, Note):
        facts["note"] = {"title": item.title} | ({"of": item.highlight_id} if item.highlight_id is not None else {})
        lines = [f"> **{item.title}** ^{_anchor_name(item.id)}".replace("\n", " ")]
        text = item.text
    else:
        facts |= {"color": item.color, "style": item.style}
        facts |= {} if item.kind == "highlight" else {"kind": item.kind}
        anchor = item.anchor.to_json()
        if anchor.get("work", {}) == work:
            anchor.pop("work", None)
        quote = item.anchor.quote
        if quote is not None:
            anchor["quote"] = {"prefix": quote.prefix, "suffix": quote.suffix}
            lines = [f"> {line}" for line in quote.exact.split("\n")]
        else:
            lines = [f"> *{item.anchor.heading or item.anchor.source or item.kind}*".replace("\n", " ")]
        lines[-1] += f" ^{_anchor_name(item.id)}"
        facts["anchor"] = anchor
        text = item.comment
    if item.tags or text.startswith(_TAGS):
        lines.append(_TAGS + ", ".join(f"#{tag}" if _TAG.fullmatch(tag) else _json(tag) for tag in item.tags))
    if text:
        lines += ["", *(("\\" + line if _NEEDS_ESCAPE.match(line) else line) for line in text.split("\n"))]
    return Block(item.id, hash_of(tuple(lines)), facts, tuple(lines))


def words_of(block: Block) -> tuple[str, tuple[str, ...], str]:
    """Return the quote, the tags and the text that a block shows now."""
    lines = list(block.inner)
    quote: list[str] = []
    while lines and lines[0].startswith(">"):
        quote.append(lines.pop(0).removeprefix(">").removeprefix(" "))
    if quote:
        quote[-1] = quote[-1].removesuffix(f" ^{_anchor_name(block.id)}")
    tags: tuple[str, ...] = ()
    if lines and lines[0].startswith(_TAGS):
        tags = tuple(dict.fromkeys(_tags(lines.pop(0).removeprefix(_TAGS))))
    if lines and not lines[0].strip():
        lines.pop(0)
    text = "\n".join(line[1:] if _ESCAPED.match(line) else line for line in lines)
    return "\n".join(quote), tags, text


def file_line(work: Mapping[str, Any], known: set[str]) -> str:
    """Return the line that says which work a file is of and which blocks were ever written into it (`known`)."""
    value = {"version": 1, "work": dict(work), "known": sorted(known)}
    return f"<!-- crdt-sync-file {_facts(value)} -->"


def read_file_line(parts: list[Part]) -> tuple[int, Mapping[str, Any], set[str]] | None:
    """Return where that line is, the work and the blocks once written, or None if the file is not one of ours."""
    for at, part in enumerate(parts):
        if isinstance(part, str) and (match := _FILE.fullmatch(part)) is not None:
            try:
                value = parsed_json(match[1], "the file's line")
            except UnreadableFile:
                continue
            work, known = value.get("work"), value.get("known")
            if isinstance(work, Mapping) and isinstance(known, list):
                return at, work, {each for each in known if isinstance(each, str)}
    return None


def anchor_of(block: Block, quote: str, work: Mapping[str, Any]) -> Anchor:
    """Return the anchor of a highlight's block, with the quote that it shows."""
    value = dict(block.facts["anchor"]) if isinstance(block.facts.get("anchor"), Mapping) else {}
    value.setdefault("work", dict(work))
    if not value["work"]:
        del value["work"]
    if isinstance(value.get("quote"), Mapping):
        value["quote"] = {"exact": quote, **value["quote"]}
    return Anchor.from_json(value)


def _tags(text: str) -> Iterator[str]:
    for match in _LISTED.finditer(text):
        tag, quoted = match.groups()
        if quoted is not None:
            try:
                tag = json.loads(quoted)
            except ValueError:
                continue
        if tag:
            yield tag


def _anchor_name(item_id: str) -> str:
    """Obsidian takes letters, digits and hyphens in the name of a block."""
    if re.fullmatch(r"[0-9A-Za-z-]{1,64}", item_id):
        return item_id
    return hashlib.sha256(item_id.encode()).hexdigest()[:16]


def _facts(value: Mapping[str, Any]) -> str:
    """Return JSON that may stand in a comment of HTML."""
    return json.dumps(value, ensure_ascii=False).replace(">", "\\u003e").replace("--", "-\\u002d")


def _json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _quoted(item_id: str) -> str:
    """An id may hold any character but a slash."""
    if re.fullmatch(r"[\w.~:+-]{1,200}", item_id, re.ASCII) and "--" not in item_id:
        return item_id
    return "=" + item_id.encode().hex()


def _unquoted(name: str) -> str:
    return bytes.fromhex(name[1:]).decode() if name.startswith("=") else name
