"""`crdt-sync-server`: runs the relay. Exit status 0 after a clean stop, 1 if it could not run, 2 for wrong usage."""

from __future__ import annotations

import asyncio
import sys
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated

import typer

from crdt_sync_server import logs
from crdt_sync_server.config import Config, Durability, LogFormat, default_data_folder
from crdt_sync_server.errors import RelayError
from crdt_sync_server.limits import Limits
from crdt_sync_server.serving import Address, listen, serve
from crdt_sync_server.wiring import build, open_store

__all__ = ["app", "main"]

app = typer.Typer(
    help="A relay for Yjs clients and crdt-sync devices. What anyone has seen is on disk.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command("serve")
def serve_command(
    host: Annotated[str, typer.Option(help="Address to listen on.", envvar="CRDT_SYNC_SERVER_HOST")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="Port to listen on; 0 takes a free one.", envvar="CRDT_SYNC_SERVER_PORT")
    ] = 8765,
    data: Annotated[
        Path | None,
        typer.Option(
            help=f"Folder for the database. [default: {default_data_folder()}]", envvar="CRDT_SYNC_SERVER_DATA"
        ),
    ] = None,
    allow_anyone: Annotated[
        bool, typer.Option("--allow-anyone", help="Listen beyond this machine though nobody is asked who they are.")
    ] = False,
    allow_origin: Annotated[
        list[str] | None, typer.Option(help="A site whose pages may connect, like https://reader.example. Repeatable.")
    ] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="A name under which this relay is reached. Repeatable.")
    ] = None,
    max_message_bytes: Annotated[int, typer.Option(help="The largest message that is taken.")] = 64 * 1024 * 1024,
    poll_wait: Annotated[
        float, typer.Option(help="How long a poll may wait for news, in seconds; less than what a proxy allows.")
    ] = 25.0,
    max_poll_sessions: Annotated[int, typer.Option(help="How many clients may poll; 0 turns polling off.")] = 4096,
    max_poll_sessions_per_address: Annotated[
        int, typer.Option(help="How many of them from one address. Behind a proxy all have the proxy's.")
    ] = 256,
    limit: Annotated[
        list[str] | None,
        typer.Option(help="Another bound, as name=value; docs/protocol.md lists them with their defaults. Repeatable."),
    ] = None,
    durability: Annotated[
        Durability, typer.Option(help="full: a commit survives a power cut. normal: a crash of the relay.")
    ] = Durability.FULL,
    log_format: Annotated[LogFormat, typer.Option(help="Lines for people or for programs.")] = LogFormat.CONSOLE,
) -> None:
    """Run the relay until Ctrl-C or SIGTERM; it then commits what has arrived and closes its connections."""
    try:
        config = Config(
            host=host,
            port=port,
            data=data,
            allow_anyone=allow_anyone,
            allow_origins=tuple(allow_origin or ()),
            allow_hosts=tuple(allow_host or ()),
            max_message_bytes=max_message_bytes,
            poll_wait_s=poll_wait,
            max_poll_sessions=max_poll_sessions,
            max_poll_sessions_per_address=max_poll_sessions_per_address,
            limits=Limits().changed(limit or ()),
            durability=durability,
            log_format=log_format,
        )
        logs.configure(config.log_format)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(config))
    except RelayError as error:
        typer.echo(f"crdt-sync-server: {error}", err=True)
        raise typer.Exit(1) from None


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(installed_version("crdt-sync"))


async def _serve(config: Config) -> None:
    listener = listen(config)
    try:
        store = await open_store(config)
    except RelayError:
        listener.close()
        raise

    def started(address: Address) -> None:
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        typer.echo(f"crdt-sync-server listens on ws://{host}:{address[1]}/<room>, data in {config.database}")
        sys.stdout.flush()

    await serve(build(config, store), config, listener, started=started, stop=asyncio.Event())


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # Windows has none
        return None
    return uvloop.Loop


def main() -> None:
    """The console script."""
    app()
