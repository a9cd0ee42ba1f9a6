"""What a request may bring, said once: the check and its JSON Schema come from the same value.

A field that is not listed is an error, so nothing is dropped in silence, and a slip in a name is told.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, Protocol

from crdt_sync_server.api.problems import Problem

__all__ = ["MAX_JSON_BYTES", "Choice", "Fields", "Shape", "Text", "Whole", "read_json"]

MAX_JSON_BYTES = 64 * 1024


class Shape(Protocol):
    """What a value may be."""

    def schema(self) -> dict[str, Any]:
        """Return its JSON Schema."""

    def check(self, where: str, value: Any) -> None:
        """Return if `value` is one. Raises `Problem` (400) that names the place `where`."""


@dataclass(frozen=True, slots=True)
class Text:
    """A string, of so many characters."""

    most: int
    least: int = 1
    words: str = ""

    def schema(self) -> dict[str, Any]:
        """Return its JSON Schema."""
        described = {"description": self.words} if self.words else {}
        return {"type": "string", "minLength": self.least, "maxLength": self.most, **described}

    def check(self, where: str, value: Any) -> None:
        """Return if `value` is one. Raises `Problem`."""
        if not isinstance(value, str) or not self.least <= len(value) <= self.most:
            raise _wrong(where, f"a string of {self.least} to {self.most} characters")
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise _wrong(where, "Unicode, without halves of characters")


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number within bounds, or null where that is said."""

    least: int
    most: int
    may_be_null: bool = False
    words: str = ""

    def schema(self) -> dict[str, Any]:
        """Return its JSON Schema."""
        kind: Any = ["integer", "null"] if self.may_be_null else "integer"
        described = {"description": self.words} if self.words else {}
        return {"type": kind, "minimum": self.least, "maximum": self.most, **described}

    def check(self, where: str, value: Any) -> None:
        """Return if `value` is one. Raises `Problem`."""
        if value is None and self.may_be_null:
            return
        if isinstance(value, bool) or not isinstance(value, int) or not self.least <= value <= self.most:
            raise _wrong(where, f"a whole number from {self.least} to {self.most}" + self.may_be_null * ", or null")


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    of: tuple[str, ...]

    def schema(self) -> dict[str, Any]:
        """Return its JSON Schema."""
        return {"type": "string", "enum": list(self.of)}

    def check(self, where: str, value: Any) -> None:
        """Return if `value` is one. Raises `Problem`."""
        if value not in self.of:
            raise _wrong(where, f"one of {', '.join(self.of)}")


@dataclass(frozen=True, slots=True)
class Fields:
    """An object: all of `required`, any of `optional`, and nothing else."""

    required: Mapping[str, Shape]
    optional: Mapping[str, Shape] = field(default_factory=dict)

    def schema(self) -> dict[str, Any]:
        """Return its JSON Schema."""
        every = {**self.required, **self.optional}
        return {
            "type": "object",
            "properties": {name: shape.schema() for name, shape in every.items()},
            "required": list(self.required),
            "additionalProperties": False,
        }

    def check(self, where: str, value: Any) -> None:
        """Return if `value` is one. Raises `Problem`."""
        every = {**self.required, **self.optional}
        if not isinstance(value, dict):
            raise _wrong(where, f"an object with {', '.join(every)}")
        for name in value:
            if name not in every:
                raise Problem(400, "body", f"{where} has no {name[:100]!r}; it has {', '.join(every)}")
        for name, shape in every.items():
            if name in value:
                shape.check(f"{where}.{name}" if where != "the body" else name, value[name])
            elif name in self.required:
                raise Problem(400, "body", f"{where} lacks {name!r}")


def read_json(data: bytes, shape: Shape) -> Any:
    """Return the JSON value of a body, if it is one of `shape`. Raises `Problem` (400)."""
    try:
        value = json.loads(data.decode(), parse_constant=_no_number, parse_float=_number, object_pairs_hook=_once)
    except ValueError as error:
        raise Problem(400, "body", f"the body is no JSON: {str(error)[:200]}") from None
    except RecursionError:
        raise Problem(400, "body", "the body nests too deep") from None
    shape.check("the body", value)
    return value


def _number(text: str) -> float | int:
    """Return a number with a fraction or an exponent; JSON Schema takes 1.0 for a whole one."""
    value = float(text)
    return int(value) if value.is_integer() else value


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _wrong(where: str, wanted: str) -> Problem:
    return Problem(400, "body", f"{where} must be {wanted}")
