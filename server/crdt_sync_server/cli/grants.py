"""`crdt-sync-server grants`: who has which role where, beside the rooms that a subject's name gives it."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from crdt_sync_server.cli.options import Json, with_settings
from crdt_sync_server.cli.output import as_json, console, moment, print_table
from crdt_sync_server.settings import Effective
from crdt_sync_server.wiring import administer

__all__ = ["app"]

app = typer.Typer(help="Look at roles and change them, whether the relay runs or not.", no_args_is_help=True)

Room = Annotated[str, typer.Argument(help="The room's name.", show_default=False)]
Subject = Annotated[str, typer.Argument(help="The subject, as tokens have it.", show_default=False)]


@app.command("list")
@with_settings("data")
def grants_list(
    settings: Effective,
    room: Annotated[str | None, typer.Option(help="Of this room alone.")] = None,
    subject: Annotated[str | None, typer.Option(help="Of this subject alone.")] = None,
    json: Json = False,
) -> None:
    """List who has which role where. That a subject owns its own rooms is not listed."""
    found = asyncio.run(administer(settings.config, {"do": "grants", "room": room, "subject": subject})).value
    if json:
        as_json(found)
        return
    rows = (
        (each["room"], each["name"] or "", each["subject"], each["role"], moment(each["since_ms"])) for each in found
    )
    print_table(("room", "name", "subject", "role", "since"), rows)


@app.command("set")
@with_settings("data")
def grants_set(
    settings: Effective,
    room: Room,
    subject: Subject,
    role: Annotated[str, typer.Argument(help="owner, editor or reader.", show_default=False)],
    json: Json = False,
) -> None:
    """Give a subject a role in a room, without an invitation. It holds at once for what is open."""
    _change(settings, json, f"{subject} is {role} in {room}", do="set grant", room=room, subject=subject, role=role)


@app.command("remove")
@with_settings("data")
def grants_remove(settings: Effective, room: Room, subject: Subject, json: Json = False) -> None:
    """Take a subject out of a room. What is open of theirs is closed with 4403."""
    _change(settings, json, f"{subject} is out of {room}", do="remove grant", room=room, subject=subject)


def _change(settings: Effective, json: bool, words: str, **request: Any) -> None:
    done = asyncio.run(administer(settings.config, request)).value
    if json:
        as_json(done)
        return
    console().print(words, soft_wrap=True)
