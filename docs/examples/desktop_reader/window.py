"""The reader's window: what to read on top, the page and the list below, how it stands at the bottom."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QAction, QCloseEvent, QColor, QIcon, QPainter, QPixmap
from PySide6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QMainWindow,
    QPushButton,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from crdt_sync import CrdtSyncError, Highlight
from docs.examples.desktop_reader.chooser import Chooser
from docs.examples.desktop_reader.look import MARKERS, Look, named, sans
from docs.examples.desktop_reader.page import Mark, Page
from docs.examples.desktop_reader.panel import Panel
from docs.examples.desktop_reader.passages import KING_JAMES, Passage, books, chapter, text_file
from docs.examples.desktop_reader.shelf import Shelf
from docs.examples.desktop_reader.standing import Standing


class Window(QMainWindow):
    """A reader of one library. It opens on the first chapter and asks the network for nothing."""

    def __init__(self, shelf: Shelf, look: Look) -> None:
        super().__init__()
        self._shelf = shelf
        self._look = look
        self._passage: Passage | None = None
        self.page, self.panel, self.standing = Page(look), Panel(look), Standing()
        self.books, self.chapters = Chooser(), Chooser()
        self.open_button = QPushButton("Open a text…")
        self.colors = {color: QPushButton() for color in MARKERS}
        self._lay_out()
        self._connect()
        self.resize(1120, 760)
        self.read_chapter()
        self.refresh()
        self.standing.show_status(shelf.status)

    # What is read

    def read_chapter(self) -> None:
        """Show the chapter that is chosen above."""
        self.show_passage(chapter(books()[self.books.currentIndex()], self.chapters.currentIndex() + 1))

    def open_text(self, path: Path) -> None:
        """Show a text file, or say why that cannot be."""
        try:
            self.show_passage(text_file(path))
        except (OSError, ValueError) as error:
            self._say(f"{path.name} cannot be opened: {getattr(error, 'strerror', None) or error}")

    def show_passage(self, passage: Passage) -> None:
        """Show a text, its highlights, and to the others where this person reads."""
        self._passage = passage
        self.setWindowTitle(f"{passage.heading} — Reader")
        self.page.show_passage(passage)
        self._try(lambda: self._mark(self._shelf.highlights()))
        self._try(lambda: self._shelf.show_at(passage.heading))

    # What is done

    def highlight(self, color: str) -> None:
        """Mark what is selected; without a selection, give the highlight under the caret this colour."""
        selected, here = self.page.selection(), self.page.mark_here()
        if selected is not None and self._passage is not None:
            anchor = self._passage.anchor(*selected)
            if self._try(lambda: self._shelf.add(anchor, color)):
                self.page.select(selected[1], selected[1])
        elif here is not None:
            self._try(lambda: self._shelf.recolor(here.item_id, color))

    def delete_here(self) -> None:
        """Move the highlight under the caret to the trash."""
        here = self.page.mark_here()
        if here is not None:
            self.delete(here.item_id)

    def delete(self, item_id: str) -> None:
        """Move a highlight to the trash."""
        if self._try(lambda: self._shelf.delete(item_id)):
            self._say("In the trash. It can be restored there.")

    def restore(self, item_id: str) -> None:
        """Take a highlight out of the trash."""
        self._try(lambda: self._shelf.restore(item_id))

    def jump_to(self, highlight: Highlight) -> None:
        """Show where a highlight stands, in another chapter if need be."""
        source = highlight.anchor.source or ""
        code, _, rest = source.partition(".")
        number = rest.partition(".")[0].partition("-")[0]
        in_bible = highlight.anchor.work_id in (KING_JAMES, "")
        known = [index for index, book in enumerate(books()) if in_bible and book.code == code]
        if known and number.isdecimal() and 1 <= int(number) <= books()[known[0]].chapters:
            self._choose(known[0], int(number) - 1)
        place = self._passage.place(highlight.anchor) if self._passage is not None else None
        if place is None:
            self._say(f"{source}: these words are not in the text that is open")
        else:
            self.page.jump(place[0])

    def refresh(self) -> None:
        """Show what the library holds now."""
        self._try(self._refresh)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Close the library with its window; what the relay has not seen is sent next time."""
        self._try(self._shelf.close)
        super().closeEvent(event)

    # Inside

    def _refresh(self) -> None:
        highlights = self._shelf.highlights()
        self.panel.show_items(highlights, self._shelf.highlights(trashed=True))
        self._mark(highlights)

    def _mark(self, highlights: list[Highlight]) -> None:
        assert self._passage is not None
        places = ((highlight, self._passage.place(highlight.anchor)) for highlight in highlights)
        self.page.set_marks([Mark(each.id, *place, each.color) for each, place in places if place is not None])
        self._enable()

    def _choose(self, book: int, number: int) -> None:
        if (self.books.currentIndex(), self.chapters.currentIndex()) == (book, number) and self._passage is not None:
            if self._passage.verses:
                return
            self.read_chapter()
        self.books.setCurrentIndex(book)
        self.chapters.setCurrentIndex(number)

    def _choose_book(self, index: int) -> None:
        self.chapters.blockSignals(True)
        self.chapters.clear()
        self.chapters.addItems([str(number + 1) for number in range(books()[index].chapters)])
        self.chapters.blockSignals(False)
        self.read_chapter()

    def _come_back(self) -> None:
        """Choosing what is chosen already leaves a text file for the chapter."""
        if self._passage is not None and not self._passage.verses:
            self.read_chapter()

    def _enable(self) -> None:
        usable = self.page.selection() is not None or self.page.mark_here() is not None
        for button in self.colors.values():
            button.setEnabled(usable)

    def _ask_for_text(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Open a text", "", "Texts (*.txt *.md);;All files (*)")
        if path:
            self.open_text(Path(path))

    def _try(self, action: Callable[[], object]) -> bool:
        """Do it, or say in the status bar why it cannot be done; return whether it was."""
        try:
            action()
        except CrdtSyncError as error:
            self._say(str(error))
            return False
        return True

    def _say(self, words: str) -> None:
        self.standing.say(words)

    def _connect(self) -> None:
        self.books.addItems([book.title for book in books()])
        self.chapters.addItems([str(number + 1) for number in range(books()[0].chapters)])
        self.books.currentIndexChanged.connect(self._choose_book)
        self.chapters.currentIndexChanged.connect(lambda index: self.read_chapter())
        for chooser in (self.books, self.chapters):
            chooser.activated.connect(self._come_back)
        self.open_button.clicked.connect(self._ask_for_text)
        for number, (color, button) in enumerate(self.colors.items(), 1):
            action = QAction(color, self)
            action.setShortcut(str(number))
            action.triggered.connect(lambda checked=False, color=color: self.highlight(color))
            button.clicked.connect(action.trigger)
            self.addAction(action)
        self.page.moved.connect(self._enable)
        self.page.delete_pressed.connect(self.delete_here)
        self.panel.chosen.connect(self.jump_to)
        self.panel.delete_asked.connect(self.delete)
        self.panel.restore_asked.connect(self.restore)
        self.standing.retry.clicked.connect(self._shelf.reconnect)
        self._shelf.changed.connect(self.refresh)
        self._shelf.status_changed.connect(self.standing.show_status)
        self._shelf.people_changed.connect(self.standing.show_people)

    def _lay_out(self) -> None:
        bar = named(QWidget(), "bar")
        bar.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        row = QHBoxLayout(bar)
        row.setContentsMargins(16, 9, 16, 9)
        row.setSpacing(8)
        self.books.setMinimumWidth(150)
        for widget in (self.books, self.chapters, self.open_button):
            row.addWidget(widget)
        row.addStretch()
        for number, (color, button) in enumerate(self.colors.items(), 1):
            button.setIcon(_swatch(self._look.marker(color)))
            button.setIconSize(QSize(18, 18))
            button.setToolTip(f"Highlight in {color} ({number})")
            button.setAccessibleName(f"Highlight in {color}")
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            row.addWidget(button)
        parts = QSplitter()
        parts.addWidget(self.page)
        parts.addWidget(self.panel)
        parts.setStretchFactor(0, 1)
        parts.setSizes([790, 330])
        whole = QWidget()
        column = QVBoxLayout(whole)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(bar)
        column.addWidget(parts, 1)
        self.setCentralWidget(whole)
        self.statusBar().setSizeGripEnabled(False)
        self.statusBar().addWidget(self.standing, 1)
        self.standing.setFont(sans(9.5))
        self.page.setFocus()


def _swatch(color: QColor) -> QIcon:
    picture = QPixmap(36, 36)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    solid = QColor(color)
    solid.setAlphaF(1)
    painter.setBrush(solid)
    painter.drawEllipse(3, 3, 30, 30)
    painter.end()
    return QIcon(picture)
