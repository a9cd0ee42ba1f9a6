"""What a reader has at hand: `crdt-sync bookmark` and `crdt-sync position`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from crdt_sync import Anchor, Library
from crdt_sync.cli.output import as_json, console, counted, highlight_value, moment
from crdt_sync.cli.running import DEFAULT, ItemId, Json, LibraryPath, full_id, with_library
from crdt_sync.reading import JumpReason, ReadingPosition

__all__ = ["bookmark", "position"]

bookmark = typer.Typer(help="Set, list and delete bookmarks.", no_args_is_help=True)
position = typer.Typer(help="Where each device reads, and where to go on.", no_args_is_help=True)

Work = Annotated[str, typer.Argument(help="The text's id, like Bible.KJV.")]
WHY = {JumpReason.LATER: "read on later", JumpReason.FURTHER: "furthest read"}


@bookmark.command("add")
def bookmark_add(
    source: Annotated[str, typer.Argument(help="The place, like Gen.1.1.")],
    title: Annotated[str, typer.Argument(help="What to call it.")] = "",
    work: Annotated[str, typer.Option(help="The text it stands in.")] = "Bible.KJV",
    progression: Annotated[float | None, typer.Option(help="The place in the whole text, 0 to 1.")] = None,
    library: LibraryPath = DEFAULT,
    json: Json = False,
) -> None:
    """Set a bookmark; print its id."""

    async def add(opened: Library) -> None:
        anchor = Anchor(work={"id": work}, source=source, progression=progression)
        item_id = await opened.add_bookmark(anchor, title=title)
        as_json({"id": item_id}) if json else console.print(item_id)

    with_library(library, add)


@bookmark.command("list")
def bookmark_list(
    work: Annotated[str | None, typer.Argument(help="Only those of this text.")] = None,
    library: LibraryPath = DEFAULT,
    json: Json = False,
) -> None:
    """List bookmarks by place."""

    async def show(opened: Library) -> None:
        found = await opened.bookmarks(work)
        if json:
            as_json([highlight_value(each) for each in found])
        for each in () if json else found:
            place = _place(each.anchor)
            console.print(f"{each.id}  {each.anchor.work_id}  {place}  {each.comment}".rstrip(), soft_wrap=True)

    with_library(library, show)


@bookmark.command("delete")
def bookmark_delete(item: ItemId, library: LibraryPath = DEFAULT) -> None:
    """Move a bookmark to the trash."""

    async def delete(opened: Library) -> None:
        await opened.delete(await full_id(opened, item))

    with_library(library, delete)


@position.command("set")
def position_set(
    work: Work,
    source: Annotated[str | None, typer.Argument(help="The place, like Gen.1.1.")] = None,
    progression: Annotated[float | None, typer.Option(help="The place in the whole text, 0 to 1.")] = None,
    start_over: Annotated[bool, typer.Option("--start-over", help="Forget how far this device was.")] = False,
    library: LibraryPath = DEFAULT,
) -> None:
    """Note where this device is in a text."""

    async def set_(opened: Library) -> None:
        await opened.reading.set_position(work, source=source, progression=progression, start_over=start_over)

    with_library(library, set_)


@position.command("list")
def position_list(work: Work, library: LibraryPath = DEFAULT, json: Json = False) -> None:
    """Say where each device is in a text, the latest first."""

    async def show(opened: Library) -> None:
        found = await opened.reading.positions(work)
        if json:
            as_json([_value(each) for each in found])
        for each in () if json else found:
            here = ", this device" if each.here else ""
            furthest = f"; furthest {_place(each.furthest)}" if each.furthest is not None else ""
            when = moment(each.at_ms, "%Y-%m-%d %H:%M")
            console.print(f"{each.device_name}{here}: {_place(each.anchor)}, {when}{furthest}", soft_wrap=True)

    with_library(library, show)


@position.command("suggest")
def position_suggest(work: Work, library: LibraryPath = DEFAULT, json: Json = False) -> None:
    """Say where one might go on reading, if another device is further or was read on later."""

    async def show(opened: Library) -> None:
        jump = await opened.reading.suggestion(work)
        if json:
            value = jump and {"anchor": jump.anchor.to_json(), "reason": jump.reason.value, **_device(jump.position)}
            as_json(value)
        elif jump is None:
            console.print("Stay here: no other device is further, or was read on later.")
        else:
            console.print(f"{_place(jump.anchor)}  ({WHY[jump.reason]}, {jump.position.device_name})", soft_wrap=True)

    with_library(library, show)


@position.command("devices")
def position_devices(library: LibraryPath = DEFAULT, json: Json = False) -> None:
    """List the devices that read, the one that last did first."""

    async def show(opened: Library) -> None:
        found = await opened.reading.devices()
        if json:
            as_json([asdict(each) for each in found])
        for each in () if json else found:
            here = ", this device" if each.here else ""
            when = moment(each.last_at_ms, "%Y-%m-%d %H:%M")
            console.print(f"{each.id}  {each.name}{here}: {counted(each.works, 'work')}, last {when}", soft_wrap=True)

    with_library(library, show)


@position.command("name")
def position_name(name: str, library: LibraryPath = DEFAULT) -> None:
    """Call this device by a name, for its next places."""

    async def rename(opened: Library) -> None:
        await opened.reading.name_device(name)

    with_library(library, rename)


@position.command("forget")
def position_forget(
    devices: Annotated[list[str], typer.Argument(metavar="DEVICE...", help="Ids, as `position devices` shows them.")],
    library: LibraryPath = DEFAULT,
) -> None:
    """Take the places of devices out of the library, on all devices."""

    async def forget(opened: Library) -> None:
        await opened.reading.forget_devices(*devices)

    with_library(library, forget)


def _place(anchor: Anchor) -> str:
    parts = [anchor.source or "", "" if anchor.progression is None else f"{anchor.progression:.1%}"]
    return " ".join(part for part in parts if part) or (anchor.quote.exact[:40] if anchor.quote else "a place")


def _device(each: ReadingPosition) -> dict[str, Any]:
    return {"device": each.device, "device_name": each.device_name, "at_ms": each.at_ms}


def _value(each: ReadingPosition) -> dict[str, Any]:
    furthest = None if each.furthest is None else each.furthest.to_json()
    return {**_device(each), "anchor": each.anchor.to_json(), "furthest": furthest, "here": each.here}
