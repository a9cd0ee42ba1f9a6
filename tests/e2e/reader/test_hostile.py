"""What strangers write into a shared library, and show of themselves, is text and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from playwright.sync_api import expect
from pycrdt import Doc, XmlElement, XmlFragment, XmlText

from crdt_sync import Anchor, Quote, blocking
from tests.e2e.reader.app import App
from tests.relay import RelayProcess

Opened = Callable[..., App]
HOSTILE = [
    "javascript:document.title='owned'",
    "JaVaScRiPt:document.title='owned'",
    "java\tscript:document.title='owned'",
    " javascript:document.title='owned'",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
]
SCRIPT = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


def put_link(relay: RelayProcess, room: str, note: str, href: str) -> None:
    """Write a link into a note as any Yjs client can, whatever it leads to."""
    doc = Doc[Any]()
    body = doc.get(f"note/{note}", type=XmlFragment)
    paragraph = body.children.append(XmlElement("paragraph"))
    paragraph.children.append(XmlText("click here")).format(0, 10, {"link": {"href": href}})
    url = f"{relay.url.replace('ws', 'http', 1)}/api/v1/rooms/{quote(room, safe='')}/document"
    answer = httpx.post(url, content=doc.get_update(), headers={"content-type": "application/octet-stream"})
    assert answer.status_code == 204, answer.text


def test_a_hostile_comment_tag_title_and_quote_are_shown_as_they_are(
    opened: Opened, reader_relay: RelayProcess, room: str, file: Path
) -> None:
    with blocking.open_library(file, relay=reader_relay.url, room=room, author=SCRIPT) as library:
        anchor = Anchor(work={"id": "Bible.KJV", "title": SCRIPT}, source="Gen.1.1", quote=Quote(SCRIPT))
        item = library.add_highlight(anchor, color=f'"><b>{SCRIPT}', tags=[SCRIPT], comment=SCRIPT)
        library.add_note(SCRIPT, title=SCRIPT, highlight_id=item)
        assert library.synced(10)
        app = opened().loaded().in_step()
        expect(app.rows()).to_contain_text("<script>")
        app.page.locator("mark").first.click()
        expect(app.page.get_by_label("Comment")).to_have_value(SCRIPT)
        app.card().get_by_role("button", name="onerror").last.click()
        expect(app.page.get_by_role("textbox", name="Text of the note")).to_contain_text("<script>")
        expect(app.page.locator("img, script:not([src])")).to_have_count(0)
        assert "owned" not in app.page.title()


@pytest.mark.parametrize("href", HOSTILE)
def test_a_link_to_a_script_leads_nowhere(opened: Opened, reader_relay: RelayProcess, file: Path, href: str) -> None:
    room = f"bait-{HOSTILE.index(href)}"
    with blocking.open_library(file, relay=reader_relay.url, room=room) as library:
        note = library.add_note("", title="Bait")
        assert library.synced(10)
    put_link(reader_relay, room, note, href)
    app = opened(in_room=room).loaded().in_step()
    app.tab_named("Notes")
    app.rows().first.get_by_role("button").click()
    words = app.page.get_by_text("click here")
    expect(words).to_be_visible()
    expect(app.page.locator(".note-body a")).to_have_count(0)
    words.click()
    assert "owned" not in app.page.title()


def test_hostile_presence_shows_text_or_nothing(
    opened: Opened, reader_relay: RelayProcess, room: str, tmp_path: Path
) -> None:
    app = opened().loaded().in_step()
    app.tab_named("Notes")
    app.page.get_by_role("button", name="New note").click()
    app.page.get_by_label("Title").fill("Watched")
    states: list[dict[str, object]] = [
        {
            "user": {
                "name": SCRIPT,
                "color": "red;background:url(//evil.example)",
                "avatar": "https://evil.example/x.png",
            }
        },
        {"user": {"name": "Cursor", "color": "#9c1c1c"}, "cursor": {"anchor": None, "head": 5}},
        {"user": {"name": "Far"}, "cursor": {"anchor": {"item": {"client": 1, "clock": 9e15}}, "head": {"tname": "x"}}},
        {"user": [["name"]], "reading": "Gen.1"},
        {"user": {"name": "x" * 5000}, "reading": {"work": "Bible.KJV", "source": "javascript:alert(1)"}},
    ]
    with ExitStack() as strangers:
        for at, state in enumerate(states):
            stranger = blocking.open_library(tmp_path / f"{at}", relay=reader_relay.url, room=room)
            strangers.enter_context(stranger).presence.set(state)
        expect(app.page.locator(".company .avatar")).to_have_count(4)
        expect(app.page.locator("img")).to_have_count(0)
        body = app.page.get_by_role("textbox", name="Text of the note")
        body.click()
        app.page.keyboard.type("still here")
        expect(body).to_contain_text("still here")
