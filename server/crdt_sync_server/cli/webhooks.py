"""`crdt-sync-server webhooks`: through the relay if one runs on the store, else on the store itself."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from crdt_sync_server.cli.options import Json, with_settings
from crdt_sync_server.cli.output import as_json, moment, print_table
from crdt_sync_server.settings import Effective
from crdt_sync_server.wiring import administer

__all__ = ["app"]

app = typer.Typer(help="Say who is told when rooms change, whether the relay runs or not.", no_args_is_help=True)


@app.command("add")
@with_settings("data")
def webhooks_add(
    settings: Effective,
    url: Annotated[str, typer.Argument(metavar="URL", help="Where the POSTs go; https.", show_default=False)],
    room: Annotated[str | None, typer.Option(help="Of this room alone.")] = None,
    under: Annotated[str | None, typer.Option(help="Of this room and all below it: u/ada has u/ada/drafts.")] = None,
    allow_http: Annotated[
        bool, typer.Option("--allow-http", help="Take http to another machine: room names are read on the way.")
    ] = False,
    json: Json = False,
) -> None:
    """Have changes told to a URL, of all rooms if none is said, and print the secret that signs them: this once."""
    made = _ask(settings, make_store=True, what="add", url=url, room=room, under=under, allow_http=allow_http)
    if json:
        as_json(made)
        return
    typer.echo(made["secret"])
    typer.echo(f"webhook {made['id']} for {_of(made)}; its secret is not shown again", err=True)


@app.command("list")
@with_settings("data")
def webhooks_list(settings: Effective, json: Json = False) -> None:
    """List webhooks by their ids, without their secrets."""
    found = _ask(settings, what="list")
    if json:
        as_json(found)
        return
    rows = ((each["id"], each["url"], _of(each), moment(each["made_ms"])) for each in found)
    print_table(("id", "url", "of", "made"), rows)


@app.command("remove")
@with_settings("data")
def webhooks_remove(
    settings: Effective,
    hook_id: Annotated[str, typer.Argument(metavar="ID", help="As `webhooks list` shows it.", show_default=False)],
    json: Json = False,
) -> None:
    """Remove a webhook with its secret; what waits for it is dropped."""
    removed = _ask(settings, what="remove", id=hook_id)
    if json:
        as_json(removed)
    else:
        typer.echo(f"webhook {removed['id']} is removed")


def _ask(settings: Effective, *, make_store: bool = False, **request: Any) -> Any:
    return asyncio.run(administer(settings.config, {"do": "webhooks", **request}, make_store=make_store)).value


def _of(hook: dict[str, Any]) -> str:
    if hook["room"] is not None:
        return str(hook["room"])
    return "all rooms" if hook["under"] is None else f"{hook['under']} and below"
