"""`crdt-sync-server tokens`: through the relay if one runs on the store, else on the store itself."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Annotated, Any

import typer

from crdt_sync_server.cli.options import Json, with_settings
from crdt_sync_server.cli.output import as_json, moment, print_table
from crdt_sync_server.errors import ConfigurationError
from crdt_sync_server.settings import Effective
from crdt_sync_server.wiring import administer

__all__ = ["app"]

app = typer.Typer(help="Make and revoke the relay's own tokens, whether it runs or not.", no_args_is_help=True)

_SECONDS = {"m": 60, "h": 3600, "d": 86_400, "y": 365 * 86_400}
MAX_LIFETIME_S = 100 * _SECONDS["y"]


@app.command("create")
@with_settings("data")
def tokens_create(
    settings: Effective,
    subject: Annotated[str, typer.Argument(help="Who comes with it; owns the room u/<subject>.", show_default=False)],
    name: Annotated[str | None, typer.Option(help="What it is for, to tell it from others.")] = None,
    expires: Annotated[
        str | None, typer.Option(help="For how long it holds: 30m, 12h, 90d, 1y; else it has no end.")
    ] = None,
    json: Json = False,
) -> None:
    """Make a token and print it: this once, as the relay keeps only its hash."""
    lifetime_s = None if expires is None else _lifetime_s(expires)
    request = {"what": "create", "subject": subject, "name": name, "lifetime_s": lifetime_s}
    made = _ask(settings, make_store=True, **request)
    if json:
        as_json(made)
        return
    typer.echo(made["token"])
    end = "revoked" if made["expires_ms"] is None else f"revoked, or {moment(made['expires_ms'])}"
    typer.echo(f"token {made['id']} for {made['room']}, until {end}; it is not shown again", err=True)


@app.command("list")
@with_settings("data")
def tokens_list(settings: Effective, json: Json = False) -> None:
    """List tokens by their ids, also those that were revoked or have expired. The tokens themselves are nowhere."""
    found = _ask(settings, what="list")
    if json:
        as_json(found)
    else:
        print_table(("id", "subject", "name", "made", "expires", "state"), map(_row, found))


@app.command("revoke")
@with_settings("data")
def tokens_revoke(
    settings: Effective,
    token_id: Annotated[str, typer.Argument(metavar="ID", help="As `tokens list` shows it.", show_default=False)],
    json: Json = False,
) -> None:
    """Revoke a token for good: its connections are closed with 4401 at once, and a restored backup keeps it so."""
    revoked = _ask(settings, what="revoke", id=token_id)
    if json:
        as_json(revoked)
    else:
        typer.echo(f"token {revoked['id']} of {revoked['subject']} is revoked")


def _ask(settings: Effective, *, make_store: bool = False, **request: Any) -> Any:
    return asyncio.run(administer(settings.config, {"do": "tokens", **request}, make_store=make_store)).value


def _lifetime_s(words: str) -> int:
    found = re.fullmatch(r"([0-9]{1,6})([mhdy])", words)
    lifetime_s = int(found[1]) * _SECONDS[found[2]] if found else 0
    if not 0 < lifetime_s <= MAX_LIFETIME_S:
        raise ConfigurationError(f"--expires takes 30m, 12h, 90d or 1y, and up to a hundred years; this is {words!r}")
    return lifetime_s


def _row(token: dict[str, Any]) -> tuple[str, ...]:
    ends_ms = token["expires_ms"]
    has_ended = ends_ms is not None and ends_ms <= time.time() * 1000
    state = "revoked" if token["revoked_ms"] is not None else "expired" if has_ended else "holds"
    return (token["id"], token["subject"], token["name"] or "", moment(token["made_ms"]), moment(ends_ms), state)
