"""What Python imports, opened and edited in the reader: by two browsers at once, offline, and read by Python again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from crdt_sync import Anchor, blocking
from tests.blocking.waiting import until
from tests.e2e.reader.app import App
from tests.e2e.reader.test_notes import open_note
from tests.relay import RelayProcess

Opened = Callable[..., App]
TEXT = "In the first line\n\nand in the 𝔘third"

LINES = """(wanted) => wanted === [...document.querySelectorAll(".note-body p")].map((line) => {
  const words = line.cloneNode(true);
  for (const caret of words.querySelectorAll(".caret")) caret.remove();
  return words.textContent;
}).join("\\n")"""
"""The words of the note that is open, without the carets of others."""


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """A file of annotations: a highlight with a comment, and a note on it."""
    path = tmp_path / "annotations.json"
    with blocking.open_library(tmp_path / "elsewhere.sqlite3") as library:
        verse = Anchor.verse("Gen.1.1", work="Bible.KJV", quote="In the beginning")
        highlight = library.add_highlight(verse, color="green", comment="from a file")
        library.add_note(TEXT, title="Imported", highlight_id=highlight)
        library.export_file(path, "epub-json")
    return path


def write(app: App, paragraph: Locator, words: str, *, at_start: bool = False) -> None:
    """Click before or behind the words of a line, and type."""
    width = paragraph.evaluate("(line) => line.clientWidth")
    paragraph.click(position={"x": 1 if at_start else width - 2, "y": 8})
    app.page.keyboard.type(words)


def test_an_imported_note_is_edited_by_two_browsers_that_open_it_at_once(
    opened: Opened, reader_relay: RelayProcess, room: str, file: Path, exported: Path
) -> None:
    with blocking.open_library(file, relay=reader_relay.url, room=room) as library:
        assert len(library.import_file(exported).added) == 2
        assert library.synced(10)
        here = opened(network_fails=True).loaded().in_step()
        there = opened(network_fails=True).loaded().in_step()
        for app in (here, there):
            app.tab_named("Notes")
            expect(app.rows().filter(has_text="Imported")).to_contain_text("In the first line")
            app.page.context.set_offline(True)
        mine, theirs = open_note(here, "Imported"), open_note(there, "Imported")
        for body in (mine, theirs):
            expect(body.locator("p")).to_have_text(["In the first line", "", "and in the 𝔘third"])
        write(here, mine.locator("p").first, "Here: ", at_start=True)
        write(there, theirs.locator("p").last, ", there")
        for app in (here, there):
            app.page.context.set_offline(False)
        for app in (here, there):
            app.tab.until(LINES, "Here: In the first line\n\nand in the 𝔘third, there")
            app.in_step()
        until(lambda: library.notes()[0].text == "Here: In the first line\n\nand in the 𝔘third, there")
        (note,) = library.notes()
        assert note.title == "Imported"
        again = library.import_file(exported)
        assert (again.added, again.changed, len(again.there)) == ((), (), 2)
        write(here, mine.locator("p").first, ", once more")
        there.tab.until(LINES, "Here: In the first line, once more\n\nand in the 𝔘third, there")
        until(lambda: library.notes()[0].text == "Here: In the first line, once more\n\nand in the 𝔘third, there")


def test_an_imported_note_that_is_only_looked_at_keeps_its_words(
    opened: Opened, reader_relay: RelayProcess, room: str, file: Path, exported: Path
) -> None:
    with blocking.open_library(file, relay=reader_relay.url, room=room) as library:
        library.import_file(exported)
        assert library.synced(10)
        app = opened().loaded().in_step()
        expect(open_note(app, "Imported").locator("p")).to_have_count(3)
        app.page.reload()
        app.loaded().in_step()
        expect(open_note(app, "Imported").locator("p")).to_have_text(["In the first line", "", "and in the 𝔘third"])
        assert library.synced(10)
        (note,) = library.notes()
        assert note.text == TEXT


def test_an_imported_comment_is_changed_and_stays_so_when_the_file_comes_again(
    opened: Opened, reader_relay: RelayProcess, room: str, file: Path, exported: Path
) -> None:
    with blocking.open_library(file, relay=reader_relay.url, room=room) as library:
        library.import_file(exported)
        assert library.synced(10)
        app = opened().loaded().in_step()
        comment = app.open_mark("In the beginning").get_by_label("Comment")
        expect(comment).to_have_value("from a file")
        comment.fill("from a person")
        app.page.keyboard.press("Escape")
        until(lambda: library.highlights()[0].comment == "from a person")
        library.import_file(exported)
        assert library.synced(10)
        assert library.highlights()[0].comment == "from a person"
        expect(app.open_mark("In the beginning").get_by_label("Comment")).to_have_value("from a person")
