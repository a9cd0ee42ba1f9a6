"""The page: a text with its marks, and the selection in code points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QKeyEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QTextBlock,
    QTextBlockFormat,
    QTextCursor,
    QTextLine,
)
from PySide6.QtWidgets import QTextEdit, QWidget

from crdt_sync import Offsets
from docs.examples.desktop_reader.look import Look, sans, serif
from docs.examples.desktop_reader.passages import Passage

MEASURE = 640
"""The widest a line gets, in pixels: longer ones are hard to read."""
MARGIN = 56
NUMBERS, TOP = 26, 84
"""What is left free in the document for the numbers of the verses, and for the heading."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A highlight on this page; `start` and `end` are code points."""

    item_id: str
    start: int
    end: int
    color: str


class Page(QTextEdit):
    """Shows one passage. Read only; the document's text is the passage's, character for character."""

    moved = Signal()
    """The caret or the selection is somewhere else."""
    delete_pressed = Signal()

    def __init__(self, look: Look, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("page")
        self._look = look
        self._passage: Passage | None = None
        self._offsets = Offsets("")
        self._marks: tuple[Mark, ...] = ()
        self.setReadOnly(True)
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.setFont(serif(15))
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.selectionChanged.connect(self.moved)
        self.cursorPositionChanged.connect(self.moved)

    # What is shown

    def show_passage(self, passage: Passage) -> None:
        """Show a text from its beginning, without marks."""
        self._passage, self._offsets, self._marks = passage, Offsets(passage.text), ()
        self.setPlainText(passage.text)
        cursor = QTextCursor(self.document())
        cursor.select(QTextCursor.SelectionType.Document)
        form = QTextBlockFormat()
        form.setLineHeight(145, QTextBlockFormat.LineHeightTypes.ProportionalHeight.value)
        form.setBottomMargin(7)
        cursor.mergeBlockFormat(form)
        frame = self.document().rootFrame().frameFormat()
        frame.setMargin(NUMBERS)
        frame.setTopMargin(TOP)
        self.document().rootFrame().setFrameFormat(frame)
        self.moveCursor(QTextCursor.MoveOperation.Start)

    def set_marks(self, marks: Sequence[Mark]) -> None:
        """Paint these highlights; where several lie over each other, all of them show."""
        self._marks = tuple(marks)
        self.viewport().update()

    # Where the reader is

    def selection(self) -> tuple[int, int] | None:
        """Return start and end of what is selected, in code points; None if nothing is, or only white space."""
        cursor = self.textCursor()
        start, end = (
            self._offsets.from_utf16(at, inside="start") for at in (cursor.selectionStart(), cursor.selectionEnd())
        )
        if self._passage is None or not self._passage.text[start:end].strip():
            return None
        return start, end

    def select(self, start: int, end: int) -> None:
        """Select a range of code points."""
        cursor = self.textCursor()
        cursor.setPosition(self._offsets.to_utf16(start))
        cursor.setPosition(self._offsets.to_utf16(end), QTextCursor.MoveMode.KeepAnchor)
        self.setTextCursor(cursor)

    def jump(self, start: int) -> None:
        """Put the caret at a code point, and bring that into the upper third of the page."""
        self.select(start, start)
        top = self.cursorRect().top()
        bar = self.verticalScrollBar()
        bar.setValue(bar.value() + top - self.viewport().height() // 3)

    def mark_here(self) -> Mark | None:
        """Return the mark under the caret, the shortest if there are several."""
        at = self._offsets.from_utf16(self.textCursor().position(), inside="start")
        here = [mark for mark in self._marks if mark.start <= at <= mark.end]
        return min(here, key=lambda mark: mark.end - mark.start, default=None)

    # Qt's side

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Take the delete key; the rest moves the caret."""
        if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.delete_pressed.emit()
            return
        super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep lines readable however wide the window is."""
        spare = max(self.width() - MEASURE - 2 * MARGIN, 0) // 2
        self.setViewportMargins(MARGIN + spare, 0, MARGIN + spare - self.verticalScrollBar().width(), 0)
        super().resizeEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the marks, then the text over them, then the numbers of the verses."""
        painter = QPainter(self.viewport())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        visible = QRectF(event.rect())
        for mark in self._marks:
            painter.setBrush(self._look.marker(mark.color))
            for rectangle in self.rectangles(mark):
                if rectangle.intersects(visible):
                    painter.drawRoundedRect(rectangle, 4, 4)
        painter.end()
        super().paintEvent(event)
        self._paint_margin()

    def rectangles(self, mark: Mark) -> list[QRectF]:
        """Return where a mark is painted, a rectangle for each line, in the viewport's coordinates."""
        start, end = self._offsets.to_utf16(mark.start), self._offsets.to_utf16(mark.end)
        found: list[QRectF] = []
        block = self.document().findBlock(start)
        while block.isValid() and block.position() < end:
            found += (self._part(block, line, start, end) for line in _lines(block))
            block = block.next()
        return [rectangle for rectangle in found if rectangle.width() > 0]

    def _part(self, block: QTextBlock, line: QTextLine, start: int, end: int) -> QRectF:
        first = max(start - block.position(), line.textStart())
        last = min(end - block.position(), line.textStart() + line.textLength())
        if first >= last:
            return QRectF()
        left, right = line.cursorToX(first)[0], line.cursorToX(last)[0]
        corner = self.document().documentLayout().blockBoundingRect(block).topLeft()
        ink = line.ascent() + line.descent()
        top = corner.y() + line.y() + line.height() - ink - self.verticalScrollBar().value()
        return QRectF(corner.x() + min(left, right) - 2, top - 1, abs(right - left) + 4, ink + 1)

    def _paint_margin(self) -> None:
        """Paint what is no part of the text: its heading above it, the numbers of the verses beside it."""
        if self._passage is None:
            return
        painter = QPainter(self.viewport())
        painter.setPen(QColor(self._look.quiet))
        painter.setFont(serif(21))
        scrolled = self.verticalScrollBar().value()
        painter.drawText(QPointF(NUMBERS, TOP - 32 - scrolled), self._passage.heading)
        painter.setFont(sans(8.5))
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        for number in range(len(self._passage.verses)):
            block = self.document().findBlockByNumber(number)
            corner = self.document().documentLayout().blockBoundingRect(block).topLeft()
            line = block.layout().lineAt(0)
            bottom = corner.y() + line.y() + line.height() - scrolled
            painter.drawText(QRectF(0, bottom - 24, NUMBERS - 7, 20), right, str(number + 1))
        painter.end()


def _lines(block: QTextBlock) -> list[QTextLine]:
    layout = block.layout()
    return [layout.lineAt(number) for number in range(layout.lineCount())]
