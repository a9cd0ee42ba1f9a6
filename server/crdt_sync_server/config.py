"""What an operator may set."""

from __future__ import annotations

import ipaddress
import os
import sys
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from crdt_sync.protocol.messages import MAX_MESSAGE_BYTES
from crdt_sync_server.errors import ConfigurationError
from crdt_sync_server.limits import Limits

__all__ = ["Config", "Durability", "LogFormat", "default_data_folder"]


class Durability(StrEnum):
    """What a commit survives: `full` a power cut, `normal` the death of the process alone."""

    FULL = "full"
    NORMAL = "normal"


class LogFormat(StrEnum):
    """One line for people, or one JSON object."""

    CONSOLE = "console"
    JSON = "json"


def default_data_folder() -> Path:
    """Return where data of this user's programs belongs on this system."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local" / "share"))
    return base / "crdt-sync-server"


@dataclass(frozen=True, slots=True)
class Config:
    """The settings of one relay. Making it raises `ConfigurationError` where they contradict each other."""

    host: str = "127.0.0.1"
    port: int = 8765
    data: Path | None = None
    allow_anyone: bool = False
    allow_origins: tuple[str, ...] = ()
    allow_hosts: tuple[str, ...] = ()
    max_message_bytes: int = MAX_MESSAGE_BYTES
    idle_room_s: float = 30.0
    poll_wait_s: float = 25.0
    max_poll_sessions: int = 4096
    max_poll_sessions_per_address: int = 256
    limits: Limits = field(default_factory=Limits)
    durability: Durability = Durability.FULL
    log_format: LogFormat = LogFormat.CONSOLE

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ConfigurationError(f"{self.port} is no port; --port takes 0 to 65535")
        if not 1024 <= self.max_message_bytes <= 2**31 - 1:
            raise ConfigurationError("--max-message-bytes takes 1024 to 2147483647")
        if not 1 <= self.poll_wait_s <= 300:
            raise ConfigurationError("--poll-wait takes 1 to 300 seconds")
        if self.max_poll_sessions < 0 or self.max_poll_sessions_per_address < 0:
            raise ConfigurationError("--max-poll-sessions and --max-poll-sessions-per-address take 0 or more")
        if not _is_loopback(self.host) and not self.allow_anyone:
            raise ConfigurationError(
                f"on {self.host} everyone who reaches this machine could read and change every room, as nobody is "
                "asked who they are; say --allow-anyone if you want that, or listen on 127.0.0.1 behind a proxy"
            )

    @property
    def database(self) -> Path:
        """The file that holds all rooms."""
        return (self.data or default_data_folder()) / "relay.sqlite3"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
