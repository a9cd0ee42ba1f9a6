"""What a body may be: the check and the JSON Schema that is published say the same of any JSON."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crdt_sync_server.api.problems import Problem
from crdt_sync_server.api.shapes import Choice, Fields, Text, Whole, read_json

SHAPE = Fields(
    {"role": Choice(("editor", "reader")), "name": Text(5)},
    {"uses": Whole(1, 10, may_be_null=True), "age": Whole(0, 3)},
)
VALIDATOR = jsonschema_rs.validator_for(SHAPE.schema())

leaves = (
    st.none() | st.booleans() | st.integers(-2, 12) | st.floats() | st.text(max_size=7) | st.sampled_from(["editor"])
)
anything = st.recursive(leaves, lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=4), each))
near = st.fixed_dictionaries(
    {"role": st.sampled_from(["editor", "reader"]) | leaves, "name": leaves},
    optional={"uses": leaves, "age": leaves, "other": leaves},
)


@given(anything | near)
@example({"role": "editor", "name": "x", "uses": 2.0})
@example({"role": "editor", "name": "x", "uses": 2.5})
@example({"role": "editor", "name": "x", "uses": True})
@example({"role": "editor", "name": "x", "uses": None, "age": None})
@example({"role": ["editor"], "name": "\ud800"})
def test_a_body_is_taken_if_and_only_if_it_fits_the_schema(value: Any) -> None:
    text = json.dumps(value)
    try:
        expected = VALIDATOR.is_valid(json.loads(text))
    except (ValueError, UnicodeEncodeError):  # it cannot hold half a character
        expected = False
    if any(word in text for word in ("NaN", "Infinity")):
        expected = False
    try:
        found = read_json(text.encode(), SHAPE)
    except Problem as problem:
        assert not expected, problem
        assert (problem.status, problem.code) == (400, "body")
    else:
        assert expected
        assert found == value
        assert all(not isinstance(each, float) for each in found.values()), "a whole number is an int"


@given(st.binary(max_size=200))
@example(b"[" * 100_000)
@example(b'{"a":' * 20_000)
@example(b"1" * 5000)
@example(b"1e999999")
def test_no_bytes_are_more_than_refused(data: bytes) -> None:
    with pytest.raises(Problem) as caught:
        read_json(data, SHAPE)
    assert caught.value.status == 400
