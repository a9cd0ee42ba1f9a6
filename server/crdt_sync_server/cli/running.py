"""How an error reaches a person: one line on standard error and exit status 1."""

from __future__ import annotations

from collections.abc import Callable

import typer

from crdt_sync_server.errors import RelayError

__all__ = ["run"]


def run(work: Callable[[], None]) -> None:
    """Do `work`; what the relay raises on purpose, or the system has against a file, becomes words and a status."""
    try:
        work()
    except RelayError as error:
        typer.echo(f"crdt-sync-server: {error}", err=True)
        raise typer.Exit(1) from None
    except BrokenPipeError:  # nobody reads on, as behind `| head`; the command line's own library ends in silence then
        raise
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        typer.echo(f"crdt-sync-server: {where}{error.strerror or error}", err=True)
        raise typer.Exit(1) from None
