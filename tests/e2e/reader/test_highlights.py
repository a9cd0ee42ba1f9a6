"""Highlights in the reader: made, seen elsewhere, changed, deleted, restored, taken back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import expect

from crdt_sync import Anchor, Quote, blocking
from crdt_sync.document import EditHighlight
from tests.e2e.reader.app import App
from tests.relay import RelayProcess

Opened = Callable[..., App]


def test_words_that_are_selected_are_highlighted_here_there_and_on_a_python_device(
    opened: Opened, reader_relay: RelayProcess, room: str, file: Path
) -> None:
    here, there = opened().loaded().in_step(), opened().loaded().in_step()
    here.highlight(3, "Let there be light", "green")
    expect(there.mark("Let there be light")).to_have_attribute("data-color", "green")
    with blocking.open_library(file, relay=reader_relay.url, room=room) as library:
        assert library.synced(10)
        (made,) = library.highlights()
        assert made.anchor.source == "Gen.1.3"
        assert made.anchor.quote is not None
        assert made.anchor.quote.exact == "Let there be light"
        assert made.anchor.position is not None
        assert made.color == "green"
        library.edit(EditHighlight(made.id, color="pink", comment="The first word"))
        expect(here.mark("Let there be light")).to_have_attribute("data-color", "pink")
        library.add_highlight(
            Anchor(work={"id": "Bible.KJV"}, source="Gen.1.1", quote=Quote("the heaven and the earth")), color="blue"
        )
        expect(there.mark("the heaven and the earth")).to_have_attribute("data-color", "blue")
    here.open_mark("Let there be light")
    expect(here.page.get_by_label("Comment")).to_have_value("The first word")


def test_highlights_that_overlap_are_both_there(opened: Opened) -> None:
    app = opened().loaded()
    app.highlight(1, "God created the heaven", "yellow")
    app.highlight(1, "heaven and the earth", "blue")
    expect(app.page.locator("mark[data-under]")).to_have_text("heaven")
    app.page.locator("mark[data-under]").click()
    expect(app.card().get_by_role("group", name="Highlights").get_by_role("button")).to_have_count(2)


def test_a_selection_over_two_verses_is_one_highlight(opened: Opened) -> None:
    app = opened().loaded().in_step()
    app.page.get_by_role("button", name="Verse 1", exact=True).click()
    app.page.get_by_role("button", name="Verse 2", exact=True).click(modifiers=["Shift"])
    app.page.get_by_role("button", name="Highlight in orange").click()
    expect(app.panel().get_by_text("Genesis 1:1–2")).to_be_visible()
    expect(app.page.locator('[data-verse="1"] mark, [data-verse="2"] mark').first).to_have_attribute(
        "data-color", "orange"
    )


def test_a_highlight_is_commented_tagged_deleted_and_restored(opened: Opened) -> None:
    here, there = opened().loaded().in_step(), opened().loaded().in_step()
    here.highlight(2, "darkness")
    card = here.open_mark("darkness")
    card.get_by_label("Comment").fill("What was before?")
    card.get_by_label("Add a tag").fill("creation")
    card.get_by_label("Add a tag").press("Enter")
    card.get_by_label("blue").check(force=True)
    row = there.rows().first
    expect(row).to_contain_text("What was before?")
    expect(row).to_contain_text("creation")
    expect(there.mark("darkness")).to_have_attribute("data-color", "blue")
    card.get_by_role("button", name="Delete").click()
    expect(here.mark("darkness")).to_have_count(0)
    expect(there.mark("darkness")).to_have_count(0)
    there.tab_named("Trash")
    there.page.get_by_role("button", name="Restore").click()
    expect(here.mark("darkness")).to_be_visible()


def test_deleting_offers_to_take_it_back(opened: Opened) -> None:
    app = opened().loaded()
    app.highlight(2, "darkness")
    app.open_mark("darkness").get_by_role("button", name="Delete").click()
    app.page.get_by_role("status").get_by_role("button", name="Undo").click()
    expect(app.mark("darkness")).to_be_visible()


def test_undo_takes_back_ones_own_edits_and_leaves_those_of_others(opened: Opened) -> None:
    here, there = opened().loaded().in_step(), opened().loaded().in_step()
    here.highlight(2, "darkness")
    expect(there.mark("darkness")).to_be_visible()
    here.open_mark("darkness").get_by_label("green").check(force=True)
    here.page.keyboard.press("Escape")
    expect(there.mark("darkness")).to_have_attribute("data-color", "green")
    there.highlight(4, "the light")
    expect(here.mark("the light")).to_be_visible()
    here.page.keyboard.press("Control+z")
    expect(here.mark("darkness")).to_have_attribute("data-color", "yellow")
    here.page.keyboard.press("Control+z")
    expect(here.mark("darkness")).to_have_count(0)
    expect(here.mark("the light")).to_be_visible()
    here.page.keyboard.press("Control+Shift+z")
    expect(there.mark("darkness")).to_be_visible()


def test_filters_narrow_the_list(opened: Opened) -> None:
    app = opened().loaded()
    app.highlight(1, "In the beginning", "yellow")
    app.highlight(3, "Let there be light", "green")
    app.page.get_by_role("button", name="Next chapter").click()
    expect(app.page.get_by_role("heading", name="Genesis 2")).to_be_visible()
    app.highlight(2, "the seventh day", "green")
    expect(app.rows()).to_have_count(3)
    expect(app.rows().first).to_contain_text("Genesis 1:1")
    app.panel().get_by_role("button", name="green").click()
    expect(app.rows()).to_have_count(2)
    app.panel().get_by_label("Where").select_option("chapter")
    expect(app.rows()).to_have_count(1)
    app.panel().get_by_label("Where").select_option("everywhere")
    app.panel().get_by_label("Search highlights").fill("LIGHT there")
    expect(app.rows()).to_have_count(1)
    app.rows().first.get_by_role("button").click()
    expect(app.page.get_by_role("heading", name="Genesis 1")).to_be_visible()
    expect(app.card()).to_be_visible()


def test_words_that_are_not_in_this_text_are_marked_as_unsure(
    opened: Opened, reader_relay: RelayProcess, room: str, file: Path
) -> None:
    app = opened().loaded().in_step()
    with blocking.open_library(file, relay=reader_relay.url, room=room) as library:
        library.add_highlight(
            Anchor(work={"id": "Bible.KJV"}, source="Gen.1.4", quote=Quote("Now the earth was formless"))
        )
        assert library.synced(10)
    expect(app.page.locator("mark[data-unsure]").first).to_be_visible()
    app.page.locator("mark[data-unsure]").first.click()
    expect(app.card()).to_contain_text("not found in this text")
