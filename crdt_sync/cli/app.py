"""The commands."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Annotated

import anyio
import typer
from rich.markup import escape

from crdt_sync import Library, open_library
from crdt_sync.cli import (
    collections,
    discussions,
    exchange,
    finding,
    formats,
    groups,
    highlights,
    history,
    notes,
    reading,
    talking,
    upkeep,
)
from crdt_sync.cli.output import as_json, console, counted, status_line
from crdt_sync.cli.running import DEFAULT, NOT_IN_STEP, Json, LibraryPath, run, with_library
from crdt_sync.cli.settings import Settings
from crdt_sync.protocol.person import MAX_NAME_CHARACTERS
from crdt_sync.sync.presence import Person, PresenceChange

__all__ = ["app", "main"]

app = typer.Typer(
    help="Highlights and notes on this device, in step with your other ones. Everything works offline but `sync` and "
    "`watch`. A token for the relay is taken from CRDT_SYNC_TOKEN.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(highlights.app, name="highlight")
app.add_typer(notes.app, name="note")
app.add_typer(reading.bookmark, name="bookmark")
app.add_typer(reading.position, name="position")
app.add_typer(history.app)
app.add_typer(collections.app, name="collection")
app.add_typer(groups.app, name="groups")
app.add_typer(finding.app)
app.add_typer(discussions.app, name="discussions")
app.add_typer(upkeep.app)
app.add_typer(exchange.app)
app.add_typer(formats.app)


@app.command()
def init(
    library: LibraryPath = DEFAULT,
    relay: Annotated[str | None, typer.Option(help="The relay to sync with, like wss://relay.example.")] = None,
    room: Annotated[str | None, typer.Option(help="The room of this library on the relay.")] = None,
    subject: Annotated[str | None, typer.Option(help="The account; the file then belongs to it alone.")] = None,
    author: Annotated[str, typer.Option(help="Your name, as it stands in what you make.")] = "",
) -> None:
    """Make a library, or change where it syncs. What is in it stays."""
    if (relay is None) != (room is None):
        raise typer.BadParameter("--relay and --room go together")
    settings = Settings(relay, room, subject, author)

    async def check() -> None:
        library.parent.mkdir(parents=True, exist_ok=True)
        async with open_library(library, relay=relay, room=room, subject=subject, close_within_s=0):
            pass
        settings.save(library)

    run(check)
    where = f", in step with room {room!r} of {relay}" if relay else ", on this device alone"
    console.print(f"The library is {library}{where}.", soft_wrap=True)


@app.command()
def sync(
    library: LibraryPath = DEFAULT,
    timeout: Annotated[float, typer.Option(help="Seconds to wait at most.")] = 30,
    json: Json = False,
) -> None:
    """Sync once: fetch what others did, send what waits, and return when the relay has stored it.

    The discussions of a group, if this is its library and they were opened here, are synced with it.
    """
    if not timeout >= 0:  # nor NaN
        raise typer.BadParameter("--timeout takes 0 or more seconds")

    async def once(opened: Library) -> None:
        if json:
            done = await opened.synced(timeout)
            talk = await talking.sync_beside(library, timeout)
            told = {} if talk is None else {"discussions": talking.status_value(*talk)}
            as_json({"synced": done, **_status_value(opened), **told})
        else:
            async with _progress(opened):
                done = await opened.synced(timeout)
                talk = await talking.sync_beside(library, timeout)
            console.print("In step." if done else f"Not in step: {status_line(opened.status)}", soft_wrap=True)
            if talk is not None and not talk[0]:
                console.print(f"Discussions not in step: {talking.status_words(talk[1])}", soft_wrap=True)
        if not done or (talk is not None and not talk[0]):
            raise typer.Exit(NOT_IN_STEP)

    with_library(library, once, online=True)


@app.command()
def watch(library: LibraryPath = DEFAULT, json: Json = False) -> None:
    """Stay in step, and tell what changes and who is here, until Ctrl-C."""

    async def follow(opened: Library) -> None:
        def tell(kind: str, value: dict[str, object], line: str) -> None:
            as_json({"event": kind, **value}) if json else console.print(line, soft_wrap=True)

        async def changes() -> None:
            async with opened.changes() as feed:
                while True:
                    for change in await feed.take():
                        here = "here" if change.here else "elsewhere"
                        value = {"id": change.item_id, "item": change.item.value, "change": change.kind.value}
                        line = f"{change.item.value} {change.item_id} {change.kind.value} {here}"
                        tell("change", {**value, "here": change.here}, line)

        opened.presence.listen(
            lambda who: tell(
                "presence",
                {"client": who.client_id, "is": who.kind.value, "state": who.state},
                f"{_name_of(who)} {who.kind.value}",
            )
        )
        opened.presence.show((Settings.load(library).author or "crdt-sync watch")[:MAX_NAME_CHARACTERS])
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(changes)
            async for status in opened.status_changes():
                tell("status", _status_value(opened), status_line(status))

    with_library(library, follow, online=True, until_interrupted=True)


@app.command()
def status(library: LibraryPath = DEFAULT, json: Json = False) -> None:
    """Say what is in the library and what waits to be sent. It asks nobody."""

    async def show(opened: Library) -> None:
        counts, settings = await opened.counts(), Settings.load(library)
        if json:
            as_json({**asdict(counts), **_status_value(opened), **asdict(settings), "library": str(library)})
            return
        what = f"{counted(counts.highlights, 'highlight')}, {counted(counts.notes, 'note')}"
        console.print(f"{library}: {what}, {counts.trashed} in the trash", soft_wrap=True)
        where = (
            f"room {settings.room!r} of {settings.relay}" if settings.relay else "no relay (crdt-sync init --relay …)"
        )
        console.print(f"{where}: {status_line(opened.status)}", soft_wrap=True)

    with_library(library, show)


@asynccontextmanager
async def _progress(opened: Library) -> AsyncIterator[None]:
    """Show how the library stands, on a line that changes, for as long as the block lasts."""
    with console.status("syncing") as line:

        async def follow() -> None:
            async for status in opened.status_changes():
                line.update(escape(status_line(status)))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(follow)
            yield
            tasks.cancel_scope.cancel()


def _name_of(who: PresenceChange) -> object:
    """Return what a client calls itself, if it does: what it shows is any JSON."""
    person = Person.from_state(who.state)
    if person is not None and person.name:
        return person.name
    return who.state.get("name", who.client_id) if isinstance(who.state, dict) else who.client_id


def _status_value(opened: Library) -> dict[str, object]:
    return {**asdict(opened.status), "state": opened.status.state.value}


def main() -> None:
    """The console script."""
    app()
