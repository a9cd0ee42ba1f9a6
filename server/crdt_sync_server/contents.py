"""A document as JSON, for who looks into a room: its roots, whatever program made them.

An update does not say what type a root is. A root with keys is shown as an object, one of characters as its text, one
of XML as its markup, any other as an array. A document comes from strangers: what JSON does not have becomes a string,
and so does what nests deeper than anyone means it to.
"""

from __future__ import annotations

import base64
import math
from typing import Any

from pycrdt import Array, Doc, Map, Text, XmlElement, XmlFragment, XmlText

__all__ = ["contents"]

MAX_DEPTH = 100
TOO_DEEP = f"(nests deeper than {MAX_DEPTH})"


def contents(update: bytes) -> dict[str, Any]:
    """Return root name → value, as JSON, of a document that is given as one update. Empty roots are left out."""
    doc: Doc[Any] = Doc()
    doc.apply_update(update)
    found = {name: _root(doc, name) for name in sorted(doc.keys())}
    return {name: value for name, value in found.items() if value not in ({}, [], "")}


def _root(doc: Doc[Any], name: str) -> Any:
    fields = doc.get(name, type=Map)
    if len(fields):
        return {key: _plain(fields[key]) for key in sorted(fields)}
    text = str(doc.get(name, type=Text))
    markup = str(doc.get(name, type=XmlFragment))
    if text and text == markup:
        return text
    items = list(doc.get(name, type=Array))  # `to_py` calls itself at each depth
    if any(isinstance(item, XmlElement | XmlFragment | XmlText) for item in items):
        return markup
    return text or [_plain(item) for item in items]


def _plain(value: Any, depth: int = 0) -> Any:
    """Return a value as JSON has it; bytes become base64, and a nested XML type its markup."""
    if isinstance(value, Map | dict | Array | list) and depth >= MAX_DEPTH:
        return TOO_DEEP
    if isinstance(value, Map | dict):
        return {key: _plain(value[key], depth + 1) for key in sorted(value.keys())}
    if isinstance(value, Array | list):
        return [_plain(item, depth + 1) for item in value]
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    if isinstance(value, float) and value.is_integer():
        return int(value)  # every number of a document comes back as a float
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, str | float | int | bool | None) else str(value)
