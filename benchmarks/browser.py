"""How long until a highlight made in one browser is in another, or in a Python device's file? What do 10,000 cost?

Real Chromium, two profiles, and the relay as a process of its own, all on this machine. The times of the two pages are
of one clock (`performance.timeOrigin` + `performance.now()`), and so is Python's.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks.common import save
from crdt_sync import Anchor, Change
from crdt_sync.blocking import open_library
from crdt_sync.document import AddHighlight
from tests.blocking.waiting import until
from tests.e2e.browser import Device, Tab, chromium
from tests.e2e.site import WEB, Site, build
from tests.relay import RelayProcess

COUNT = 200
MOST_MS = 50
NOTE_ARRIVALS = """() => {
    window.arrived = {};
    session.library.listen((ids) => {
        for (const id of ids) window.arrived[id] ??= performance.timeOrigin + performance.now();
    });
}"""
ADD = """(id) => {
    const now = performance.timeOrigin + performance.now();
    session.library.addHighlight({ id, anchor: { work: { id: 'KJV' }, source: 'Gen.1.1' } });
    return now;
}"""
MANY = """async () => {
    const ms = async (work) => {
        const began = performance.now();
        await work();
        return performance.now() - began;
    };
    const full = loaded(new Uint8Array([0, 0]));
    const quote = { exact: 'In the beginning God created the heaven and the earth.' };
    const verse = (n) => ({ work: { id: 'KJV' }, source: `Gen.${n % 50}.${n}`, quote });
    full.doc.transact(() => {
        for (let n = 0; n < 10_000; n++)
            full.addHighlight({ id: `h${n}`, anchor: verse(n), tags: ['t'] });
    });
    const update = encoded(full);
    let library;
    const load = await ms(() => (library = loaded(update)));
    const each = async (times, work) => // a page's clock shows tenths of a millisecond: many are timed together
        (await ms(() => Array.from({ length: times }, (_, n) => work(n)))) / times;
    const edit = await each(200, (n) => library.editHighlight('h5', { color: String(n) }));
    const list = await each(50, () => library.highlights({ within: 'Gen.7', text: 'heaven' }));
    const all = await each(50, () => library.highlights());
    return { load, edit, list, all };
}"""


def crossing(begin: Callable[[str], float], arrived: Callable[[str], float | None]) -> list[float]:
    """Return the milliseconds of each highlight from one device to another, in order of size."""
    times: list[float] = []
    for number in range(COUNT):
        item_id = f"{id(begin)}-{number}"
        began = begin(item_id)
        until(lambda item_id=item_id: arrived(item_id))  # type: ignore[misc]
        at = arrived(item_id)
        assert at is not None
        times.append(at - began)
    return sorted(times[COUNT // 10 :])


def opened(device: Device, relay: str) -> Tab:
    tab = device.open("library", relay=relay, room="bench")
    tab.until("window.session?.provider.status.state === 'connected'")
    tab.run(NOTE_ARRIVALS)
    return tab


def main() -> None:
    page = {"library.ts": (WEB / "test" / "pages" / "library.ts").read_text("utf-8")}
    figures: dict[str, object] = {}
    with (
        tempfile.TemporaryDirectory() as name,
        Site(build(page)) as site,
        RelayProcess(Path(name) / "relay") as relay,
        chromium() as browser,
        open_library(Path(name) / "python", relay=relay.url, room="bench", deliver=lambda call: call()) as library,
    ):
        one, two = (opened(Device(browser.new_context(), site.url), relay.url) for _ in range(2))
        seen_ms: dict[str, float] = {}

        def note(changes: tuple[Change, ...]) -> None:
            for change in changes:
                seen_ms.setdefault(change.item_id, time.time() * 1e3)

        library.on_change(note)

        def add_in_python(item_id: str) -> float:
            began_ms = time.time() * 1e3
            library.edit(AddHighlight(Anchor.verse("Gen.1.1", work="KJV"), id=item_id))
            return began_ms

        in_page = "(id) => window.arrived[id] ?? null"
        ways = {
            "browser to browser": crossing(
                lambda id_: one.run(ADD, f"b{id_}"), lambda id_: two.run(in_page, f"b{id_}")
            ),
            "browser to a Python device's file": crossing(
                lambda id_: one.run(ADD, f"p{id_}"), lambda id_: seen_ms.get(f"p{id_}")
            ),
            "Python device to browser": crossing(add_in_python, lambda id_: two.run(in_page, id_)),
        }
        for way, times in ways.items():
            figures[f"{way}: p50, ms"] = round(median(times), 1)
            figures[f"{way}: p99, ms"] = round(times[len(times) * 99 // 100], 1)
            assert median(times) < MOST_MS, f"{way} takes {median(times)} ms"
        many = two.run(MANY)
        figures["10,000 highlights: read an update into values, ms"] = round(many["load"])
        figures["10,000 highlights: one edit, ms"] = round(many["edit"], 3)
        figures["10,000 highlights: a filtered list, ms"] = round(many["list"], 1)
        figures["10,000 highlights: the list of all, ms"] = round(many["all"], 1)
    save("browser", figures)


if __name__ == "__main__":
    main()
