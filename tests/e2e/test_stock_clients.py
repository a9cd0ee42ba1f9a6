"""What docs/browsers.md shows, in real Chromium against a real relay: stock Yjs, TipTap, and the package."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from crdt_sync.blocking import open_library
from crdt_sync.document import EditHighlight
from tests.blocking.waiting import until
from tests.e2e.browser import Device
from tests.relay import RelayProcess


def test_yjs_and_y_websocket_alone(relay: RelayProcess, device: Callable[[], Device], room: str, folder: Path) -> None:
    with open_library(folder / "python", relay=relay.url, room=room) as library:
        tab = device().open("stock", relay=relay.url, room=room)
        until(library.highlights)
        (highlight,) = library.highlights()
        assert (highlight.anchor.source, highlight.color, highlight.tags) == ("Gen.1.1", "yellow", ("creation",))
        library.edit(EditHighlight(highlight.id, color="green"))
        tab.page.get_by_text('"green"').wait_for()
        until(lambda: [person.name for person in library.presence.people().values()] == ["Ada"])


def test_two_people_write_one_note_in_tiptap(relay: RelayProcess, device: Callable[[], Device], room: str) -> None:
    ada = device().open("tiptap", relay=relay.url, room=room)
    ada.page.locator(".ProseMirror").click()
    ada.page.keyboard.type("In the beginning ")
    bo = device().open("tiptap", relay=relay.url, room=room)
    bo.page.locator(".ProseMirror", has_text="In the beginning").click()
    bo.page.keyboard.press("Control+End")
    bo.page.keyboard.type("was the word")
    ada.page.locator(".ProseMirror", has_text="In the beginning was the word").wait_for()


def test_the_package_shows_what_a_device_edits_and_says_what_is_stored(
    relay: RelayProcess, device: Callable[[], Device], room: str, folder: Path
) -> None:
    tab = device().open("package", relay=relay.url, room=room)
    tab.page.get_by_text("Gen.1.1 green").wait_for()
    tab.until("document.title === 'all is stored (connected)'")
    with open_library(folder / "python", relay=relay.url, room=room) as library:
        until(library.highlights)
        library.edit(EditHighlight(library.highlights()[0].id, color="blue"))
        tab.page.get_by_text("Gen.1.1 blue").wait_for()
