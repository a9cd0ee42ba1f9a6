"""Ready models of the shared types, and strategies for texts and presence, with the characters that break things.

The folder `twins` beside this file holds their twins for `Yjs`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from pycrdt import Doc, Map, Text, XmlElement, XmlFragment, XmlText

from crdt_sync.protocol.messages import AwarenessEntry
from crdt_sync.testing.model import Edit, Model

__all__ = ["MAP", "MAP_TWIN", "TEXT", "TEXT_TWIN", "XML", "XML_TWIN", "awareness_entries", "json_values", "words"]

MAP_TWIN, TEXT_TWIN, XML_TWIN = (Path(__file__).with_name("twins") / f"{name}.mjs" for name in ("map", "text", "xml"))
"""The JavaScript modules that do the same as `MAP`, `TEXT` and `XML`: give them to `Yjs`."""
_KEYS = st.sampled_from(["a", "b", "ü/1"])
_PLACES = st.integers(0, 12)


def words() -> st.SearchStrategy[str]:
    """Return short texts: plain, astral, combining, right to left, joined emoji. No half characters."""
    return st.sampled_from(["a", "bc", "Grüße", "𝔘𝔫", "e\u0301", "日本", "שלום", "👩\u200d👧", "\n"])


def json_values() -> st.SearchStrategy[Any]:
    """Return values that a map may hold."""
    return st.one_of(st.booleans(), st.integers(-100, 100), words(), st.lists(words(), max_size=2))


def awareness_entries(max_size: int = 4) -> st.SearchStrategy[list[AwarenessEntry]]:
    """Return what clients may say of their presence: few clients, low clocks, so that they meet; some have left."""
    states = st.one_of(
        st.just("null"), st.dictionaries(words(), json_values(), max_size=2).map(lambda state: json.dumps(state))
    )
    return st.lists(st.builds(AwarenessEntry, st.integers(1, 3), st.integers(0, 4), states), max_size=max_size)


# A map


def _edit_map(doc: Doc[Any], edit: Edit) -> None:
    values = doc.get("map", type=Map)
    match edit:
        case ["set", key, value]:
            values[key] = value
        case ["delete", key]:
            values.pop(key, None)


def _read_map(doc: Doc[Any]) -> Any:
    return _whole(doc.get("map", type=Map).to_py())


def _whole(value: Any) -> Any:
    """Yjs numbers come back as floats; JSON from node has integers."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _whole(inner) for key, inner in value.items()}
    return [_whole(inner) for inner in value] if isinstance(value, list) else value


MAP = Model(
    edits=st.one_of(
        st.tuples(st.just("set"), _KEYS, json_values()).map(list), st.tuples(st.just("delete"), _KEYS).map(list)
    ),
    apply=_edit_map,
    read=_read_map,
)
"""A root map: `["set", key, value]` and `["delete", key]`."""


# A text: places are code points here, UTF-8 bytes in pycrdt and UTF-16 units in Yjs


def _offset(text: str, place: int) -> int:
    return len(text[: place % (len(text) + 1)].encode())


def _edit_text(doc: Doc[Any], edit: Edit) -> None:
    shared = doc.get("text", type=Text)
    text = str(shared)
    match edit:
        case ["insert", place, piece]:
            shared.insert(_offset(text, place), piece)
        case ["delete", place, length] if text:
            start = place % len(text)
            end = min(start + length, len(text))
            del shared[len(text[:start].encode()) : len(text[:end].encode())]


def _read_text(doc: Doc[Any]) -> Any:
    return str(doc.get("text", type=Text))


TEXT = Model(
    edits=st.one_of(
        st.tuples(st.just("insert"), _PLACES, words()).map(list),
        st.tuples(st.just("delete"), _PLACES, st.integers(1, 3)).map(list),
    ),
    apply=_edit_text,
    read=_read_text,
)
"""A root text: `["insert", place, piece]` and `["delete", place, length]`, in code points."""


# A fragment of paragraphs, as editors keep their documents


def _edit_xml(doc: Doc[Any], edit: Edit) -> None:
    children = doc.get("xml", type=XmlFragment).children
    match edit:
        case ["add", place, piece]:
            paragraph = children.insert(place % (len(children) + 1), XmlElement("paragraph"))
            paragraph.children.append(XmlText(piece))
        case ["remove", place] if len(children):
            del children[place % len(children)]
        case ["style", place, value] if len(children):
            children[place % len(children)].attributes["style"] = value
        case ["type", place, piece] if len(children):
            text = children[place % len(children)].children[0]
            text += piece


def _read_xml(doc: Doc[Any]) -> Any:
    return [
        [child.tag, dict(child.attributes), "".join(piece for piece, _ in child.children[0].diff())]
        for child in doc.get("xml", type=XmlFragment).children
    ]


XML = Model(
    edits=st.one_of(
        st.tuples(st.just("add"), _PLACES, words()).map(list),
        st.tuples(st.just("remove"), _PLACES).map(list),
        st.tuples(st.just("style"), _PLACES, words()).map(list),
        st.tuples(st.just("type"), _PLACES, words()).map(list),
    ),
    apply=_edit_xml,
    read=_read_xml,
)
"""A root fragment of paragraphs with one text each: add, remove, style, and type at a paragraph's end."""
