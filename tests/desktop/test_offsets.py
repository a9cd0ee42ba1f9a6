from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtGui import QTextCursor, QTextDocument

from docs.examples.desktop_reader.offsets import Offsets

TEXTS = st.text(st.sampled_from("ab é\u0301\n𝔊🙂👩🏽‍🚀\uffff\U0010ffff"), max_size=40)


def units(text: str) -> int:
    """Count UTF-16 units, by another way than the code under test."""
    return len(text.encode("utf-16-le")) // 2


@given(st.text() | TEXTS, st.data())
def test_offsets_go_there_and_back(text: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text)))
    offsets = Offsets(text)
    assert offsets.to_units(at) == units(text[:at])
    assert offsets.to_code_points(units(text[:at])) == at


@given(TEXTS, st.data())
def test_an_offset_inside_a_character_is_where_it_begins(text: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, units(text)))
    point = Offsets(text).to_code_points(at)
    assert units(text[:point]) <= at
    assert point == len(text) or at < units(text[: point + 1])


@given(TEXTS, st.data())
def test_qt_counts_as_is_said_here(look: object, text: str, data: st.DataObject) -> None:
    """A selection of code points in a real document of Qt's holds just that text."""
    start, end = sorted((data.draw(st.integers(0, len(text))), data.draw(st.integers(0, len(text)))))
    document, offsets = QTextDocument(), Offsets(text)
    document.setPlainText(text)
    cursor = QTextCursor(document)
    cursor.setPosition(offsets.to_units(start))
    cursor.setPosition(offsets.to_units(end), QTextCursor.MoveMode.KeepAnchor)
    assert cursor.selectedText().replace("\u2029", "\n") == text[start:end]
