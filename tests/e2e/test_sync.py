"""The browser's package in real Chromium, with a Python device and a real relay, on good networks and bad ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from crdt_sync import Anchor
from crdt_sync.blocking import Library, open_library
from crdt_sync.document import EditHighlight
from tests.blocking.waiting import until
from tests.e2e.browser import Device, Tab
from tests.e2e.site import Site
from tests.proxies import Proxy, Upgrade
from tests.relay import RelayProcess

Devices = Callable[[], Device]

STORED = "(session.provider.status.state === 'connected' && session.provider.status.pending === 0)"
ADD = "([id, source, color]) => session.library.addHighlight({ id, anchor: { source }, color })"
CONTENT = """session.library.highlights().map(({ id, color, comment, tags }) => ({ id, color, comment, tags }))
    .sort((one, other) => (one.id < other.id ? -1 : 1))"""
HAS = "(wanted) => wanted.every((id) => session.library.highlight(id))"


def opened(device: Device, relay: str, room: str, **query: str) -> Tab:
    tab = device.open("library", network_fails=True, relay=relay, room=room, **query)
    tab.until("window.session !== undefined")
    return tab


def content(library: Library) -> list[dict[str, Any]]:
    found = [
        {"id": each.id, "color": each.color, "comment": each.comment, "tags": list(each.tags)}
        for each in library.highlights()
    ]
    return sorted(found, key=lambda each: str(each["id"]))


def test_a_highlight_crosses_to_the_other_browser_and_to_a_python_device(
    relay: RelayProcess, device: Devices, room: str, folder: Path
) -> None:
    one, two = opened(device(), relay.url, room), opened(device(), relay.url, room)
    with open_library(folder / "python", relay=relay.url, room=room) as library:
        one.run(ADD, ["h", "Gen.1.1", "green"])
        two.until("session.library.highlight('h')?.color === 'green'")
        until(lambda: library.highlight("h"))
        library.edit(EditHighlight("h", color="blue", add_tags=("creation",)))
        for tab in (one, two):
            tab.until("session.library.highlights({ tag: 'creation' })[0]?.color === 'blue'")
        two.run("session.library.trash('h')")
        until(lambda: not library.highlights())
        one.until("session.library.highlights({ trashed: true }).length === 1")
        one.until(STORED)


def test_offline_edits_on_three_devices_survive_a_reload_and_meet(
    relay: RelayProcess, site: Site, device: Devices, room: str, folder: Path
) -> None:
    phone, desk = device(), device()
    phone.keep_site(site.folder)
    one, two = opened(phone, relay.url, room), opened(desk, relay.url, room)
    one.run(ADD, ["h", "Gen.1.1", "yellow"])
    one.until(STORED)
    with open_library(folder / "python", relay=relay.url, room=room) as library:
        until(lambda: library.highlight("h"))
        two.until(HAS, ["h"])
    phone.context.set_offline(True)
    one.until("session.provider.status.state === 'waiting'")
    one.run("session.library.editHighlight('h', { color: 'green', addTags: ['phone'] })")
    one.run(ADD, ["phone", "Gen.1.2", "pink"])
    one.run("session.provider.flushed()")
    one.page.reload()
    one.until("window.session !== undefined")
    assert one.run("session.provider.status.pending") == 2
    one.run("session.library.editHighlight('h', { comment: 'from the phone' })")
    two.run("session.library.editHighlight('h', { addTags: ['desk'] })")
    two.run(ADD, ["desk", "Gen.1.3", "blue"])
    with open_library(folder / "python") as library:  # no relay: it is offline too
        library.edit(EditHighlight("h", add_tags=("python",)))
    phone.context.set_offline(False)
    with open_library(folder / "python", relay=relay.url, room=room) as library:
        for tab in (one, two):
            tab.until(HAS, ["h", "phone", "desk"])
            tab.until("session.library.highlight('h').tags.join() === 'desk,phone,python'")
            tab.until(STORED)
        until(lambda: len(library.highlights()) == 3 and len(library.highlights()[0].tags) == 3)
        wanted = {"id": "h", "color": "green", "comment": "from the phone", "tags": ["desk", "phone", "python"]}
        assert wanted in content(library)
        assert one.run(CONTENT) == two.run(CONTENT) == content(library)


def test_a_relay_that_is_killed_amid_edits_loses_none_that_it_confirmed_or_that_waits(
    device: Devices, room: str, tmp_path: Path
) -> None:
    with RelayProcess(tmp_path / "relay") as relay:
        one = opened(device(), relay.url, room)
        one.until("session.provider.status.state === 'connected'")
        one.run("""() => {
            let n = 0;
            window.writing = setInterval(() => {
                if (n < 200) session.library.addHighlight({ id: `h${n++}`, anchor: { source: 'Gen.1.1' } });
                else clearInterval(window.writing);
            }, 2);
        }""")
        one.until("session.library.highlight('h20')")
        relay.kill()
        one.until("session.provider.status.state === 'waiting'")
        one.until("session.library.highlight('h199')")
        assert one.run("session.provider.status.pending") > 0
        relay.start()
        one.run("session.provider.reconnect()")
        one.until(STORED)
        two = opened(device(), relay.url, room)
        two.until("session.library.highlights().length === 200")


@contextmanager
def relay_with_tokens(folder: Path, secret: str) -> Iterator[RelayProcess]:
    settings = folder / "settings.toml"
    settings.write_text(f'jwt-secret = "{secret}"\n', "utf-8")
    settings.chmod(0o600)
    arguments = (
        "--auth",
        "jwt",
        "--jwt-issuer",
        "https://issuer.example",
        "--jwt-audience",
        "relay",
        "--jwt-leeway",
        "0",
    )
    with RelayProcess(folder / "relay", *arguments, "--config", str(settings)) as relay:
        yield relay


def test_tokens_of_a_few_seconds_are_renewed_with_no_loss_of_connection(device: Devices, tmp_path: Path) -> None:
    secret = "a secret of the tests, of 32 bytes or more"
    with relay_with_tokens(tmp_path, secret) as relay:
        tab = opened(device(), relay.url, "u/ada", subject="ada", secret=secret, seconds="7")
        tab.until("session.provider.status.state === 'connected'")
        tab.run(ADD, ["h", "Gen.1.1", "green"])
        tab.until("window.asked > 2")
        tab.run("session.library.editHighlight('h', { color: 'blue' })")
        tab.until(STORED)
        assert set(tab.run("window.states")) <= {"connecting", "syncing", "connected"}
        assert tab.run("window.states").count("connecting") <= 1


def test_a_network_without_websockets_polls_and_goes_back(relay: RelayProcess, device: Devices, room: str) -> None:
    with Proxy(relay.port, upgrade=Upgrade.REFUSE) as proxy:
        one, two = opened(device(), proxy.url, room), opened(device(), relay.url, room)
        one.until("session.provider.status.transport === 'polling' && session.provider.status.state === 'connected'")
        one.run(ADD, ["h", "Gen.1.1", "green"])
        two.until(HAS, ["h"])
        two.run("session.library.editHighlight('h', { color: 'blue' })")
        one.until("session.library.highlight('h').color === 'blue'")
        proxy.upgrade = Upgrade.PASS
        one.run("session.provider.reconnect()")
        one.until("session.provider.status.transport === 'websocket' && session.provider.status.state === 'connected'")
        one.run("session.library.editHighlight('h', { color: 'pink' })")
        two.until("session.library.highlight('h').color === 'pink'")
        one.until(STORED)


def test_two_tabs_are_in_step_without_the_relay_and_one_s_store_serves_both(
    relay: RelayProcess, site: Site, device: Devices, room: str
) -> None:
    phone = device()
    phone.keep_site(site.folder)
    one, two = opened(phone, relay.url, room), opened(phone, relay.url, room)
    for tab in (one, two):
        tab.until("session.provider.status.state === 'connected'")
    phone.context.set_offline(True)
    one.run(ADD, ["one", "Gen.1.1", "green"])
    two.until(HAS, ["one"])
    two.run(ADD, ["two", "Gen.1.2", "green"])
    one.until(HAS, ["two"])
    one.run("session.provider.flushed()")
    two.run("session.provider.flushed()")
    one.page.close()
    two.page.reload()
    two.until("window.session !== undefined")
    assert two.run(HAS, ["one", "two"])
    assert two.run("session.provider.status.pending") == 2
    phone.context.set_offline(False)
    two.run("session.provider.reconnect()")
    two.until(STORED)
    elsewhere = opened(device(), relay.url, room)
    elsewhere.until(HAS, ["one", "two"])


def test_presence_comes_and_goes_with_its_tab_and_through_the_back_forward_cache(
    relay: RelayProcess, device: Devices, room: str, folder: Path
) -> None:
    one, two = opened(device(), relay.url, room), opened(device(), relay.url, room)
    names = "[...session.provider.awareness.getStates().values()].map((state) => state.user?.name)"
    with open_library(folder / "python", relay=relay.url, room=room) as library:
        library.presence.show("Python")
        one.run("session.provider.awareness.setLocalState({ user: { name: 'Ada' } })")
        two.until(f"{names}.includes('Ada') && {names}.includes('Python')")
        until(lambda: "Ada" in [person.name for person in library.presence.people().values()])
        one.page.goto("about:blank")
        two.until(f"!{names}.includes('Ada')")
        until(lambda: not library.presence.people())
        one.page.go_back()
        one.until("window.session !== undefined")
        one.run("session.provider.awareness.setLocalState({ user: { name: 'Ada again' } })")
        two.until(f"{names}.includes('Ada again')")
        one.page.close()
        two.until(f"!{names}.includes('Ada again')")


def test_signing_out_leaves_nothing_in_the_browser(relay: RelayProcess, device: Devices, room: str) -> None:
    phone = device()
    one, two = opened(phone, relay.url, room, subject="ada"), opened(phone, relay.url, room, subject="ada")
    one.run(ADD, ["secret", "Gen.1.1", "green"])
    one.until(STORED)
    two.until(HAS, ["secret"])
    one.run("session.wipe()")
    two.until("session.provider.status.state === 'offline'")
    assert "signed out" in two.run("session.provider.status.lastError")
    assert one.run("indexedDB.databases().then((all) => all.map(({ name }) => name))") == []


def test_ten_thousand_highlights_are_loaded_and_edited_in_time(relay: RelayProcess, device: Devices, room: str) -> None:
    tab = opened(device(), relay.url, room)
    tab.run("""() => session.library.doc.transact(() => {
        for (let n = 0; n < 10_000; n++)
            session.library.addHighlight({ id: `h${n}`, anchor: { source: `Gen.${n % 50}.${n}` }, tags: ['t'] });
    })""")
    tab.until(STORED, within_ms=30_000)
    tab.page.reload()
    tab.until("window.session?.library.highlights().length === 10_000")
    edited_ms = tab.run("""() => {
        const began = performance.now();
        for (let n = 0; n < 20; n++) session.library.editHighlight('h5', { color: String(n) });
        return (performance.now() - began) / 20;
    }""")
    assert edited_ms < 16  # a frame


def test_a_library_that_no_browser_takes_as_one_value_is_kept(device: Devices, room: str) -> None:
    phone = device()
    tab = opened(phone, "ws://127.0.0.1:9", room)
    tab.run("""async () => {
        const text = 'x'.repeat(1000), fields = session.library.doc.getMap('fields');
        for (let mib = 0; mib < 140; mib++)
            session.library.doc.transact(() => { for (let n = 0; n < 1024; n++) fields.set(`${mib}/${n}`, text + n); });
        for (let n = 0; n < 400; n++) fields.set('last', n);  // so many rows are put together
        await session.provider.flushed();
    }""")
    tab.page.close()
    again = opened(phone, "ws://127.0.0.1:9", room)
    assert again.run("session.library.doc.getMap('fields').get('last')") == 399
    assert again.run("session.library.doc.getMap('fields').size") == 140 * 1024 + 1


def test_a_python_device_s_library_is_read_whole(relay: RelayProcess, device: Devices, room: str, folder: Path) -> None:
    with open_library(folder / "python", relay=relay.url, room=room) as library:
        verse = Anchor.verse("Gen.1.1-Gen.1.3", work="KJV", quote="In the beginning")
        item_id = library.add_highlight(verse, tags=("creation",), comment="first")
        note_id = library.add_note("one\ntwo", title="A note", highlight_id=item_id)
        tab = opened(device(), relay.url, room)
        tab.until(HAS, [item_id])
        (found,) = tab.run("session.library.highlights({ work: 'KJV', within: 'Gen.1', text: 'BEGINNING first' })")
        assert (found["id"], found["tags"]) == (item_id, ["creation"])
        assert tab.run(
            "(id) => session.library.notes({ highlightId: id }).map(({ id, text }) => [id, text])", item_id
        ) == [[note_id, "one\ntwo"]]
