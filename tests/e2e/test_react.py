"""docs/react.md, as it stands there: the reader that it builds is in step with others and says how it stands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from crdt_sync import Anchor
from crdt_sync.blocking import open_library
from crdt_sync.document import EditHighlight
from tests.blocking.waiting import until
from tests.e2e.browser import Device, Tab
from tests.relay import RelayProcess

BLUE = "getComputedStyle(document.querySelector('mark')).backgroundColor === 'rgb(173, 216, 230)'"


def reader(device: Device, relay: RelayProcess, user: str) -> Tab:
    tab = device.open("reader", network_fails=True, relay=relay.url, user=user)
    tab.page.get_by_text("Up to date").wait_for()
    return tab


def test_the_reader_of_the_how_to(relay: RelayProcess, device: Callable[[], Device], folder: Path) -> None:
    one, two = reader(device(), relay, "react"), reader(device(), relay, "react")
    one.page.get_by_role("button", name="mark").first.click()
    two.page.get_by_role("button", name="blue").click()
    one.until(BLUE)
    with open_library(folder / "python", relay=relay.url, room="u/react") as library:
        until(library.highlights)
        (highlight,) = library.highlights()
        assert (highlight.anchor.source, highlight.color) == ("Gen.1.1", "lightblue")
        library.edit(EditHighlight(highlight.id, color="pink"))
        two.until("getComputedStyle(document.querySelector('mark')).backgroundColor === 'rgb(255, 192, 203)'")
    one.screenshot("react")
    two.page.get_by_role("button", name="remove").click()
    one.page.get_by_role("button", name="remove").wait_for(state="detached")


def test_offline_it_says_what_waits_and_the_mark_is_there_after_all(
    relay: RelayProcess, device: Callable[[], Device], folder: Path
) -> None:
    phone = device()
    tab = reader(phone, relay, "offline")
    phone.context.set_offline(True)
    tab.page.get_by_text("Offline", exact=True).wait_for()
    tab.page.get_by_role("button", name="mark").first.click()
    tab.page.get_by_text("Offline, 1 change waiting").wait_for()
    phone.context.set_offline(False)
    tab.page.get_by_text("Up to date").wait_for()
    with open_library(folder / "python", relay=relay.url, room="u/offline") as library:
        until(library.highlights)


def test_the_shelf_of_the_how_to(relay: RelayProcess, device: Callable[[], Device], folder: Path) -> None:
    tab = device().open("shelf", network_fails=True, relay=relay.url, user="shelf")
    button, page = tab.page.get_by_role("button", name="turn the page"), tab.page
    with open_library(folder / "python", relay=relay.url, room="u/shelf") as library:
        button.click()
        until(lambda: library.reading.positions("Bible.KJV"))
        (place,) = library.reading.positions("Bible.KJV")
        assert (place.anchor.source, place.device_name, place.here) == ("Gen.2", "Browser", False)
        page.get_by_role("button", name="set a bookmark").click()
        page.get_by_text("the second account").wait_for()
        page.get_by_role("button", name="make a list").click()
        page.get_by_text("For Sunday: Gen.2").wait_for()
        until(library.collections)
        assert [mark.comment for mark in library.bookmarks("Bible.KJV")] == ["the second account"]
        (collection,) = library.collections()
        verse = Anchor.verse("Gen.1.3", work="Bible.KJV")
        library.add_to_collection(collection.id, library.add_highlight(verse, tags=("light",)), before=None)
        page.get_by_text("For Sunday: Gen.2, Gen.1.3").wait_for()
        page.get_by_text("light (1)").wait_for()
        library.reading.name_device("Desk")
        library.reading.set_position("Bible.KJV", source="Exod.3", progression=0.04)
        library.reading.write()
        page.get_by_role("button", name="not where Desk is: Exod.3").click()
        page.get_by_role("button", name="not where Desk is").wait_for(state="detached")
