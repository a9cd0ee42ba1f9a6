"""`crdt-sync groups`: the groups of a relay, who is in them, and copies of one's highlights into their libraries."""

from __future__ import annotations

import os
import shlex
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from crdt_sync import Library
from crdt_sync.cli.filtering import collection_id
from crdt_sync.cli.output import as_json, console, counted, moment, status_line
from crdt_sync.cli.running import DEFAULT, NOT_IN_STEP, Json, LibraryPath, full_id, run, with_libraries
from crdt_sync.cli.settings import Settings
from crdt_sync.errors import LibraryError, NoSuchGroup
from crdt_sync.sharing import Groups, Membership, Role, copy_into_group, open_groups

__all__ = ["app"]

app = typer.Typer(
    help="Groups on the relay: make, join and leave them, see who is there, copy highlights into their libraries. "
    "A group is named by its room (g/…) or by its name. A token is taken from CRDT_SYNC_TOKEN.",
    no_args_is_help=True,
)
Group = Annotated[str, typer.Argument(help="The group's room, g/…, or its name.")]
Relay = Annotated[
    str | None, typer.Option("--relay", help="The relay; if left out, the one that the library syncs with.")
]
Subject = Annotated[str, typer.Argument(help="The member's subject, as `members` lists it.")]


@app.command("list")
def groups_list(relay: Relay = None, library: LibraryPath = DEFAULT, json: Json = False) -> None:
    """List the groups that you are in."""

    async def show(groups: Groups) -> None:
        rooms = await groups.rooms()
        if json:
            as_json([asdict(each) for each in rooms])
        else:
            _table(("group", "room", "role"), [(each.name or "", each.room, each.role) for each in rooms])

    _with_groups(relay, library, show)


@app.command("create")
def groups_create(name: str, relay: Relay = None, library: LibraryPath = DEFAULT, json: Json = False) -> None:
    """Make a group; you own it."""

    async def create(groups: Groups) -> None:
        await _joined(groups, await groups.create(name), _relay_of(relay, library), json)

    _with_groups(relay, library, create)


@app.command("accept")
def groups_accept(
    invitation: Annotated[str, typer.Argument(help="The link of an invitation.")],
    relay: Relay = None,
    library: LibraryPath = DEFAULT,
    json: Json = False,
) -> None:
    """Join a group by the link of an invitation."""

    async def accept(groups: Groups) -> None:
        await _joined(groups, await groups.accept(invitation), _relay_of(relay, library), json)

    _with_groups(relay, library, accept)


@app.command("invite")
def groups_invite(
    group: Group,
    role: Annotated[Role, typer.Option(help="editor, or reader.")] = Role.EDITOR,
    days: Annotated[float, typer.Option(help="How long it can be accepted.")] = 7,
    uses: Annotated[int, typer.Option(help="How many may accept it; 0 for any number.")] = 1,
    relay: Relay = None,
    library: LibraryPath = DEFAULT,
    json: Json = False,
) -> None:
    """Make an invitation and print its link. Who has the link can join: send it as you send a password."""

    async def invite(groups: Groups) -> None:
        room = await _room_of(groups, group)
        made = await groups.invite(room, role=role, lifetime_s=int(days * 86400), uses=uses or None)
        as_json(asdict(made)) if json else console.print(made.link, soft_wrap=True)

    _with_groups(relay, library, invite)


@app.command("invitations")
def groups_invitations(group: Group, relay: Relay = None, library: LibraryPath = DEFAULT, json: Json = False) -> None:
    """List the invitations that can still be accepted."""

    async def show(groups: Groups) -> None:
        found = await groups.invitations(await _room_of(groups, group))
        if json:
            as_json([asdict(each) for each in found])
            return
        rows = [(each.id, each.role, moment(each.expires_ms), _uses(each.uses_left)) for each in found]
        _table(("id", "role", "until", "uses left"), rows)

    _with_groups(relay, library, show)


@app.command("revoke")
def groups_revoke(
    group: Group,
    invitation_id: Annotated[str, typer.Argument(help="As `invitations` lists it.")],
    relay: Relay = None,
    library: LibraryPath = DEFAULT,
) -> None:
    """End an invitation. Who has accepted it stays."""

    async def revoke(groups: Groups) -> None:
        await groups.revoke(await _room_of(groups, group), invitation_id)

    _with_groups(relay, library, revoke)


@app.command("members")
def groups_members(group: Group, relay: Relay = None, library: LibraryPath = DEFAULT, json: Json = False) -> None:
    """List who is in a group."""

    async def show(groups: Groups) -> None:
        found = await groups.members(await _room_of(groups, group))
        if json:
            as_json([asdict(each) for each in found])
        else:
            _table(("subject", "name", "role"), [(each.subject, each.name or "", each.role) for each in found])

    _with_groups(relay, library, show)


@app.command("role")
def groups_role(
    group: Group, subject: Subject, role: Role, relay: Relay = None, library: LibraryPath = DEFAULT
) -> None:
    """Make a member owner, editor or reader. It holds at once."""

    async def change(groups: Groups) -> None:
        await groups.set_role(await _room_of(groups, group), subject, role)

    _with_groups(relay, library, change)


@app.command("remove")
def groups_remove(group: Group, subject: Subject, relay: Relay = None, library: LibraryPath = DEFAULT) -> None:
    """Take a member out of a group. What is on their devices stays there."""

    async def remove(groups: Groups) -> None:
        await groups.remove(await _room_of(groups, group), subject)

    _with_groups(relay, library, remove)


@app.command("leave")
def groups_leave(group: Group, relay: Relay = None, library: LibraryPath = DEFAULT) -> None:
    """Leave a group. The last owner names another first, or deletes it."""

    async def leave(groups: Groups) -> None:
        await groups.leave(await _room_of(groups, group))

    _with_groups(relay, library, leave)


@app.command("rename")
def groups_rename(group: Group, name: str, relay: Relay = None, library: LibraryPath = DEFAULT) -> None:
    """Give a group another name."""

    async def rename(groups: Groups) -> None:
        await groups.rename(await _room_of(groups, group), name)

    _with_groups(relay, library, rename)


@app.command("delete")
def groups_delete(
    group: Group,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    relay: Relay = None,
    library: LibraryPath = DEFAULT,
) -> None:
    """Erase a group on the relay, for everybody and for good. What members have on their devices stays there."""
    if not yes:
        typer.confirm(f"Erase the group {group!r} for everybody?", abort=True)

    async def delete(groups: Groups) -> None:
        await groups.delete(await _room_of(groups, group))

    _with_groups(relay, library, delete)


@app.command("copy")
def groups_copy(
    into: Annotated[Path, typer.Argument(help="The file of the group's library.")],
    items: Annotated[list[str] | None, typer.Argument(help="Ids of highlights, or the first characters.")] = None,
    work: Annotated[str | None, typer.Option(help="All of a book.")] = None,
    within: Annotated[str | None, typer.Option(help="All of a place: Gen, Gen.1 or Gen.1.1.")] = None,
    tag: Annotated[str | None, typer.Option(help="All with this tag.")] = None,
    color: Annotated[str | None, typer.Option(help="All of this colour.")] = None,
    collection: Annotated[str | None, typer.Option(help="All of a collection: its title or id.")] = None,
    update: Annotated[bool, typer.Option("--update", help="Bring copies that are there to what you have now.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds to wait at most for the relay to have stored them.")] = 30,
    library: LibraryPath = DEFAULT,
    json: Json = False,
) -> None:
    """Copy highlights of your library into a group's: passage, colour and style. Notes, comments and tags stay yours.

    The exit status is 3 if the relay does not have them in time; they wait in the group's library then.

    The group's library is one that was made with: crdt-sync init --library FILE --relay URL --room g/… --subject YOU
    """

    async def copy(own: Library, group: Library) -> None:
        ids = [await full_id(own, item) for item in items or ()]
        of = None if collection is None else await collection_id(own, collection)
        copied = await copy_into_group(
            own, group, ids, work=work, within=within, tag=tag, color=color, collection=of, update=update
        )
        is_sent = await group.synced(timeout)
        if json:
            as_json({**asdict(copied), "sent": is_sent})
        else:
            again = "updated if they differed" if update else "there before, and left as they are"
            console.print(f"{counted(len(copied.made), 'highlight')} copied; {len(copied.before)} {again}.")
        if not is_sent:
            sends = f"`crdt-sync sync --library {shlex.quote(str(into))}` sends what waits"
            typer.echo(f"crdt-sync: the group does not have all yet ({status_line(group.status)}); {sends}", err=True)
            raise typer.Exit(NOT_IN_STEP)

    with_libraries(library, into, copy)


def _with_groups(relay: str | None, library: Path, work: Callable[[Groups], Awaitable[None]]) -> None:
    async def call() -> None:
        async with open_groups(_relay_of(relay, library), token=os.environ.get("CRDT_SYNC_TOKEN")) as groups:
            await work(groups)

    run(call)


def _relay_of(relay: str | None, library: Path) -> str:
    found = relay or Settings.load(library).relay
    if found is None:
        raise LibraryError("which relay? Name it with --relay, or for the library with: crdt-sync init --relay URL …")
    return found


async def _room_of(groups: Groups, group: str) -> str:
    """Return the room of a group that is named by its room or its name. Raises `NoSuchGroup`."""
    if "/" in group:
        return group
    rooms = [each.room for each in await groups.rooms() if each.name == group]
    if len(rooms) != 1:
        raise NoSuchGroup(f"you are in {len(rooms) or 'no'} groups called {group!r}; `groups list` shows their rooms")
    return rooms[0]


async def _joined(groups: Groups, group: Membership, relay: str, json: bool) -> None:
    """Tell of a group that is new to who asks, and how its library is made."""
    subject = (await groups.me()).subject or ""
    if json:
        as_json(asdict(group))
        return
    where = f"--relay {relay} --room {group.room} --subject {shlex.quote(subject)}"
    console.print(f"You are {group.role} of {group.name!r}, room {group.room}. Its library here:", soft_wrap=True)
    console.print(f"  crdt-sync init --library FILE {where}", soft_wrap=True)


def _uses(left: int | None) -> str:
    return "any number" if left is None else str(left)


def _table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)
