"""The part of the composition root that names backplanes. Each needs a library that a relay alone does without."""

from __future__ import annotations

from crdt_sync_server.backplane import Backplane
from crdt_sync_server.config import Config
from crdt_sync_server.errors import ConfigurationError

__all__ = ["open_backplane"]


def open_backplane(config: Config, installation: str) -> Backplane | None:
    """Return the backplane that the settings ask for: of a relay on a database that database itself, if none is said.

    It need not be reachable yet. `installation` is the store's: two that meet at one Redis hear nothing of each other.

    Raises `ConfigurationError` for a URL that is none, and where the library lacks.
    """
    wanted = config.backplane or ("none" if config.database_url is None else "postgres")
    if wanted == "none":
        return None
    name = "postgres" if wanted == "postgres" else "redis"
    try:
        if name == "postgres":
            from crdt_sync_server.backplanes.postgres import PostgresBackplane

            assert config.database_url is not None, "the settings were checked"
            return PostgresBackplane(config.database_url, channel=f"{config.backplane_prefix}news")
        from crdt_sync_server.backplanes.redis import RedisBackplane

        return RedisBackplane(wanted, prefix=f"{config.backplane_prefix}{installation}:")
    except ImportError as error:
        raise ConfigurationError(
            f"the backplane needs the extra `{name}`: pip install 'crdt-sync[server,{name}]' ({error})"
        ) from error
