"""The main job, shown: a relay, two devices and a stock Yjs client highlight real verses, part, and meet again.

Run it with `make devices`. On a terminal the relay then stays up, so that you can connect a client of your own; without
one the demo checks itself and ends with exit status 0.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import anyio
import pythonbible
from rich.console import Console
from rich.table import Table
from rich.text import Text

from crdt_sync import Anchor, Highlight, Library, open_library
from tests.interop.node import Stock, stock_clients
from tests.relay import RelayProcess

ROOM = "demo"
console = Console(highlight=False)


def verse(number: int) -> Anchor:
    """Return the anchor of a verse of Genesis 1 in the King James Version."""
    text = pythonbible.get_verse_text(1001000 + number, version=pythonbible.Version.KING_JAMES)
    return Anchor.verse(f"Gen.1.{number}", work="Bible.KJV", quote=text)


def say(text: str) -> None:
    console.print(f"[bold cyan]▸[/] {text}", soft_wrap=True)


async def until_equal(laptop: Library, phone: Library, seconds: float = 15) -> list[Highlight]:
    """Wait, bounded, until both devices hold the same, and return it."""
    with anyio.fail_after(seconds):
        async with phone.changes() as feed:
            while (mine := await laptop.highlights()) != await phone.highlights() or laptop.status.pending:
                with anyio.move_on_after(0.2):
                    await feed.take()
    return mine


async def live(relay: RelayProcess, folder: Path, node: Stock) -> str:
    """Highlight on one device after the other, and measure until each stands in the other's file."""
    async with (
        open_library(folder / "laptop", relay=relay.url, room=ROOM, author="laptop") as laptop,
        open_library(folder / "phone", relay=relay.url, room=ROOM, author="phone") as phone,
        phone.changes() as feed,
    ):
        node.open("browser", relay.url, ROOM)
        node.until("browser", synced=True)
        assert await laptop.synced(10)
        assert await phone.synced(10)
        latencies_ms = []
        with console.status("the laptop highlights Genesis 1:1 to 1:20"):
            for number in range(1, 21):
                began = time.perf_counter()
                item_id = await laptop.add_highlight(verse(number), color=("yellow", "green", "blue")[number % 3])
                await feed.take()
                latencies_ms.append((time.perf_counter() - began) * 1000)
        say(
            f"20 highlights: durable on the laptop, through the relay's disk, and durable on the phone in "
            f"[bold]{median(latencies_ms):.1f} ms[/] (median; the slowest {max(latencies_ms):.1f} ms)"
        )
        node.until("browser", fields={f"{item_id}/color": "blue"})
        node.set("browser", {f"{item_id}/color": "pink"}, root="fields")
        with anyio.fail_after(5):
            while (seen := await phone.highlight(item_id)) is None or seen.color != "pink":
                await feed.take()
        say("a stock Yjs client (y-websocket in node) saw them, and its edit is on the phone")
        await until_equal(laptop, phone)
        return item_id


async def offline(folder: Path, shared: str) -> None:
    """Edit on both devices with no network."""
    async with open_library(folder / "laptop", author="laptop") as laptop:
        await laptop.add_highlight(verse(26), comment="made on the train")
        await laptop.delete(shared)
        say(f"the laptop is offline: a new highlight, and one in the trash; {laptop.status.pending} changes wait")
    async with open_library(folder / "phone", author="phone") as phone:
        await phone.add_highlight(verse(27))
        await phone.add_note("Compare with John 1.\nAsk on Sunday.", title="Beginning", highlight_id=shared)
        say(f"the phone is offline: a new highlight, and a note on the one in the trash; {phone.status.pending} wait")


async def together(relay: RelayProcess, folder: Path, node: Stock, shared: str) -> list[Highlight]:
    """Meet again, and compare."""
    async with (
        open_library(folder / "laptop", relay=relay.url, room=ROOM) as laptop,
        open_library(folder / "phone", relay=relay.url, room=ROOM) as phone,
    ):
        highlights = await until_equal(laptop, phone)
        assert len(highlights) == 21, "19 of 20, and one of each device"
        assert await laptop.notes() == await phone.notes()
        (trashed,) = await laptop.highlights(trashed=True)
        assert trashed.id == shared
        node.until("browser", notes={note.id: {"highlight": shared} for note in await laptop.notes()})
        say("back online: laptop, phone and browser hold the same; the note waits with its highlight in the trash")
        await phone.restore(shared)
        return await until_equal(laptop, phone)


def show(highlights: list[Highlight]) -> None:
    table = Table(
        title="The merged library (the six that changed last)", title_justify="left", box=None, header_style="dim"
    )
    for column in ("place", "text", "color", "made on", "comment"):
        table.add_column(column)
    for highlight in sorted(highlights, key=lambda each: each.updated_at_ms)[-6:]:
        quote = highlight.anchor.quote.exact if highlight.anchor.quote else ""
        color = {"pink": "magenta"}.get(highlight.color, highlight.color)
        text = Text(quote[:60] + "…", style=f"black on {color}")
        table.add_row(highlight.anchor.source, text, highlight.color, highlight.created_by, highlight.comment)
    console.print(table)


def main() -> None:
    """Run the demo."""
    with tempfile.TemporaryDirectory() as data, stock_clients() as node, RelayProcess(Path(data) / "relay") as relay:
        folder = Path(data)
        say(f"the relay listens on [bold]{relay.url}[/]")
        shared = anyio.run(live, relay, folder, node)
        anyio.run(offline, folder, shared)
        highlights = anyio.run(together, relay, folder, node, shared)
        show(highlights)
        assert len(highlights) == 22
        console.print(
            f"\nConnect your own client: [bold]new WebsocketProvider('{relay.url}', '{ROOM}', doc)[/] with yjs, or\n"
            f"  [bold]crdt-sync init -L mine.sqlite3 --relay {relay.url} --room {ROOM}[/], "
            "[bold]crdt-sync watch -L mine.sqlite3[/]",
            soft_wrap=True,
        )
        if sys.stdin.isatty() and sys.stdout.isatty():
            try:
                input("The relay stays up until you press Enter. ")
            except (EOFError, KeyboardInterrupt):
                console.print()
    say("done: everything that was checked holds")


if __name__ == "__main__":
    main()
