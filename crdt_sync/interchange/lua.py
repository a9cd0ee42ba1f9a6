"""Lua tables as data (Lua 5.1 reference manual, 2.1 and 2.5.7; LuaJIT's escapes): read without running any of it.

A file is `return { … }`. A table becomes a dict whose keys are strings and numbers, as they stand
there; a string becomes text, and what is not UTF-8 in it lone surrogates (`surrogateescape`). Calls, operators
and variables are errors, but for `nan` and `inf`, which Lua's own `tostring` writes for numbers that are none: Lua
reads them back as variables that are not there, and so they are None here.
"""

from __future__ import annotations

import math
import re
from typing import Any, NoReturn, TypeAlias

from crdt_sync.errors import UnreadableFile
from crdt_sync.interchange.bounds import MAX_NESTING, MAX_NUMBER

__all__ = ["Key", "array", "dumps", "from_json", "loads", "to_json"]

Key: TypeAlias = "str | int | float"

MAX_VALUES = 2_000_000
"""Of a file: an empty table takes two bytes there, and thirty times as many in memory."""

_SPACE = re.compile(r"[ \t\r\n\f\v]*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_NUMBER = re.compile(
    r"-?\s*(?:0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)(?:[pP][+-]?[0-9]+)?"
    r"|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)(?![A-Za-z0-9_.])"
)
_LONG = re.compile(r"\[(=*)\[\r?\n?")
_PLAIN = {'"': re.compile(r'[^"\\\r\n]*+'), "'": re.compile(r"[^'\\\r\n]*+")}
_ESCAPE = re.compile(
    r"\\(?:(?P<letter>[abfnrtv\\\"'])|(?P<byte>[0-9]{1,3})|x(?P<hex>[0-9a-fA-F]{2})"
    r"|u\{(?P<code>[0-9a-fA-F]{1,8})\}|(?P<line>\r\n|\n\r|\r|\n)|(?P<gap>z[ \t\r\n\f\v]*))"
)
_LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_CONSTANTS = {"true": True, "false": False, "nil": None, "nan": None, "inf": None}


def loads(data: bytes, where: object) -> Any:
    """Return the value that a file returns. Raises `UnreadableFile`, with the line."""
    return _Parser(data.removeprefix(b"\xef\xbb\xbf"), where).whole()


class _Parser:
    def __init__(self, data: bytes, where: object) -> None:
        self._text = data.decode("latin-1")  # a character for each byte, which is what Lua's strings are made of
        self._where = where
        self._at = 0
        self._values = 0

    def whole(self) -> Any:
        self._skip()
        if (word := _NAME.match(self._text, self._at)) is not None and word[0] == "return":
            self._at = word.end()
        value = self._value(0)
        self._skip()
        if self._peek() == ";":
            self._at += 1
            self._skip()
        if self._at < len(self._text):
            self._fail("there is more after the table")
        return value

    def _value(self, depth: int) -> Any:
        self._skip()
        self._values += 1
        if self._values > MAX_VALUES:
            self._fail(f"it holds more than {MAX_VALUES:,} values")
        first = self._peek()
        if first == "{":
            return self._table(depth + 1)
        if first in ("'", '"') and first:
            return self._decoded(self._quoted(first))
        if first == "[" and (opening := _LONG.match(self._text, self._at)) is not None:
            return self._decoded(self._long(opening))
        if (number := _NUMBER.match(self._text, self._at)) is not None:
            self._at = number.end()
            return self._number(number[0])
        sign = 1 if first == "-" else 0  # -nan, -inf
        if (name := _NAME.match(self._text, self._at + sign)) is not None and name[0] in _CONSTANTS:
            if sign and name[0] not in ("nan", "inf"):
                self._fail("a minus stands before what is no number")
            self._at = name.end()
            return _CONSTANTS[name[0]]
        return self._fail("here should be a string, a number, a table, true, false or nil")

    def _table(self, depth: int) -> dict[Key, Any]:
        if depth > MAX_NESTING:
            self._fail(f"tables are nested more than {MAX_NESTING} deep")
        self._at += 1
        table: dict[Key, Any] = {}
        listed: list[Any] = []
        while True:
            self._skip()
            if self._peek() == "}":
                self._at += 1
                # what has no key wins over a key that is its place, wherever that stands
                return table | {place: each for place, each in enumerate(listed, 1) if each is not None}
            key, named = self._key(depth)
            value = self._value(depth)
            if not named:
                listed.append(value)
            elif value is None:
                table.pop(key, None)
            else:
                table[key] = value
            self._skip()
            if self._peek() in (",", ";") and self._peek():
                self._at += 1
            elif self._peek() != "}":
                self._fail("here should be a comma or the end of the table")

    def _key(self, depth: int) -> tuple[Key, bool]:
        """Return a key and True where one stands, with its `=`."""
        if self._peek() == "[" and _LONG.match(self._text, self._at) is None:
            self._at += 1
            key = self._value(depth)
            self._expect("]")
            self._expect("=")
            if isinstance(key, float) and key.is_integer():
                key = int(key)
            if not isinstance(key, str | int | float) or isinstance(key, bool):
                self._fail("a key is a string or a number")
            return key, True
        name = _NAME.match(self._text, self._at)
        if name is not None and "." not in name[0]:
            after = _SPACE.match(self._text, name.end())
            end = name.end() if after is None else after.end()
            if self._text.startswith("=", end) and not self._text.startswith("==", end):
                self._at = end + 1
                return name[0], True
        return "", False

    def _quoted(self, quote: str) -> str:
        self._at += 1
        parts: list[str] = []
        plain = _PLAIN[quote]
        while True:
            match = plain.match(self._text, self._at)
            assert match is not None
            parts.append(match[0])
            self._at = match.end()
            if self._peek() == quote:
                self._at += 1
                return "".join(parts)
            escape = _ESCAPE.match(self._text, self._at)
            if escape is None:
                self._fail("a string does not end, or holds an escape that Lua does not know")
            parts.append(self._escaped(escape))
            self._at = escape.end()

    def _escaped(self, escape: re.Match[str]) -> str:
        match escape.lastgroup:
            case "letter":
                return _LETTERS.get(escape["letter"], escape["letter"])
            case "line":
                return "\n"
            case "gap":
                return ""
            case "code":
                code = int(escape["code"], 16)
                if code > 0x10FFFF:
                    self._fail("a character has a number beyond Unicode")
                return chr(code).encode("utf-8", "surrogatepass").decode("latin-1")
        byte = int(escape["byte"]) if escape.lastgroup == "byte" else int(escape["hex"], 16)
        if byte > 255:
            self._fail("a byte in a string is above 255")
        return chr(byte)

    def _long(self, opening: re.Match[str]) -> str:
        closing = f"]{opening[1]}]"
        end = self._text.find(closing, opening.end())
        if end < 0:
            self._fail("a string in long brackets does not end")
        self._at = end + len(closing)
        return self._text[opening.end() : end].replace("\r\n", "\n")

    def _decoded(self, text: str) -> str:
        return text if text.isascii() else text.encode("latin-1").decode("utf-8", "surrogateescape")

    def _number(self, text: str) -> int | float:
        plain = "".join(text.split()).lower()
        if len(plain) > 400:
            self._fail("a number has more than 400 digits")
        try:
            if "x" in plain:
                number = float.fromhex(plain)
            elif "." in plain or "e" in plain:
                number = float(plain)
            else:
                whole = int(plain)
                return whole if abs(whole) <= MAX_NUMBER else self._finite(float(whole))
        except OverflowError:
            self._fail("a number is too large")
        number = self._finite(number)
        return int(number) if number.is_integer() and abs(number) <= MAX_NUMBER else number

    def _finite(self, number: float) -> float:
        return number if math.isfinite(number) else self._fail("a number is too large")

    def _skip(self) -> None:
        """Go past white space and comments."""
        while True:
            space = _SPACE.match(self._text, self._at)
            self._at = self._at if space is None else space.end()
            if not self._text.startswith("--", self._at):
                return
            self._at += 2
            if (opening := _LONG.match(self._text, self._at)) is not None:
                self._long(opening)
            else:
                end = self._text.find("\n", self._at)
                self._at = len(self._text) if end < 0 else end

    def _expect(self, character: str) -> None:
        self._skip()
        if self._peek() != character:
            self._fail(f"here should be {character}")
        self._at += 1

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _fail(self, what: str) -> NoReturn:
        line = self._text.count("\n", 0, self._at) + 1
        raise UnreadableFile(f"{self._where} is no table of Lua: line {line}: {what}")


def array(value: Any) -> list[Any]:
    """Return what stands in a table at whole numbers or at strings of digits, in their order; [] for anything else."""
    if not isinstance(value, dict):
        return []
    places = [(int(key), each) for key, each in value.items() if _is_place(key)]
    return [each for _, each in sorted(places, key=lambda pair: pair[0])]


def _is_place(key: Key) -> bool:
    if isinstance(key, str):
        return key.isascii() and key.isdigit() and len(key) < 10
    return isinstance(key, int) and not isinstance(key, bool)


def to_json(value: Any) -> Any:
    """Return a value as JSON has it: a table is a list, an object, or `{"lua": [[key, value], …]}` if it is neither."""
    if not isinstance(value, dict):
        return value
    if value and list(value) == list(range(1, len(value) + 1)):
        return [to_json(each) for each in value.values()]
    if all(isinstance(key, str) for key in value) and set(value) != {"lua"}:
        return {str(key): to_json(each) for key, each in value.items()}
    return {"lua": [[key, to_json(each)] for key, each in value.items()]}


def from_json(value: Any) -> Any:
    """Return the table that `to_json` was given."""
    if isinstance(value, list):
        return {place: from_json(each) for place, each in enumerate(value, 1)}
    if not isinstance(value, dict):
        return value
    if set(value) == {"lua"} and isinstance(value["lua"], list):
        return {key: from_json(each) for key, each in value["lua"]}
    return {key: from_json(each) for key, each in value.items()}


def dumps(value: Any) -> str:
    """Return a file that returns this value. Lists are tables from 1 on; what is None is left out."""
    return f"return {_dumped(value, 0)}\n"


def _dumped(value: Any, depth: int) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return repr(value)
        case str():
            return _quoted(value)
        case list() | tuple():
            pairs = list(enumerate(value, 1))
        case dict():
            pairs = sorted(value.items(), key=lambda pair: (isinstance(pair[0], str), pair[0]))
        case _:
            raise TypeError(f"Lua has no {type(value).__name__}")
    if depth >= MAX_NESTING:
        raise ValueError(f"tables are nested more than {MAX_NESTING} deep")
    inner, outer = "    " * (depth + 1), "    " * depth
    lines = [
        f"{inner}[{_dumped(key, depth)}] = {_dumped(each, depth + 1)},\n" for key, each in pairs if each is not None
    ]
    return "{\n" + "".join(lines) + outer + "}" if lines else "{}"


_NEEDS_ESCAPE = re.compile(r'[\x00-\x1f\x7f"\\]')


def _quoted(text: str) -> str:
    return '"' + _NEEDS_ESCAPE.sub(lambda match: _escape(match[0]), text) + '"'


def _escape(character: str) -> str:
    return {'"': '\\"', "\\": "\\\\", "\n": "\\n"}.get(character) or f"\\{ord(character):03d}"
