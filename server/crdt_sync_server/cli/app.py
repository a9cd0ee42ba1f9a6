"""The commands that run the relay."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, ExitStack
from importlib.metadata import version as installed_version

import typer

from crdt_sync_server import logs
from crdt_sync_server.admin_socket import serve_admin
from crdt_sync_server.cli import backups, grants, moves, rooms, tokens, users, webhooks
from crdt_sync_server.cli.options import Json, with_settings
from crdt_sync_server.cli.output import as_json, print_table
from crdt_sync_server.config import Config, default_data_folder
from crdt_sync_server.errors import RelayError, WorkerFailed
from crdt_sync_server.metrics import listen_for_metrics, metrics_url, serve_metrics
from crdt_sync_server.passing import Passing, door_open
from crdt_sync_server.serving import Address, listen, serve
from crdt_sync_server.settings import SETTINGS, Effective
from crdt_sync_server.wiring import administration_of, build
from crdt_sync_server.wiring_stores import open_store, place_of
from crdt_sync_server.worker import Worker
from crdt_sync_server.workers import Workers, doors

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
app.command("move-to-postgres")(moves.move_command)


@app.command("serve")
@with_settings()
def serve_command(settings: Effective) -> None:
    """Run the relay until Ctrl-C or SIGTERM; it then commits what has arrived and closes its connections."""
    worker = Worker.of(os.environ)
    logs.configure(settings.config.log_format, worker=None if worker is None else worker.number)
    if worker is None and settings.config.workers > 1:
        asyncio.run(_serve_with_workers(settings.config))
        return
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(settings.config, worker))


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


async def _serve(config: Config, worker: Worker | None) -> None:
    """Run a relay: by itself, or as one of several workers, whose parent has its sockets and its words."""
    stop = asyncio.Event()
    if worker is not None:
        worker.when_to_stop(stop.set)
    listener = listen(config) if worker is None else worker.listener
    try:
        store = await open_store(config)
    except RelayError:
        listener.close()
        raise
    relay = build(config, store)
    if worker is not None:
        relay.passing = Passing(worker.number, worker.doors)
    counts: socket.socket | None = None

    def started(address: Address) -> None:
        if worker is not None:
            worker.ready()
        else:
            _say_ready(address, f"data in {place_of(config, store)}", [] if counts is None else [counts])

    async with AsyncExitStack() as stack:
        stack.callback(listener.close)
        if worker is not None:
            counts = worker.metrics
        elif config.metrics_port is not None:
            counts = listen_for_metrics(config.metrics_host, config.metrics_port)
        if counts is not None:
            stack.enter_context(serve_metrics(relay.host.metrics, counts))
        if config.database_url is None:  # else the commands go to the database
            await stack.enter_async_context(serve_admin(config.database, administration_of(relay.host, store)))
        if worker is not None:
            close = await stack.enter_async_context(door_open(relay, worker.door))
            stack.callback(asyncio.create_task(_after(stop, close)).cancel)
        await serve(relay, config, listener, started=started, stop=stop)


async def _after(stop: asyncio.Event, close: Callable[[], None]) -> None:
    await stop.wait()
    close()


async def _serve_with_workers(config: Config) -> None:
    with ExitStack() as stack:
        listener = stack.enter_context(listen(config))
        first = config.metrics_port
        ports = [] if first is None else [first + number if first else 0 for number in range(config.workers)]
        counts = [stack.enter_context(listen_for_metrics(config.metrics_host, port)) for port in ports]
        made = stack.enter_context(doors(config.workers))
        workers = Workers([sys.executable, *sys.orig_argv[1:]], listener, made, counts)
        try:
            await workers.run(lambda: _say_ready(listener.getsockname()[:2], f"{config.workers} workers", counts))
        except WorkerFailed as error:
            raise typer.Exit(error.status) from None


def _say_ready(address: Address, words: str, counts: Sequence[socket.socket]) -> None:
    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    typer.echo(f"crdt-sync-server listens on ws://{host}:{address[1]}/<room>, {words}")
    for each in counts:
        typer.echo(f"metrics on {metrics_url(each)}")
    sys.stdout.flush()


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # Windows has none
        return None
    return uvloop.Loop


def main() -> None:
    """The console script."""
    app()
