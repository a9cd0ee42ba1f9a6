"""What is said in a group: posts that are hidden, removed and deleted; and how it all looks, for everybody."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.e2e.reader.app import App
from tests.e2e.reader.test_access import findings, picture

Circle = Callable[..., tuple[App, App, str]]


def test_posts_are_hidden_removed_and_deleted(circle: Circle) -> None:
    ada, bob, _name = circle("Editor", "bob-talks")
    theirs = bob.open_mark("Let there be light")
    theirs.get_by_label("Start a discussion").fill("An unkind word")
    theirs.get_by_role("button", name="Post").click()
    card = ada.open_mark("Let there be light")
    expect(card.locator(".post-text")).to_have_text("An unkind word")
    expect(theirs.get_by_role("button", name="Hide")).to_have_count(0)

    card.get_by_role("button", name="Hide").click()
    expect(theirs.get_by_text("An owner has hidden this post.")).to_be_visible()
    expect(theirs.get_by_text("An unkind word")).to_be_hidden()
    ada.page.get_by_role("status").get_by_role("button", name="Undo").click()
    expect(theirs.get_by_text("An unkind word")).to_be_visible()
    card.get_by_role("button", name="Hide").click()
    card.get_by_text("An owner has hidden this post.").click()
    expect(card.get_by_text("An unkind word")).to_be_visible()
    card.get_by_role("button", name="Show again").click()
    expect(theirs.get_by_text("An unkind word")).to_be_visible()

    card.get_by_role("button", name="Remove", exact=True).click()
    question = card.get_by_role("group", name="Remove this post for good?")
    ada.page.keyboard.press("Escape")
    expect(question).to_have_count(0)
    expect(card).to_be_visible()
    card.get_by_role("button", name="Remove", exact=True).click()
    question.get_by_role("button", name="Remove for good").click()
    expect(theirs.get_by_text("An owner has removed this post.")).to_be_visible()
    expect(card.get_by_text("An unkind word")).to_have_count(0)

    theirs.get_by_label("Reply").fill("I am sorry")
    theirs.get_by_role("button", name="Post").click()
    expect(card.get_by_text("I am sorry")).to_be_visible()
    theirs.get_by_role("button", name="Delete", exact=True).first.click()
    theirs.get_by_role("group", name="Delete this post for good?").get_by_role("button", name="Delete for good").click()
    expect(card.get_by_text("This post was deleted.")).to_be_visible()


OVERHANGING = """[...document.querySelectorAll("html, dialog, .card")]
  .filter((each) => each.scrollWidth > each.clientWidth).map((each) => each.className)"""


@pytest.mark.parametrize("look", ["light", "dark", "phone", "german"])
def test_the_dialogs_of_a_group_are_for_everybody(circle: Circle, look: str) -> None:
    """They have no serious finding of axe, and nothing hangs over on a phone."""
    options: dict[str, object] = {"color_scheme": "dark" if look == "dark" else "light", "reduced_motion": "reduce"}
    if look == "phone":
        options |= {
            "viewport": {"width": 390, "height": 844},
            "name": "The reading circle of the old library, Tuesdays at eight",
        }
    ada, bob, _name = circle("Editor", f"bob-{look}", **options)
    talk = bob.open_mark("Let there be light")
    talk.get_by_label("Start a discussion").fill("Which light, before the sun? " * 3)
    talk.get_by_role("button", name="Post").click()
    if look == "german":
        ada.page.get_by_role("button", name="Settings").click()
        ada.page.get_by_label("Language").select_option("de")
        ada.page.keyboard.press("Escape")
    found = {}

    def look_at(view: str) -> None:
        found[view] = findings(ada.page)
        picture(ada.page, f"group-{view}-{look}")
        assert ada.tab.run(OVERHANGING) == [], view

    ada.mark("Let there be light").click()
    card = ada.page.locator(".card")
    expect(card.locator(".post-text")).to_be_visible()
    look_at("posts")
    card.locator(".post-actions button").last.click()
    look_at("question")
    ada.page.keyboard.press("Escape")
    ada.page.keyboard.press("Escape")
    ada.page.locator(".group-button").click()
    expect(ada.page.locator(".rooms .row")).to_have_count(2)
    look_at("libraries")
    ada.page.locator(".rooms .button").click()
    expect(ada.page.locator(".member")).to_have_count(2)
    ada.page.locator(".inviting form .button").click()
    expect(ada.page.locator("#invitation")).to_be_visible()
    look_at("members")
    ada.page.locator(".member .icon-button").click()
    look_at("removal")
    ada.page.keyboard.press("Escape")
    ada.page.locator(".member select").last.select_option("owner")
    look_at("owner")
    assert {view: each for view, each in found.items() if each} == {}
