"""A document as JSON, for who looks into a room: its roots, whatever program made them.

An update does not say what type a root is. A root with keys is shown as an object, one of characters as its text, one
of XML as its markup, any other as an array.
"""

from __future__ import annotations

import base64
from typing import Any

from pycrdt import Array, Doc, Map, Text, XmlFragment

__all__ = ["contents"]


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
    try:
        items = doc.get(name, type=Array).to_py() or []
    except ValueError:  # XML has no other form
        return markup
    return text or [_plain(item) for item in items]


def _plain(value: Any) -> Any:
    """Return a value as JSON has it; bytes become base64, and a nested XML type its markup."""
    if isinstance(value, Map | dict):
        return {key: _plain(value[key]) for key in sorted(value.keys())}
    if isinstance(value, Array | list):
        return [_plain(item) for item in value]
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    if isinstance(value, float) and value.is_integer():
        return int(value)  # every number of a document comes back as a float
    return value if isinstance(value, str | float | int | bool | None) else str(value)
