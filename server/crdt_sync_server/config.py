"""What an operator may set: one table, from which flags, environment, file and docs follow (`settings.py`)."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from crdt_sync.protocol.messages import MAX_MESSAGE_BYTES
from crdt_sync_server.addresses import checked_url, is_loopback
from crdt_sync_server.errors import ConfigurationError
from crdt_sync_server.limits import Limits

__all__ = ["AuthMode", "Config", "Durability", "LogFormat", "default_data_folder"]


class Durability(StrEnum):
    """What a commit survives: `full` a power cut, `normal` the death of the process alone."""

    FULL = "full"
    NORMAL = "normal"


class AuthMode(StrEnum):
    """Who is asked who they are: nobody, or everybody for a token, of the relay's own or of an identity provider."""

    OPEN = "open"
    STATIC = "static"
    JWT = "jwt"


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


PUBLIC_ALGORITHMS = ("RS256", "ES256", "EdDSA")
MAX_TOKEN_DAYS = 366
MAX_WORKERS = 64
MIN_SECRET_BYTES = 32
"""As RFC 7518 asks of HS256 (section 3.2)."""


def _named(flag: str, words: str, *, secret: bool = False) -> dict[str, str | bool]:
    """Say of a field of `Config` that its flag is `--flag`, and what it is for.

    A secret is no flag, as every user of the machine sees those, and is never shown.
    """
    return {"flag": flag, "help": words, "secret": secret}


@dataclass(frozen=True, slots=True)
class Config:
    """The settings of one relay. Making it raises `ConfigurationError` where they contradict each other."""

    host: str = field(default="127.0.0.1", metadata=_named("host", "Address to listen on."))
    port: int = field(default=8765, metadata=_named("port", "Port to listen on; 0 takes a free one."))
    workers: int = field(
        default=1,
        metadata=_named("workers", "Processes that serve the port together, on a store that they can share."),
    )
    data: Path | None = field(default=None, metadata=_named("data", "Folder for the database."))
    database_url: str | None = field(
        default=None,
        repr=False,
        metadata=_named(
            "database-url", "A PostgreSQL database in place of the folder's, postgresql://…. No flag.", secret=True
        ),
    )
    backplane: str | None = field(
        default=None,
        repr=False,
        metadata=_named(
            "backplane",
            "How relays on one database-url tell each other what is new: postgres, the database itself, if nothing is "
            "said; redis://… or rediss://… for a server of Redis or Valkey; or none. No flag.",
            secret=True,
        ),
    )
    backplane_prefix: str = field(
        default="crdt-sync:",
        metadata=_named(
            "backplane-prefix",
            "What its keys and channels begin with. Installations on one Redis are told apart by their databases "
            "anyway.",
        ),
    )
    allow_anyone: bool = field(
        default=False,
        metadata=_named("allow-anyone", "Listen beyond this machine though nobody is asked who they are."),
    )
    auth: AuthMode = field(
        default=AuthMode.OPEN,
        metadata=_named(
            "auth",
            "open: nobody is asked who they are. static: everybody needs a token that `tokens create` has made. jwt: "
            "one of --jwt-issuer, or one that was made so.",
        ),
    )
    jwt_issuer: str | None = field(
        default=None, metadata=_named("jwt-issuer", "Who makes the tokens: the iss in them, to the letter.")
    )
    jwt_jwks_url: str | None = field(
        default=None,
        metadata=_named("jwt-jwks-url", "Where the issuer's public keys are; else its OpenID configuration says it."),
    )
    jwt_algorithms: tuple[str, ...] = field(
        default=(),
        metadata=_named(
            "jwt-algorithm", "RS256, ES256 or EdDSA; HS256 with a secret. All that go, if none is said. Repeatable."
        ),
    )
    jwt_audiences: tuple[str, ...] = field(
        default=(), metadata=_named("jwt-audience", "An aud that tokens must have one of. Repeatable.")
    )
    jwt_authorized_parties: tuple[str, ...] = field(
        default=(), metadata=_named("jwt-authorized-party", "An azp that tokens must have one of. Repeatable.")
    )
    jwt_secret: str | None = field(
        default=None,
        repr=False,
        metadata=_named("jwt-secret", "The secret of HS256, in place of public keys. No flag.", secret=True),
    )
    jwt_leeway_s: float = field(
        default=5.0, metadata=_named("jwt-leeway", "How many seconds the issuer's clock may differ from ours.")
    )
    jwt_token_days: int = field(
        default=0,
        metadata=_named(
            "jwt-token-days",
            "For how many days a token of the relay's own may live that somebody makes over HTTP with one of the "
            "provider, which it outlives; 0: nobody can.",
        ),
    )
    allow_origins: tuple[str, ...] = field(
        default=(),
        metadata=_named("allow-origin", "A site whose pages may connect, like https://reader.example. Repeatable."),
    )
    allow_hosts: tuple[str, ...] = field(
        default=(), metadata=_named("allow-host", "A name under which this relay is reached. Repeatable.")
    )
    max_message_bytes: int = field(
        default=MAX_MESSAGE_BYTES, metadata=_named("max-message-bytes", "The largest message that is taken.")
    )
    room_quota_bytes: int = field(
        default=512 * 1024 * 1024,
        metadata=_named("room-quota-bytes", "How much is stored of one room before its edits are refused."),
    )
    subject_quota_bytes: int = field(
        default=0,
        metadata=_named(
            "subject-quota-bytes",
            "How much is stored in the rooms of one subject before edits are refused; 0: no bound.",
        ),
    )
    idle_room_s: float = field(
        default=30.0, metadata=_named("idle-room", "Seconds until a room that nobody is in leaves the memory.")
    )
    poll_wait_s: float = field(
        default=25.0,
        metadata=_named("poll-wait", "How long a poll may wait for news, in seconds; less than what a proxy allows."),
    )
    max_poll_sessions: int = field(
        default=4096, metadata=_named("max-poll-sessions", "How many clients may poll; 0 turns polling off.")
    )
    max_poll_sessions_per_address: int = field(
        default=256,
        metadata=_named(
            "max-poll-sessions-per-address", "How many of them from one address. Behind a proxy all have the proxy's."
        ),
    )
    webhook_gather_s: float = field(
        default=5.0,
        metadata=_named(
            "webhook-gather", "Seconds over which changes of a room are gathered into one call of a webhook."
        ),
    )
    webhook_give_up_s: float = field(
        default=3600.0,
        metadata=_named("webhook-give-up", "Seconds after which what a webhook does not take is given up."),
    )
    webhook_waiting: int = field(
        default=4096, metadata=_named("webhook-waiting", "How many rooms may wait for one webhook.")
    )
    limit: tuple[str, ...] = field(
        default=(),
        metadata=_named("limit", "Another bound, as name=value; docs/protocol.md has the list. Repeatable."),
    )
    metrics_port: int | None = field(
        default=None,
        metadata=_named(
            "metrics-port", "Port of /metrics, for Prometheus; 0 takes a free one. Without it there are none."
        ),
    )
    metrics_host: str = field(
        default="127.0.0.1", metadata=_named("metrics-host", "Address of /metrics. Whoever reaches it reads it.")
    )
    durability: Durability = field(
        default=Durability.FULL,
        metadata=_named("durability", "full: a commit survives a power cut. normal: a crash of the relay."),
    )
    log_format: LogFormat = field(
        default=LogFormat.CONSOLE, metadata=_named("log-format", "Lines for people (console) or for programs (json).")
    )

    def __post_init__(self) -> None:
        Limits().changed(self.limit)
        if not 0 <= self.port <= 65535:
            raise ConfigurationError(f"{self.port} is no port; --port takes 0 to 65535")
        self._check_workers()
        if not 1024 <= self.max_message_bytes <= 2**31 - 1:
            raise ConfigurationError("--max-message-bytes takes 1024 to 2147483647")
        if self.room_quota_bytes < 1024:
            raise ConfigurationError("--room-quota-bytes takes 1024 or more")
        if self.subject_quota_bytes < 0:
            raise ConfigurationError("--subject-quota-bytes takes 0 (no bound) or more")
        if not 0 <= self.idle_room_s <= 86400:
            raise ConfigurationError("--idle-room takes 0 to 86400 seconds")
        if self.metrics_port is not None and not 0 <= self.metrics_port <= 65535:
            raise ConfigurationError(f"{self.metrics_port} is no port; --metrics-port takes 0 to 65535")
        if not 1 <= self.poll_wait_s <= 300:
            raise ConfigurationError("--poll-wait takes 1 to 300 seconds")
        if self.max_poll_sessions < 0 or self.max_poll_sessions_per_address < 0:
            raise ConfigurationError("--max-poll-sessions and --max-poll-sessions-per-address take 0 or more")
        if not 0 <= self.webhook_gather_s <= 3600:
            raise ConfigurationError("--webhook-gather takes 0 to 3600 seconds")
        if not 0 <= self.webhook_give_up_s <= 7 * 86400:
            raise ConfigurationError("--webhook-give-up takes 0 to 604800 seconds")
        if not 1 <= self.webhook_waiting <= 65536:
            raise ConfigurationError("--webhook-waiting takes 1 to 65536")
        self._check_backplane()
        if self.auth is AuthMode.JWT:
            self._check_jwt()
        if self.auth is AuthMode.OPEN and not is_loopback(self.host) and not self.allow_anyone:
            raise ConfigurationError(
                f"on {self.host} everyone who reaches this machine could read and change every room, as nobody is "
                "asked who they are; ask with --auth static or --auth jwt, say --allow-anyone if you want that, or "
                "listen on 127.0.0.1"
            )

    def _check_backplane(self) -> None:
        if not re.fullmatch(r"[!-~]{1,40}", self.backplane_prefix, re.ASCII):
            raise ConfigurationError("--backplane-prefix takes 1 to 40 letters, digits and signs, without a space")
        if self.backplane in (None, "none"):
            return
        if self.backplane != "postgres" and not self.backplane.startswith(("redis://", "rediss://")):
            raise ConfigurationError("backplane takes redis://…, rediss://…, postgres or none")
        if self.database_url is None:
            raise ConfigurationError(
                "a backplane is for relays that share a store, and the store of this one is a file that no other can "
                "open; set database-url too, or leave backplane out"
            )

    def _check_workers(self) -> None:
        if not 1 <= self.workers <= MAX_WORKERS:
            raise ConfigurationError(f"--workers takes 1 to {MAX_WORKERS}")
        if self.workers == 1:
            return
        if self.database_url is None:
            raise ConfigurationError(
                f"{self.workers} workers need a store that they can share, and SQLite belongs to one process; set "
                "database-url to a PostgreSQL database, or leave --workers at 1"
            )
        if sys.platform == "win32":
            raise ConfigurationError(
                "several workers cannot share a port on Windows; run relays on ports of their own behind a proxy"
            )
        if self.metrics_port and self.metrics_port + self.workers > 65536:
            raise ConfigurationError(
                f"{self.workers} workers take the ports from --metrics-port on; {self.metrics_port} is too high"
            )

    def _check_jwt(self) -> None:
        if not 0 <= self.jwt_leeway_s <= 300:
            raise ConfigurationError("--jwt-leeway takes 0 to 300 seconds")
        if not 0 <= self.jwt_token_days <= MAX_TOKEN_DAYS:
            raise ConfigurationError(f"--jwt-token-days takes 0 (nobody can) to {MAX_TOKEN_DAYS}")
        if self.jwt_secret is None:
            if not self.jwt_issuer:
                raise ConfigurationError("--auth jwt needs --jwt-issuer, or the setting jwt-secret for HS256")
            checked_url(self.jwt_jwks_url or self.jwt_issuer, "jwt-jwks-url" if self.jwt_jwks_url else "jwt-issuer")
            taken: tuple[str, ...] = PUBLIC_ALGORITHMS
        else:
            if len(self.jwt_secret.encode()) < MIN_SECRET_BYTES:
                raise ConfigurationError(f"jwt-secret needs at least {MIN_SECRET_BYTES} bytes")
            if self.jwt_jwks_url is not None:
                raise ConfigurationError("jwt-secret and --jwt-jwks-url are one too many: tokens have one kind of key")
            taken = ("HS256",)
        if wrong := [each for each in self.jwt_algorithms if each not in taken]:
            raise ConfigurationError(f"--jwt-algorithm takes {', '.join(taken)} here, and not {', '.join(wrong)}")

    @property
    def algorithms(self) -> tuple[str, ...]:
        """The algorithms of tokens that are taken."""
        return self.jwt_algorithms or (PUBLIC_ALGORITHMS if self.jwt_secret is None else ("HS256",))

    @property
    def limits(self) -> Limits:
        """The bounds that `limit` names, and the defaults of all others."""
        return Limits().changed(self.limit)

    @property
    def database(self) -> Path:
        """The file that holds all rooms, unless a `database_url` is set."""
        return (self.data or default_data_folder()) / "relay.sqlite3"
