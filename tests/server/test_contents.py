"""Any document as JSON, whatever program made it."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycrdt import Array, Doc, Map, Text, XmlElement, XmlFragment, XmlText

from crdt_sync.protocol.update import EMPTY_UPDATE
from crdt_sync_server.contents import contents

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False, width=32)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
)


@given(st.dictionaries(st.text(min_size=1), st.dictionaries(st.text(), VALUES, min_size=1, max_size=5), max_size=4))
def test_maps_of_any_names_and_values_come_out_as_they_went_in(roots: dict[str, dict[str, Any]]) -> None:
    doc: Doc[Any] = Doc()
    for name, fields in roots.items():
        doc.get(name, type=Map).update(fields)
    shown = contents(doc.get_update())
    assert shown == roots
    json.dumps(shown, allow_nan=False)


def test_each_type_of_root_has_a_form() -> None:
    doc: Doc[Any] = Doc()
    fields = doc.get("map", type=Map)
    fields["nested"] = Map({"list": Array([1, 2.5, "x"])})
    fields["text"] = Text("hello")
    fields["bytes"] = b"\x00\xff"
    doc.get("list", type=Array).extend([1, "a", Map({"k": True})])
    doc.get("text", type=Text).insert(0, "a, b & c")
    doc.get("xml", type=XmlFragment).children.append(XmlElement("p", {}, [XmlText("hi")]))
    doc.get("empty", type=Map)
    assert contents(doc.get_update()) == {
        "map": {"nested": {"list": [1, 2.5, "x"]}, "text": "hello", "bytes": "AP8="},
        "list": [1, "a", {"k": True}],
        "text": "a, b & c",
        "xml": "<p>hi</p>",
    }
    assert contents(EMPTY_UPDATE) == {}


@pytest.mark.parametrize("key", ["text", "xml"])
def test_types_inside_a_map_have_a_form(key: str) -> None:
    doc: Doc[Any] = Doc()
    doc.get("m", type=Map)[key] = Text("x") if key == "text" else XmlFragment([XmlElement("p", {}, [XmlText("x")])])
    assert "x" in contents(doc.get_update())["m"][key]


def test_what_json_does_not_have_becomes_a_string() -> None:
    doc: Doc[Any] = Doc()
    doc.get("m", type=Map).update({"nan": math.nan, "up": math.inf, "down": -math.inf})
    shown = contents(doc.get_update())
    assert shown == {"m": {"nan": "nan", "up": "inf", "down": "-inf"}}
    json.dumps(shown, allow_nan=False)


@pytest.mark.parametrize("root", [Map, Array])
def test_a_document_that_nests_without_end_can_be_looked_at(root: type[Any]) -> None:
    doc: Doc[Any] = Doc()
    inner = doc.get("deep", type=root)
    with doc.transaction():
        for _ in range(2000):
            if root is Map:
                inner["k"] = Map()
                inner = inner["k"]
            else:
                inner.append(Array())
                inner = inner[0]
    assert "nests deeper" in json.dumps(contents(doc.get_update()))
