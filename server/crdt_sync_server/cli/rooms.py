"""`crdt-sync-server rooms`: through the relay if one runs on the store, else on the store itself."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from crdt_sync_server.administration import AdministrationAnswer
from crdt_sync_server.cli.options import Json, with_settings
from crdt_sync_server.cli.output import as_json, console, counted, moment, print_table, size
from crdt_sync_server.contents import contents
from crdt_sync_server.settings import Effective
from crdt_sync_server.wiring import administer

__all__ = ["app"]

FOUND_PROBLEMS = 3

app = typer.Typer(help="Look at rooms and look after them, whether the relay runs or not.", no_args_is_help=True)

Room = Annotated[str, typer.Argument(help="The room's name.", show_default=False)]


@app.command("list")
@with_settings("data")
def rooms_list(
    settings: Effective,
    deleted: Annotated[bool, typer.Option("--deleted", help="The tombstones of deleted rooms instead.")] = False,
    json: Json = False,
) -> None:
    """List rooms: what is stored of them, updates since the last compaction, the last change, who is connected."""
    records = [each for each in _ask(settings, do="list").value if (each["deleted_ms"] is not None) == deleted]
    if json:
        as_json(records)
    elif deleted:
        print_table(("room", "deleted"), ((each["name"], moment(each["deleted_ms"])) for each in records))
    else:
        print_table(("room", "size", "updates", "changed", "connections", "owner"), map(_row, records), right=("size",))


@app.command("show")
@with_settings("data")
def rooms_show(settings: Effective, name: Room, json: Json = False) -> None:
    """Show what a room holds: its roots and how much is in each, clients and operations, sizes. Never content."""
    found = _ask(settings, do="show", room=name).value
    if json:
        as_json(found)
        return
    roots = ", ".join(f"{root} ({count})" for root, count in found["roots"].items()) or "none"
    rows = (
        ("room", found["name"]),
        ("stored", f"{size(found['size_bytes'])}, {counted(found['log_length'], 'update')} since the last compaction"),
        ("changed", moment(found["changed_ms"])),
        ("owner", found["owner"] or ""),
        ("connections", str(found["connections"])),
        ("document", f"{size(found['document_bytes'])}, {counted(found['operations'], 'operation')}"),
        ("clients", f"{counted(found['clients'], 'id')}, state vector {size(found['state_vector_bytes'])}"),
        ("roots", roots),
    )
    print_table(("", ""), rows)


@app.command("devices")
@with_settings("data")
def rooms_devices(settings: Effective, name: Room, json: Json = False) -> None:
    """List the devices that came into a room: whose, what they call themselves, when and how often."""
    found = _ask(settings, do="devices", room=name).value
    if json:
        as_json(found)
        return
    rows = (
        (
            each["subject"], each["device"] or "", each["transport"], moment(each["first_ms"]),
            "here" if each["is_here"] else moment(each["last_ms"]), str(each["times"]),
        )
        for each in found
    )  # fmt: skip
    print_table(("subject", "device", "transport", "first", "last", "times"), rows, right=("times",))


@app.command("export")
@with_settings("data")
def rooms_export(
    settings: Effective,
    name: Room,
    to: Annotated[Path | None, typer.Option(help="The file to write; else standard output.")] = None,
    readable: Annotated[bool, typer.Option("--json", help="JSON of the roots instead, which is no backup.")] = False,
) -> None:
    """Write a room's document as one Yjs update, which any Yjs program can apply."""
    data = _ask(settings, do="export", room=name).data
    if readable:
        data = json.dumps(contents(data), ensure_ascii=False, indent=2).encode() + b"\n"
    if to is not None:
        to.write_bytes(data)
    else:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


@app.command("compact")
@with_settings("data")
def rooms_compact(settings: Effective, name: Room, json: Json = False) -> None:
    """Put the whole document in the place of a room's log. The relay does this by itself as logs grow."""
    done = _ask(settings, do="compact", room=name).value
    if json:
        as_json(done)
        return
    console().print(f"{size(done['before_bytes'])} before, {size(done['after_bytes'])} now", soft_wrap=True)


@app.command("delete")
@with_settings("data")
def rooms_delete(
    settings: Effective,
    name: Room,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Delete a room for good: who is in it is closed with 4404, and its name is never served again."""
    if not yes:
        typer.confirm(f"Delete room {name!r} and all that is stored of it, for good?", abort=True)
    done = _ask(settings, do="delete", room=name).value
    if json:
        as_json({"name": done["name"], "size_bytes": done["size_bytes"], "connections": done["connections"]})
        return
    console().print(
        f"deleted {size(done['size_bytes'])}, {counted(done['connections'], 'connection')} closed", soft_wrap=True
    )


@app.command("verify")
@with_settings("data")
def rooms_verify(settings: Effective, json: Json = False) -> None:
    """Check the file, and that every stored update can be read and fits those before it. Status 3 if not."""
    found = _ask(settings, do="verify").value
    if json:
        as_json(found)
    else:
        rows = ((each["room"] or "the whole file", each["problem"]) for each in found["problems"])
        if found["problems"]:
            print_table(("room", "problem"), rows)
        console().print(
            f"{counted(found['rooms'], 'room')} checked, {counted(len(found['problems']), 'problem')}", soft_wrap=True
        )
    if found["problems"]:
        raise typer.Exit(FOUND_PROBLEMS)


def _ask(settings: Effective, **request: Any) -> AdministrationAnswer:
    return asyncio.run(administer(settings.config, request))


def _row(record: dict[str, Any]) -> tuple[str, ...]:
    changed, connections = moment(record["changed_ms"]), str(record["connections"])
    sizes = (size(record["size_bytes"]), str(record["log_length"]))
    return (record["name"], *sizes, changed, connections, record["owner"] or "")
