"""The commands that run the relay."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from importlib.metadata import version as installed_version

import typer

from crdt_sync_server import logs
from crdt_sync_server.admin_socket import serve_admin
from crdt_sync_server.cli import backups, grants, rooms, tokens, users, webhooks
from crdt_sync_server.cli.options import Json, with_settings
from crdt_sync_server.cli.output import as_json, print_table
from crdt_sync_server.config import Config, default_data_folder
from crdt_sync_server.errors import RelayError
from crdt_sync_server.metrics import serve_metrics
from crdt_sync_server.serving import Address, listen, serve
from crdt_sync_server.settings import SETTINGS, Effective
from crdt_sync_server.wiring import administration_of, build
from crdt_sync_server.wiring_stores import open_store, place_of

__all__ = ["app", "main"]

app = typer.Typer(
    help="A relay for Yjs clients and crdt-sync devices. What anyone has seen is on disk.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(rooms.app, name="rooms")
app.add_typer(tokens.app, name="tokens")
app.add_typer(grants.app, name="grants")
app.add_typer(users.app, name="users")
app.add_typer(webhooks.app, name="webhooks")
app.command("audit")(users.audit_command)
app.command("backup")(backups.backup_command)
app.command("restore")(backups.restore_command)


@app.command("serve")
@with_settings()
def serve_command(settings: Effective) -> None:
    """Run the relay until Ctrl-C or SIGTERM; it then commits what has arrived and closes its connections."""
    logs.configure(settings.config.log_format)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(settings.config))


@app.command("settings")
@with_settings()
def settings_command(settings: Effective, json: Json = False) -> None:
    """Print the settings that `serve` would run with, and where each comes from."""
    values = {name: getattr(settings.config, setting.field) for name, setting in SETTINGS.items()}
    values |= {name: "set, and not shown" for name in values if SETTINGS[name].is_secret and values[name] is not None}
    values["data"] = values["data"] or default_data_folder()
    if json:
        plain = {name: str(value) if name == "data" else value for name, value in values.items()}
        as_json({name: {"value": value, "from": settings.sources[name]} for name, value in plain.items()})
        return
    rows = ((name, _words(value), settings.sources[name]) for name, value in values.items())
    print_table(("setting", "value", "from"), rows)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(installed_version("crdt-sync"))


def _words(value: object) -> str:
    if value is None or value == ():
        return "none"
    if isinstance(value, tuple):
        return ", ".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


async def _serve(config: Config) -> None:
    listener = listen(config)
    try:
        store = await open_store(config)
    except RelayError:
        listener.close()
        raise
    relay = build(config, store)
    metrics_url: str | None = None

    def started(address: Address) -> None:
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        typer.echo(f"crdt-sync-server listens on ws://{host}:{address[1]}/<room>, data in {place_of(config, store)}")
        if metrics_url is not None:
            typer.echo(f"metrics on {metrics_url}")
        sys.stdout.flush()

    async with AsyncExitStack() as stack:
        stack.callback(listener.close)
        if config.metrics_port is not None:
            counts = serve_metrics(relay.host.metrics, config.metrics_host, config.metrics_port)
            metrics_url = stack.enter_context(counts)
        if config.database_url is None:  # else the commands go to the database
            await stack.enter_async_context(serve_admin(config.database, administration_of(relay.host, store)))
        await serve(relay, config, listener, started=started, stop=asyncio.Event())


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # Windows has none
        return None
    return uvloop.Loop


def main() -> None:
    """The console script."""
    app()
