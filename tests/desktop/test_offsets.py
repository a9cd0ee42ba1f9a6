from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtGui import QTextCursor, QTextDocument

from crdt_sync import Offsets

TEXTS = st.text(st.sampled_from("ab é\u0301\n𝔊🙂👩🏽‍🚀\uffff\U0010ffff"), max_size=40)


@given(TEXTS, st.data())
def test_qt_counts_as_is_said_here(look: object, text: str, data: st.DataObject) -> None:
    """A selection of code points in a real document of Qt's holds just that text."""
    start, end = sorted((data.draw(st.integers(0, len(text))), data.draw(st.integers(0, len(text)))))
    document, offsets = QTextDocument(), Offsets(text)
    document.setPlainText(text)
    cursor = QTextCursor(document)
    cursor.setPosition(offsets.to_utf16(start))
    cursor.setPosition(offsets.to_utf16(end), QTextCursor.MoveMode.KeepAnchor)
    assert cursor.selectedText().replace("\u2029", "\n") == text[start:end]
