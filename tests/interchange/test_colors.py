"""Colours and styles go there and back; a name that no table knows is kept."""

from __future__ import annotations

import pytest

from crdt_sync.interchange.colors import KOBO, KOREADER_COLORS, KOREADER_STYLES, READWISE, Names

TABLES = [KOBO, KOREADER_COLORS, KOREADER_STYLES, READWISE]


@pytest.mark.parametrize("names", TABLES)
def test_there_and_back(names: Names) -> None:
    for ours in (*names.ours.values(), "mauve", "wavy"):
        assert names.read(names.write(ours)) == ours
    for none in (None, "", "  "):
        assert names.read(none) == names.unknown


def test_what_koreader_and_kobo_call_them() -> None:
    assert [KOREADER_STYLES.read(each) for each in ("lighten", "underscore", "strikeout", "invert", "Lighten")] == [
        "highlight", "underline", "strikethrough", "invert", "highlight",
    ]  # fmt: skip
    assert [KOREADER_STYLES.write(each) for each in ("highlight", "underline", "outline")] == [
        "lighten", "underscore", "outline",
    ]  # fmt: skip
    assert [KOBO.read(each) for each in ("0", "1", "2", "3", "4", "")] == [
        "yellow", "pink", "blue", "green", "4", "yellow",
    ]  # fmt: skip
    assert KOREADER_COLORS.read("grey") == "gray"
