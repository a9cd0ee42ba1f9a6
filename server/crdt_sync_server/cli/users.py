"""`crdt-sync-server users` and `audit`: what is kept of one person, and what was done to whose roles."""

from __future__ import annotations

import asyncio
import json as json_format
from pathlib import Path
from typing import Annotated, Any

import typer

from crdt_sync_server.cli.options import Json, with_settings
from crdt_sync_server.cli.output import as_json, console, counted, moment, print_table
from crdt_sync_server.errors import RelayError
from crdt_sync_server.settings import Effective
from crdt_sync_server.wiring import administer

__all__ = ["app", "audit_command"]

app = typer.Typer(help="Hand out or erase what is kept of one person.", no_args_is_help=True)

NOT_ANEW = (
    "The store is too large to be written anew while others wait, so pieces of what was erased may be left in it. "
    "To clear them, stop the relay and run: sqlite3 relay.sqlite3 VACUUM"
)
KEPT_BY_POSTGRESQL = (
    "PostgreSQL keeps what was erased in its pages and its log until they are written over, and in backups; "
    "docs/postgres.md says for how long."
)

Subject = Annotated[str, typer.Argument(help="The subject, as tokens have it.", show_default=False)]


@app.command("export")
@with_settings("data")
def users_export(
    settings: Effective,
    subject: Subject,
    to: Annotated[Path, typer.Option(help="The folder to make; it must not be there.", show_default=False)],
    json: Json = False,
) -> None:
    """Write what is kept of a subject: its own rooms, memberships, words in discussions, and what the audit has."""
    known = _ask(settings, do="user", subject=subject)
    if to.exists():
        raise RelayError(f"{to} is there already; name a folder that is not")
    to.mkdir(parents=True, mode=0o700)
    for number, room in enumerate(known["rooms"], start=1):
        answer = asyncio.run(administer(settings.config, {"do": "export", "room": room["name"]}))
        room["file"] = f"room-{number}.yjs"
        (to / room["file"]).write_bytes(answer.data)
    (to / "user.json").write_text(json_format.dumps(known, ensure_ascii=False, indent=2) + "\n", "utf-8")
    if json:
        as_json(known)
        return
    rooms, memberships = counted(len(known["rooms"]), "room"), counted(len(known["memberships"]), "membership")
    console().print(f"{to}: {rooms}, {memberships}", soft_wrap=True)


@app.command("delete")
@with_settings("data")
def users_delete(
    settings: Effective,
    subject: Subject,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Erase a subject's own rooms, memberships and words in discussions; the audit keeps that this was done."""
    if not yes:
        typer.confirm(
            f"Delete all rooms of {subject!r}, its memberships and its words in discussions, for good?", abort=True
        )
    done = _ask(settings, do="delete user", subject=subject)
    if json:
        as_json(done)
        return
    rooms, memberships = counted(len(done["rooms"]), "room"), counted(len(done["memberships"]), "membership")
    groups = counted(len(done["discussions"]), "group")
    console().print(f"deleted {rooms}, ended {memberships}, taken out of the discussions of {groups}", soft_wrap=True)
    if not done["erased"]:
        in_file = settings.config.database_url is None
        console().print(NOT_ANEW if in_file else KEPT_BY_POSTGRESQL, soft_wrap=True)


@with_settings("data")
def audit_command(
    settings: Effective,
    room: Annotated[str | None, typer.Option(help="Of this room alone.")] = None,
    subject: Annotated[str | None, typer.Option(help="By or about this subject alone.")] = None,
    before: Annotated[int | None, typer.Option(help="Only entries with a lower number.", show_default=False)] = None,
    most: Annotated[int, typer.Option(help="How many at most.")] = 100,
    json: Json = False,
) -> None:
    """Print what was done to groups, roles and invitations, the newest first."""
    found = _ask(settings, do="audit", room=room, subject=subject, before=before, most=most)
    if json:
        as_json(found)
        return
    print_table(("number", "at", "who", "did", "room", "about", "detail"), map(_row, found), right=("number",))


def _ask(settings: Effective, **request: Any) -> Any:
    return asyncio.run(administer(settings.config, request)).value


def _row(entry: dict[str, Any]) -> tuple[str, ...]:
    who = "the operator" if entry["who"] is None else entry["who"]
    told = (entry["what"], entry["room"], entry["about"] or "", entry["detail"] or "")
    return (str(entry["number"]), moment(entry["at_ms"]), who, *told)
