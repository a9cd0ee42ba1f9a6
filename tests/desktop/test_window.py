"""The reader, by its real events: mouse, keys and buttons."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from crdt_sync import Anchor, Offsets, blocking
from docs.examples.desktop_reader.look import LIGHT
from docs.examples.desktop_reader.page import Mark, Page
from docs.examples.desktop_reader.panel import HIGHLIGHT
from docs.examples.desktop_reader.window import Window
from tests.desktop.conftest import Open, until

LEFT = Qt.MouseButton.LeftButton


def drag_over(page: Page, words: str) -> None:
    """Select words with the mouse."""
    text = page.toPlainText()
    offsets, at = Offsets(text), text.index(words)
    points = []
    for offset in (at, at + len(words)):
        cursor = page.textCursor()
        cursor.setPosition(offsets.to_utf16(offset))
        rectangle = page.cursorRect(cursor)
        points.append(QPoint(rectangle.left() + 1, rectangle.center().y()))
    QTest.mousePress(page.viewport(), LEFT, pos=points[0])
    QTest.mouseMove(page.viewport(), points[1])
    QTest.mouseRelease(page.viewport(), LEFT, pos=points[1])


def click_item(window: Window, row: int) -> None:
    """Click a line of the list."""
    view = window.panel.list
    QTest.mouseClick(view.viewport(), LEFT, pos=view.visualItemRect(view.item(row)).center())


def quotes(window: Window) -> list[str]:
    """Return the words of the list's lines."""
    listed = [window.panel.list.item(row).data(HIGHLIGHT) for row in range(window.panel.list.count())]
    return [highlight.anchor.quote.exact for highlight in listed]


def test_select_highlight_list_trash_and_restore(opened: Open) -> None:
    window = opened()
    assert not window.colors["green"].isEnabled(), "nothing is selected"
    drag_over(window.page, "without form, and void")
    QTest.mouseClick(window.colors["green"], LEFT)
    until(lambda: quotes(window) == ["without form, and void"])
    assert window.panel.tabs[0].text() == "Highlights  1"
    drag_over(window.page, "there was light")
    QTest.keyClick(window.page, Qt.Key.Key_4)
    until(lambda: quotes(window) == ["without form, and void", "there was light"])
    assert [window.panel.list.item(row).data(HIGHLIGHT).color for row in (0, 1)] == ["green", "pink"]
    click_item(window, 0)
    QTest.mouseClick(window.panel.button, LEFT)
    until(lambda: quotes(window) == ["there was light"])
    QTest.mouseClick(window.panel.tabs[1], LEFT)
    assert quotes(window) == ["without form, and void"]
    assert window.panel.button.text() == "Restore"
    click_item(window, 0)
    QTest.mouseClick(window.panel.button, LEFT)
    until(lambda: not quotes(window))
    QTest.mouseClick(window.panel.tabs[0], LEFT)
    assert quotes(window) == ["without form, and void", "there was light"]


def test_keys_alone_do_as_well(opened: Open) -> None:
    window = opened()
    for _ in range(16):
        QTest.keyClick(window.page, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    QTest.keyClick(window.page, Qt.Key.Key_3)
    until(lambda: quotes(window) == ["In the beginning"])
    QTest.keyClick(window.page, Qt.Key.Key_5)  # the caret is in it, and nothing is selected
    until(lambda: window.panel.list.item(0).data(HIGHLIGHT).color == "purple")
    QTest.keyClick(window.page, Qt.Key.Key_Delete)
    until(lambda: not quotes(window))
    assert window.panel.tabs[1].text() == "Trash  1"


def middle(page: Page, mark: Mark, image: QImage) -> QColor:
    """Return the colour just above the letters in the middle of a mark's first line, where no ink is."""
    rectangle = page.rectangles(mark)[0]
    return image.pixelColor(int(rectangle.center().x()), int(rectangle.top()) + 1)


def painted(color: str, below: QColor) -> QColor:
    """Return what a marker makes of the colour that it is painted over."""
    marker = LIGHT.marker(color)
    alpha = marker.alphaF()
    parts = zip(marker.getRgb()[:3], below.getRgb()[:3], strict=True)  # type: ignore[index]
    return QColor(*(round(over * alpha + under * (1 - alpha)) for over, under in parts))


def near(one: QColor, other: QColor) -> bool:
    parts = zip(one.getRgb()[:3], other.getRgb()[:3], strict=True)  # type: ignore[index]
    return all(abs(left - right) <= 3 for left, right in parts)


def test_highlights_are_painted_in_their_colours_and_over_each_other(opened: Open) -> None:
    window = opened()
    page, paper = window.page, QColor(LIGHT.paper)
    text = page.toPlainText()

    def marked(words: str, color: str) -> Mark:
        at = text.index(words)
        return Mark(color, at, at + len(words), color)

    yellow, blue = marked("God created the heaven", "yellow"), marked("the heaven", "blue")
    green = marked("And God said, Let there be light", "green")
    page.set_marks([yellow, blue, green])
    image = page.viewport().grab().toImage()
    assert near(middle(page, green, image), painted("green", paper))
    assert near(middle(page, blue, image), painted("blue", painted("yellow", paper)))
    alone = marked("God created", "yellow")
    assert near(middle(page, alone, image), painted("yellow", paper))
    assert near(middle(page, marked("And the earth was", "none"), image), paper)


def test_a_mark_over_several_lines_is_painted_on_each(opened: Open) -> None:
    page = opened().page
    text = page.toPlainText()
    start, end = text.index("without form"), text.index("And God saw the light")
    rectangles = page.rectangles(Mark("x", start, end, "blue"))
    assert len(rectangles) >= 3
    assert all(upper.bottom() <= lower.top() + 2 for upper, lower in pairwise(rectangles))


def test_a_click_in_the_list_jumps_there_in_another_chapter_too(opened: Open) -> None:
    window = opened()
    window.books.setCurrentIndex(18)  # Psalms
    window.chapters.setCurrentIndex(118)
    drag_over(window.page, "Blessed [are] the undefiled")
    QTest.keyClick(window.page, Qt.Key.Key_1)
    window.page.jump(window.page.toPlainText().index("I have gone astray like a lost sheep"))
    drag_over(window.page, "I have gone astray like a lost sheep")
    QTest.keyClick(window.page, Qt.Key.Key_2)
    until(lambda: len(quotes(window)) == 2)
    window.books.setCurrentIndex(0)
    assert window.windowTitle().startswith("Genesis 1")
    click_item(window, quotes(window).index("I have gone astray like a lost sheep"))
    assert window.windowTitle().startswith("Psalms 119")
    assert window.page.verticalScrollBar().value() > 1000
    assert window.page.viewport().rect().contains(window.page.cursorRect())


def test_a_text_of_ones_own_with_characters_that_are_two_units(opened: Open, tmp_path: Path) -> None:
    path = tmp_path / "letters.txt"
    path.write_text("🙂🙂 Dear 𝔄da,\nthe 🌊 is calm today.\n" * 3, "utf-8")
    window = opened()
    window.open_text(path)
    drag_over(window.page, "the 🌊 is")
    QTest.keyClick(window.page, Qt.Key.Key_2)
    until(lambda: quotes(window) == ["the 🌊 is"])
    anchor = window.panel.list.item(0).data(HIGHLIGHT).anchor
    start = path.read_text("utf-8").index("the 🌊 is")
    assert (anchor.source, anchor.position.start, anchor.position.end) == ("letters.txt", start, start + 8)
    window.open_text(tmp_path / "nothing.txt")
    assert "nothing.txt cannot be opened" in window.standing.said.text()
    assert window.windowTitle().startswith("letters"), "the text stays"
    window.chapters.setFocus()
    QTest.keyClick(window.chapters, Qt.Key.Key_Space)
    QTest.keyClick(window.chapters.view(), Qt.Key.Key_Return)
    until(lambda: window.windowTitle().startswith("Genesis 1"), "the chapter that was chosen before")
    click_item(window, 0)
    assert "not in the text that is open" in window.standing.said.text()


def test_what_another_program_writes_into_the_file_shows_up(opened: Open, tmp_path: Path) -> None:
    window = opened()
    with blocking.open_library(tmp_path / "ada.sqlite3") as library:
        library.add_highlight(Anchor.verse("Gen.1.3", work="Bible.KJV", quote="Let there be light"), color="orange")
    until(lambda: quotes(window) == ["Let there be light"])


def test_a_colour_of_another_program_is_shown_and_never_an_error() -> None:
    assert LIGHT.marker("chartreuse of my own").isValid()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--library", "picture.png"], "not a library"),
        (["--library", "a.sqlite3", "--relay", "ws://127.0.0.1:1"], "room"),
    ],
)
def test_what_cannot_be_opened_is_said_in_one_line(tmp_path: Path, arguments: list[str], words: str) -> None:
    (tmp_path / "picture.png").write_bytes(b"hello, I am no database" * 50)
    done = subprocess.run(
        [sys.executable, "-m", "docs.examples.desktop_reader", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("desktop_reader: ")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_closing_the_window_closes_the_library(opened: Open, tmp_path: Path) -> None:
    window = opened()
    drag_over(window.page, "without form")
    QTest.keyClick(window.page, Qt.Key.Key_1)
    window.close()
    QApplication.processEvents()
    with blocking.open_library(tmp_path / "ada.sqlite3") as library:
        library.verify()
        assert library.counts().highlights == 1
