"""The part of the composition root that names stores: a file or a database, and what is kept beside the rooms."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, runtime_checkable

from crdt_sync_server.config import Config, Durability
from crdt_sync_server.errors import ConfigurationError, StoreError
from crdt_sync_server.keepers import Devices, Members, Tokens, Webhooks
from crdt_sync_server.moving import Moved
from crdt_sync_server.ports import RoomStore, SharedStore
from crdt_sync_server.stores import sqlite_backup
from crdt_sync_server.stores.memory_devices import MemoryDevices
from crdt_sync_server.stores.memory_members import MemoryMembers
from crdt_sync_server.stores.memory_tokens import MemoryTokens
from crdt_sync_server.stores.memory_webhooks import MemoryWebhooks
from crdt_sync_server.stores.sqlite import SqliteStore
from crdt_sync_server.stores.sqlite_backup import Copied
from crdt_sync_server.stores.sqlite_leaving import leaving

__all__ = [
    "back_up",
    "devices_of",
    "members_of",
    "move_to_postgres",
    "open_store",
    "place_of",
    "restore",
    "shared_store",
    "tokens_of",
    "webhooks_of",
]


@runtime_checkable
class _Keeping(Protocol):
    """A store that keeps what is beside the rooms too; of one in memory that goes with the process."""

    @property
    def members(self) -> Members: ...
    @property
    def tokens(self) -> Tokens: ...
    @property
    def devices(self) -> Devices: ...
    @property
    def webhooks(self) -> Webhooks: ...


@runtime_checkable
class _Shared(_Keeping, SharedStore, Protocol):
    """A store in a database, with what is kept beside the rooms."""


async def open_store(config: Config) -> RoomStore:
    """Return the store that the settings ask for. Raises `StoreError`, and `ConfigurationError` if its driver lacks."""
    if config.database_url is None:
        return await SqliteStore.open(config.database, durability=config.durability.value)
    try:  # a relay on a file needs none of it
        from crdt_sync_server.stores.postgres import PostgresStore
    except ImportError as error:
        raise _no_driver(error) from error
    return await PostgresStore.open(config.database_url, relaxed=config.durability is Durability.NORMAL)


def place_of(config: Config, store: RoomStore) -> str:
    """Return where the data is, for people, without a password."""
    where: str | None = getattr(store, "where", None)
    return str(config.database) if where is None else f"PostgreSQL at {where}"


def shared_store(store: RoomStore) -> SharedStore | None:
    """Return the store if other relays may have it open too."""
    return store if isinstance(store, _Shared) else None


def members_of(store: RoomStore) -> Members:
    """Return the members that are kept beside the rooms of a store."""
    return store.members if isinstance(store, _Keeping) else MemoryMembers()


def tokens_of(store: RoomStore) -> Tokens:
    """Return the tokens that are kept beside the rooms of a store."""
    return store.tokens if isinstance(store, _Keeping) else MemoryTokens()


def devices_of(store: RoomStore) -> Devices:
    """Return the devices that are kept beside the rooms of a store."""
    return store.devices if isinstance(store, _Keeping) else MemoryDevices()


def webhooks_of(store: RoomStore) -> Webhooks:
    """Return the webhooks that are kept beside the rooms of a store."""
    return store.webhooks if isinstance(store, _Keeping) else MemoryWebhooks()


def back_up(config: Config, target: Path) -> Copied:
    """Copy the store to `target`, whether a relay runs on it or not. Raises `StoreError`."""
    _in_a_file(config)
    return sqlite_backup.back_up(config.database, target)


def restore(config: Config, backup: Path) -> Copied:
    """Put a backup in the place of the store. Raises `StoreError`, and `StoreInUse` while a relay runs."""
    _in_a_file(config)
    return sqlite_backup.restore(backup, config.database)


async def move_to_postgres(config: Config, told: Callable[[int, int], None]) -> Moved:
    """Copy the file into the empty database of the settings; `told` hears how many bytes were sent, and of how many.

    Raises `StoreError`, `StoreInUse` while a relay runs on the file, and `ConfigurationError`.
    """
    if config.database_url is None:
        raise ConfigurationError("name the database to move to in database-url, in the environment or a settings file")
    try:
        from crdt_sync_server.stores.postgres_arriving import take_in
    except ImportError as error:
        raise _no_driver(error) from error
    with leaving(config.database) as holdings:
        return await take_in(config.database_url, holdings, told)


def _no_driver(error: ImportError) -> ConfigurationError:
    return ConfigurationError(
        f"database-url needs the extra `postgres`: pip install 'crdt-sync[server,postgres]' ({error})"
    )


def _in_a_file(config: Config) -> None:
    if config.database_url is not None:
        raise StoreError(
            "the data is in PostgreSQL, whose own tools back it up and restore it: pg_dump, or pg_basebackup with an "
            "archive of its log for any point in time; docs/postgres.md says how"
        )
