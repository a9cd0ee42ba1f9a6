"""The reader for everybody: the keyboard alone, screen readers (axe), both themes, a phone, German, right to left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser import ARTEFACTS
from tests.e2e.reader.app import App
from tests.e2e.site import WEB

Opened = Callable[..., App]
AXE = WEB / "reader" / "node_modules" / "axe-core" / "axe.min.js"


def findings(page: Page) -> list[str]:
    """Return what axe finds that is serious or critical."""
    page.evaluate(f"{AXE.read_text('utf-8')}; null")
    result: dict[str, Any] = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{each['id']} ({each['impact']}): {[node['html'][:160] for node in each['nodes']][:3]}"
        for each in result["violations"]
        if each["impact"] in ("serious", "critical")
    ]


def picture(page: Page, name: str) -> None:
    ARTEFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTEFACTS / f"{name}.png")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_any_view(opened: Opened, theme: str) -> None:
    app = opened(color_scheme=theme, reduced_motion="reduce").loaded().in_step()
    for verse, words, color in (
        (1, "In the beginning", "yellow"), (1, "beginning God", "blue"), (2, "darkness", "green"),
        (3, "Let there be light", "pink"), (4, "God saw", "orange"), (5, "Night", "purple"),
    ):  # fmt: skip
        app.highlight(verse, words, color)
    found = {"text": findings(app.page)}
    app.select(6, "firmament")
    found["toolbar"] = findings(app.page)
    app.page.keyboard.press("Escape")
    card = app.open_mark("darkness")
    card.get_by_label("Add a tag").fill("night")
    card.get_by_label("Add a tag").press("Enter")
    found["card"] = findings(app.page)
    picture(app.page, f"card-{theme}")
    card.get_by_role("button", name="Note", exact=True).click()
    expect(app.page.get_by_role("textbox", name="Text of the note")).to_be_visible()
    found["note"] = findings(app.page)
    picture(app.page, f"note-{theme}")
    app.open_mark("darkness").get_by_role("button", name="Delete").click()
    app.tab_named("Trash")
    found["trash"] = findings(app.page)
    for key, name in (("b", "Books and chapters"), (None, "Settings")):
        if key:
            app.page.locator("body").press(key)
        else:
            app.page.get_by_role("button", name=name).click()
        expect(app.page.get_by_role("dialog", name=name)).to_be_visible()
        found[name] = findings(app.page)
        picture(app.page, f"{name.split()[0].lower()}-{theme}")
        app.page.keyboard.press("Escape")
        expect(app.page.get_by_role("dialog", name=name)).to_have_count(0)
    assert {view: each for view, each in found.items() if each} == {}


def test_with_the_keyboard_alone(opened: Opened) -> None:
    app = opened().loaded().in_step()
    keyboard = app.page.keyboard
    keyboard.press("Tab")
    expect(app.page.get_by_role("link", name="Skip to the text")).to_be_focused()
    keyboard.press("Enter")
    expect(app.page.get_by_role("button", name="Verse 1", exact=True)).to_be_focused()
    keyboard.press("ArrowDown")
    expect(app.page.get_by_role("button", name="Verse 2", exact=True)).to_be_focused()
    keyboard.press("Shift+ArrowDown")
    expect(app.page.get_by_role("toolbar", name="What to do")).to_be_visible()
    keyboard.press("2")
    expect(app.rows()).to_contain_text("Genesis 1:2–3")
    expect(app.page.get_by_role("button", name="Verse 3", exact=True)).to_be_focused()
    keyboard.press("Enter")
    expect(app.page.get_by_role("button", name="Highlight in yellow")).to_be_focused()
    keyboard.press("ArrowLeft")
    keyboard.press("Enter")  # the last one of the toolbar opens what stands here
    expect(app.card()).to_be_focused()
    keyboard.press("Tab")
    keyboard.press("Escape")
    expect(app.card()).to_have_count(0)
    expect(app.page.locator(".verse-number[tabindex='0']")).to_be_focused()
    keyboard.press("ArrowRight")
    expect(app.page.get_by_role("heading", name="Genesis 2", exact=True)).to_be_visible()
    keyboard.press("b")
    keyboard.type("rom 8")
    keyboard.press("Enter")
    expect(app.page.get_by_role("heading", name="Romans 8", exact=True)).to_be_visible()
    keyboard.press("/")
    expect(app.page.get_by_label("Search highlights")).to_be_focused()


def test_on_a_phone(opened: Opened) -> None:
    app = (
        opened(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, reduced_motion="reduce")
        .loaded()
        .in_step()
    )
    app.highlight(3, "Let there be light", "green")
    expect(app.panel()).to_have_count(0)
    assert app.tab.run("document.documentElement.scrollWidth <= innerWidth"), "nothing hangs over"
    app.mark("Let there be light").tap()
    box = app.card().bounding_box()
    assert box is not None
    assert (box["x"], round(box["y"] + box["height"])) == (0, 844), "it comes from below"
    assert findings(app.page) == []
    picture(app.page, "phone-card")
    app.page.keyboard.press("Escape")
    app.page.get_by_role("button", name="Highlights and notes").tap()
    expect(app.rows()).to_have_count(1)
    assert findings(app.page) == []
    app.rows().first.get_by_role("button").tap()
    expect(app.panel()).to_have_count(0)
    expect(app.card()).to_be_visible()


def test_in_german_and_from_right_to_left(opened: Opened) -> None:
    app = opened(locale="de-DE", place="Gen.1.3").loaded()
    expect(app.page.get_by_role("heading", name="1. Mose 1")).to_be_visible()
    assert app.page.locator("html").get_attribute("lang") == "de"
    app.page.get_by_role("button", name="Einstellungen").click()
    app.page.get_by_label("Sprache").select_option("en")
    expect(app.page.get_by_role("dialog", name="Settings")).to_be_visible()
    app.page.keyboard.press("Escape")
    app.tab.run("document.documentElement.dir = 'rtl'")
    title = app.page.get_by_role("heading", name="Genesis 1", exact=True).bounding_box()
    panel = app.panel().bounding_box()
    assert title is not None
    assert panel is not None
    assert panel["x"] < title["x"], "the panel is on the other side"
    picture(app.page, "right-to-left")


def test_the_theme_follows_the_system_until_it_is_chosen(opened: Opened) -> None:
    app = opened(color_scheme="dark").loaded()
    theme = app.page.locator("html")
    expect(theme).to_have_attribute("data-theme", "dark")
    app.page.emulate_media(color_scheme="light")
    expect(theme).to_have_attribute("data-theme", "light")
    app.page.get_by_role("button", name="Appearance: Dark").click()
    expect(theme).to_have_attribute("data-theme", "dark")
    app.page.reload()
    expect(theme).to_have_attribute("data-theme", "dark")


def test_who_is_here_is_shown_and_where_they_read(opened: Opened) -> None:
    here, there = opened().loaded().in_step(), opened(place="Rom.8").loaded().in_step()
    there.page.get_by_role("button", name="Settings").click()
    there.page.get_by_label("Your name").fill("Grace Hopper")
    there.page.keyboard.press("Escape")
    avatar = here.page.get_by_role("button", name="Grace Hopper reads Romans 8")
    expect(avatar).to_have_attribute("data-shown", "GH")
    avatar.click()
    expect(here.page.get_by_text("Also reading this chapter: Grace Hopper")).to_be_visible()
    there.page.close()
    expect(here.page.locator(".avatar")).to_have_count(0)


def test_another_devices_place_is_offered_and_never_gone_to(opened: Opened) -> None:
    there = opened().loaded().in_step()
    there.page.get_by_role("button", name="Next chapter").click()
    expect(there.page.get_by_role("heading", name="Genesis 2", exact=True)).to_be_visible()
    there.in_step()
    here = opened(place="John.3").loaded().in_step()
    offer = here.page.get_by_role("status").filter(has_text="was last at Genesis 2")
    expect(offer).to_be_visible()
    expect(here.page.get_by_role("heading", name="John 3", exact=True)).to_be_visible()
    here.page.get_by_role("button", name="Go there").click()
    expect(here.page.get_by_role("heading", name="Genesis 2", exact=True)).to_be_visible()
    expect(offer).to_have_count(0)
