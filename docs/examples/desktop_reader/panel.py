"""The side panel: the highlights of this library, or those in the trash."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetrics, QPainter
from PySide6.QtWidgets import (
    QButtonGroup,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from crdt_sync import Highlight
from docs.examples.desktop_reader.look import Look, named, sans, serif

HIGHLIGHT = Qt.ItemDataRole.UserRole
_EMPTY = (
    "Select some words and press a colour,\nor one of the keys 1 to 5.",
    "What you delete waits here,\nuntil you want it back.",
)


class Panel(QWidget):
    """Lists highlights. A click chooses one."""

    chosen = Signal(Highlight)
    delete_asked = Signal(str)
    restore_asked = Signal(str)

    def __init__(self, look: Look, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setMinimumWidth(250)
        self._items: tuple[Sequence[Highlight], Sequence[Highlight]] = ((), ())
        self.tabs = [named(QPushButton(), "tab") for _ in range(2)]
        group = QButtonGroup(self)
        for number, tab in enumerate(self.tabs):
            tab.setCheckable(True)
            group.addButton(tab, number)
        self.tabs[0].setChecked(True)
        group.idClicked.connect(lambda number: self._show())
        self.list = QListWidget()
        self.list.setItemDelegate(_Card(look, self.list))
        self.list.setVerticalScrollMode(QListWidget.ScrollMode.ScrollPerPixel)
        self.list.setUniformItemSizes(True)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.itemClicked.connect(lambda item: self.chosen.emit(item.data(HIGHLIGHT)))
        self.list.currentItemChanged.connect(lambda: self._enable())
        self.empty = named(QLabel(alignment=Qt.AlignmentFlag.AlignCenter), "quiet")
        self.button = QPushButton()
        self.button.clicked.connect(self._press)
        head = QHBoxLayout()
        for tab in self.tabs:
            head.addWidget(tab)
        head.addStretch()
        foot = QHBoxLayout()
        foot.addStretch()
        foot.addWidget(self.button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 6, 12, 12)
        layout.addLayout(head)
        layout.addWidget(self.empty, 1)
        layout.addWidget(self.list, 1)
        layout.addLayout(foot)
        self.show_items((), ())

    def show_items(self, highlights: Sequence[Highlight], trashed: Sequence[Highlight]) -> None:
        """Show these, and keep what is chosen."""
        self._items = (highlights, trashed)
        self.tabs[0].setText(f"Highlights  {len(highlights)}")
        self.tabs[1].setText(f"Trash  {len(trashed)}")
        self._show()

    @property
    def shows_trash(self) -> bool:
        """Whether the trash is shown."""
        return bool(self.tabs[1].isChecked())

    def _show(self) -> None:
        before = self.list.currentItem()
        kept = before.data(HIGHLIGHT).id if before is not None else None
        self.list.clear()
        for highlight in self._items[self.shows_trash]:
            item = QListWidgetItem(self.list)
            item.setData(HIGHLIGHT, highlight)
            item.setToolTip(quote_of(highlight))
            if highlight.id == kept:
                self.list.setCurrentItem(item)
        self.list.setVisible(self.list.count() > 0)
        self.empty.setVisible(not self.list.count())
        self.empty.setText(_EMPTY[self.shows_trash])
        self.button.setText("Restore" if self.shows_trash else "Move to trash")
        self._enable()

    def _enable(self) -> None:
        self.button.setEnabled(self.list.currentItem() is not None)

    def _press(self) -> None:
        item = self.list.currentItem()
        if item is not None:
            asked = self.restore_asked if self.shows_trash else self.delete_asked
            asked.emit(item.data(HIGHLIGHT).id)


class _Card(QStyledItemDelegate):
    """Paints one highlight: its colour, its words on two lines, its place and who made it."""

    def __init__(self, look: Look, parent: QWidget) -> None:
        super().__init__(parent)
        self._look = look
        self._words, self._place = serif(11.5), sans(8.5)

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        """Return the size of a card."""
        words, place = QFontMetrics(self._words).lineSpacing(), QFontMetrics(self._place).lineSpacing()
        return QSize(100, 2 * words + place + 26)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        """Paint a card."""
        highlight: Highlight = index.data(HIGHLIGHT)
        area: QRect = option.rect.adjusted(0, 3, -6, -3)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        if option.state & (QStyle.StateFlag.State_Selected | QStyle.StateFlag.State_MouseOver):
            painter.setBrush(self._look.marker(""))
            painter.setOpacity(0.18)
            painter.drawRoundedRect(area, 7, 7)
            painter.setOpacity(1)
        painter.setBrush(self._look.marker(highlight.color))
        painter.drawRoundedRect(QRect(area.left() + 6, area.top() + 8, 5, area.height() - 16), 2.5, 2.5)
        text = area.adjusted(22, 6, -8, -6)
        painter.setPen(QColor(self._look.ink))
        painter.setFont(self._words)
        spacing = QFontMetrics(self._words).lineSpacing()
        for number, line in enumerate(_two_lines(quote_of(highlight), QFontMetrics(self._words), text.width())):
            painter.drawText(text.left(), text.top() + spacing * number + QFontMetrics(self._words).ascent(), line)
        painter.setPen(QColor(self._look.quiet))
        painter.setFont(self._place)
        below = QRect(text.left(), text.bottom() - spacing + 2, text.width(), spacing)
        painter.drawText(below, Qt.AlignmentFlag.AlignVCenter, _place_of(highlight))
        painter.drawText(below, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, highlight.created_by)
        painter.restore()


def quote_of(highlight: Highlight) -> str:
    """Return the words of a highlight on one line, or its place if it has none."""
    quote = highlight.anchor.quote
    return " ".join(quote.exact.split()) if quote is not None and quote.exact else highlight.anchor.source or ""


def _place_of(highlight: Highlight) -> str:
    return (highlight.anchor.source or "").replace("-", " – ")


def _two_lines(text: str, metrics: QFontMetrics, width: int) -> list[str]:
    first = ""
    words = text.split(" ")
    while words and metrics.horizontalAdvance(f"{first} {words[0]}") <= width:
        first = f"{first} {words.pop(0)}".strip()
    if not first:
        return [metrics.elidedText(text, Qt.TextElideMode.ElideRight, width)]
    return [first, metrics.elidedText(" ".join(words), Qt.TextElideMode.ElideRight, width)]
