"""Notes in the reader: rich text over the library's document, typed by two at once, linked, and from strangers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Locator, expect

from crdt_sync import blocking
from tests.e2e.reader.app import App
from tests.relay import RelayProcess

Opened = Callable[..., App]


def new_note(app: App, title: str) -> Locator:
    app.tab_named("Notes")
    app.page.get_by_role("button", name="New note").click()
    app.page.get_by_label("Title").fill(title)
    body = app.page.get_by_role("textbox", name="Text of the note")
    body.click()
    return body


def open_note(app: App, title: str) -> Locator:
    app.tab_named("Notes")
    app.rows().filter(has_text=title).get_by_role("button").click()
    return app.page.get_by_role("textbox", name="Text of the note")


def test_a_note_that_two_type_in_at_once_has_what_both_wrote(
    opened: Opened, reader_relay: RelayProcess, room: str, file: Path
) -> None:
    here, there = opened().loaded().in_step(), opened().loaded().in_step()
    mine = new_note(here, "Light")
    here.page.keyboard.type("Above the sun.")
    theirs = open_note(there, "Light")
    expect(theirs).to_contain_text("Above the sun.")
    theirs.click()
    there.page.keyboard.press("Control+End")
    there.page.keyboard.press("Enter")
    for ours, yours in zip("morning", "evening", strict=True):
        here.page.keyboard.type(ours)
        there.page.keyboard.type(yours)
    for body in (mine, theirs):
        expect(body).to_contain_text("Above the sun.morning")
        expect(body).to_contain_text("evening")
    expect(there.page.locator(".caret-name").first).to_be_attached()
    with blocking.open_library(file, relay=reader_relay.url, room=room) as library:
        assert library.synced(10)
        (note,) = library.notes()
        assert note.title == "Light"
        assert note.text == "Above the sun.morning\nevening"


def test_what_the_editor_formats_python_reads_as_markdown(
    opened: Opened, reader_relay: RelayProcess, room: str, file: Path
) -> None:
    app = opened().loaded().in_step()
    new_note(app, "Formats")
    app.page.get_by_role("button", name="Bold").click()
    app.page.keyboard.type("strong")
    app.page.get_by_role("button", name="Bold").click()
    app.page.keyboard.press("Enter")
    app.page.get_by_role("button", name="List", exact=True).click()
    app.page.keyboard.type("one")
    app.page.keyboard.press("Enter")
    app.page.keyboard.type("two ")
    app.page.get_by_role("button", name="Link", exact=True).click()
    app.page.get_by_label("Link to").fill("Gen.1.3")
    app.page.get_by_label("Link to").press("Enter")
    expect(app.page.locator("a[data-kind=verse]")).to_have_text("Gen.1.3")
    expect(app.page.locator("[data-sync=connected]")).to_be_attached()
    with blocking.open_library(file, relay=reader_relay.url, room=room) as library:
        assert library.synced(10)
        (note,) = library.notes()
        markdown = library.note_markdown(note.id)
        assert "**strong**" in markdown
        assert "- one" in markdown
        assert "[Gen.1.3](osis:Gen.1.3)" in markdown


def test_opening_a_note_that_python_wrote_changes_nothing_in_it(
    opened: Opened, reader_relay: RelayProcess, room: str, file: Path
) -> None:
    text = "# Head\n\n- one\n- *two*\n\n> quoted\n\n1. first\n\n```\ncode\n```\n\n[John](osis:John.1.1)"
    with blocking.open_library(file, relay=reader_relay.url, room=room) as library:
        note = library.add_note(text, title="From Python", markdown=True)
        assert library.synced(10)
        before = library.note_markdown(note)
        app = opened().loaded().in_step()
        body = open_note(app, "From Python")
        expect(body.get_by_role("heading", name="Head")).to_be_visible()
        expect(body.locator("em")).to_have_text("two")
        expect(app.page.locator("[data-sync=connected]")).to_be_attached()
        assert library.synced(10)
        assert library.note_markdown(note) == before
        body.locator("a[data-kind=verse]").click()
        expect(app.page.get_by_role("heading", name="John 1", exact=True)).to_be_visible()


def test_notes_are_found_linked_and_lead_back(opened: Opened) -> None:
    app = opened().loaded().in_step()
    new_note(app, "Light")
    app.page.keyboard.type("Before the sun")
    app.page.get_by_role("button", name="Notes", exact=True).click()
    new_note(app, "Creation")
    app.page.keyboard.type("See [[Light]] and ")
    app.page.get_by_role("button", name="Link", exact=True).click()
    app.page.get_by_label("Link to").fill("light")
    app.page.get_by_label("Link to").press("Enter")
    app.page.locator("a[data-kind=note]").click()
    expect(app.page.get_by_label("Title")).to_have_value("Light")
    app.panel().locator(".backlinks").get_by_role("button", name="Creation").click()
    expect(app.page.get_by_label("Title")).to_have_value("Creation")
    app.page.get_by_role("button", name="Notes", exact=True).click()
    app.page.get_by_label("Search notes").fill("sun before")
    expect(app.rows()).to_have_count(1)
    expect(app.rows()).to_contain_text("Light")


def test_a_note_on_a_highlight_is_opened_from_it(opened: Opened) -> None:
    app = opened().loaded()
    app.select(3, "Let there be light")
    app.page.get_by_role("button", name="Note", exact=True).click()
    app.page.get_by_label("Title").fill("First words")
    app.open_mark("Let there be light").get_by_role("button", name="First words").click()
    expect(app.page.get_by_label("Title")).to_have_value("First words")
