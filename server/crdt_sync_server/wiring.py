"""The composition root: the one place that names adapters; those of stores are in `wiring_stores`."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import anyio.to_thread

from crdt_sync_server.admin_socket import ask_running
from crdt_sync_server.administration import Administration, AdministrationAnswer
from crdt_sync_server.api.calls import Services
from crdt_sync_server.api.errand import Conducts
from crdt_sync_server.api.face import ApiFace
from crdt_sync_server.api.table import ROUTES
from crdt_sync_server.app import RelayApp
from crdt_sync_server.auth.members import MembersAuthority
from crdt_sync_server.auth.open import OpenAuthenticator, OpenAuthority
from crdt_sync_server.auth.static import StaticAuthenticator
from crdt_sync_server.backplane import Backplane
from crdt_sync_server.channel import ChannelServer
from crdt_sync_server.cluster import Cluster
from crdt_sync_server.config import AuthMode, Config
from crdt_sync_server.errors import RelayError, StoreError, StoreInUse
from crdt_sync_server.failures import Failures
from crdt_sync_server.gate import Gate
from crdt_sync_server.host import Host
from crdt_sync_server.http import HttpFace
from crdt_sync_server.keepers import Members
from crdt_sync_server.metrics import Metrics
from crdt_sync_server.origins import Origins
from crdt_sync_server.poll_sessions import PollSessions
from crdt_sync_server.polling import PollingFace
from crdt_sync_server.ports import Authenticator, Authority, RoomStore
from crdt_sync_server.posting import HttpPoster
from crdt_sync_server.quotas import Quotas
from crdt_sync_server.reader_files import ReaderFace
from crdt_sync_server.sharing import Sharing
from crdt_sync_server.token_desk import TokenDesk
from crdt_sync_server.webhook_deliveries import Deliveries
from crdt_sync_server.webhook_queue import WebhookBounds
from crdt_sync_server.wiring_backplane import open_backplane
from crdt_sync_server.wiring_stores import devices_of, members_of, open_store, shared_store, tokens_of, webhooks_of

__all__ = [
    "administer",
    "administration_of",
    "build",
    "channel_server",
    "open_host",
]


def build(
    config: Config,
    store: RoomStore,
    *,
    now: Callable[[], float] = time.monotonic,
    authenticator: Authenticator | None = None,
    authority: Authority | None = None,
    members: Members | None = None,
    backplane: Backplane | None = None,
    run_sync: Callable[..., Awaitable[Any]] = anyio.to_thread.run_sync,
) -> RelayApp:
    """Put a relay together. `authenticator` and `authority` take the place of those that the settings ask for.

    A simulation hands in its own time and what stands for threads.
    """
    host = open_host(config, store, now=now, backplane=backplane, run_sync=run_sync)
    members = members or members_of(store)
    if authority is None:
        is_open = authenticator is not None or config.auth is AuthMode.OPEN
        authority = OpenAuthority() if is_open else MembersAuthority(members)
    host.authority = authority
    gate = _gate(config, authenticator, authority, host)
    http = ReaderFace(gate, otherwise=HttpFace(store, lambda: host.stopping))
    sessions = PollSessions(
        max_sessions=config.max_poll_sessions,
        max_sessions_per_address=config.max_poll_sessions_per_address,
        now=now,
    )
    polling = PollingFace(
        host,
        gate,
        sessions,
        max_message_bytes=config.max_message_bytes,
        max_wait_s=config.poll_wait_s,
    )
    conducts = Conducts(host.limits, now)
    desk = None
    if authenticator is None and config.auth is not AuthMode.OPEN and host.tokens is not None:
        desk = TokenDesk(host.tokens, host, members, provider_days=config.jwt_token_days)
    services = Services(host, gate, members, Sharing(host, members), config.max_message_bytes, conducts, desk)
    api = ApiFace(services, ROUTES)
    return RelayApp(host, gate, http, polling, sessions, max_message_bytes=config.max_message_bytes, api=api)


def _gate(config: Config, authenticator: Authenticator | None, authority: Authority, host: Host) -> Gate:
    """Return the gate that the settings ask for, or the one of an authenticator that is handed in."""
    within_s, changes = config.limits.authenticate_s, lambda: host.roles_changed
    hosts = (*config.allow_hosts, config.host)
    if authenticator is not None or config.auth is AuthMode.OPEN:
        authenticator = authenticator or OpenAuthenticator(origins=config.allow_origins, hosts=hosts)
        return Gate(authenticator, authority, within_s=within_s, roles_changed=changes)
    origins = Origins(origins=config.allow_origins, hosts=hosts)
    assert host.tokens is not None, "`open_host` has set them"
    otherwise = _jwt_authenticator(config, host.now) if config.auth is AuthMode.JWT else None
    authenticator = StaticAuthenticator(host.tokens, otherwise=otherwise, wall=host.wall, used=host.sightings.used)
    failures = Failures(per_minute=config.limits.failures_per_minute, burst=config.limits.failures_burst)
    return Gate(
        authenticator,
        authority,
        within_s=within_s,
        origins=origins,
        roles_changed=changes,
        failures=failures,
        now=host.now,
    )


def _jwt_authenticator(config: Config, now: Callable[[], float]) -> Authenticator:
    """Return what takes tokens as the settings say. Open mode starts without the libraries that this needs."""
    from crdt_sync_server.auth.jwks import Jwks
    from crdt_sync_server.auth.jwt import JwtAuthenticator, JwtRules, Keys, Secret

    keys: Keys
    if config.jwt_secret is not None:
        keys = Secret(config.jwt_secret)
    else:
        assert config.jwt_issuer is not None, "the settings were checked"
        keys = Jwks(config.jwt_issuer, config.jwt_jwks_url, now=now)
    rules = JwtRules(
        algorithms=config.algorithms,
        issuer=config.jwt_issuer,
        audiences=config.jwt_audiences,
        authorized_parties=config.jwt_authorized_parties,
        leeway_s=config.jwt_leeway_s,
    )
    return JwtAuthenticator(rules, keys)


def open_host(
    config: Config,
    store: RoomStore,
    *,
    now: Callable[[], float] = time.monotonic,
    backplane: Backplane | None = None,
    run_sync: Callable[..., Awaitable[Any]] = anyio.to_thread.run_sync,
) -> Host:
    """Return the rooms of a store, under the quotas of the settings.

    On a store that others may have open too they follow what those do, over `backplane` or what the settings ask for.
    """
    quotas = Quotas(config.room_quota_bytes, config.subject_quota_bytes)
    metrics = Metrics()
    host = Host(
        store,
        now=now,
        idle_s=config.idle_room_s,
        limits=config.limits,
        quotas=quotas,
        metrics=metrics,
        run_sync=run_sync,
    )
    if (shared := shared_store(store)) is not None:
        backplane = backplane or open_backplane(config, shared.installation)
        host.cluster = Cluster(host, shared, members_of(store), backplane, random=Random())
    metrics.standing = host.standing
    host.tokens = host.sightings.tokens = tokens_of(store)
    host.sightings.devices = devices_of(store)
    host.webhooks = Deliveries(
        webhooks_of(store),
        host.changes,
        HttpPoster(),
        metrics,
        bounds=WebhookBounds(config.webhook_gather_s, config.webhook_give_up_s, config.webhook_waiting),
        now=now,
        wall=host.wall,
    )
    return host


def administration_of(host: Host, store: RoomStore) -> Administration:
    """Return what an operator may do on a running host."""
    return Administration(host, members_of(store))


async def administer(config: Config, request: Mapping[str, Any], *, make_store: bool = False) -> AdministrationAnswer:
    """Let the relay that runs on the store do what an operator asks, or do it on the store itself, held meanwhile.

    On PostgreSQL it is done beside the relays that run, which read of it in the store.

    Raises `RelayError` if it could not be done, if there is no store and none is to be made, or if neither can be had.
    """
    if config.database_url is None and not make_store and not config.database.exists():
        raise StoreError(f"there is no store at {config.database}; name its folder with --data")
    try:
        store = await open_store(config)
    except StoreInUse:
        return await ask_running(config.database, request)
    host = open_host(config, store)
    outcome: AdministrationAnswer | RelayError
    try:
        async with host.running(), host.telling():
            try:
                outcome = await administration_of(host, store).answer(request)
            except RelayError as error:  # a task group would wrap it
                outcome = error
            await host.stop()
    finally:
        await store.close()
    if isinstance(outcome, RelayError):
        raise outcome
    return outcome


@asynccontextmanager
async def channel_server(config: Config) -> AsyncIterator[ChannelServer]:
    """Run a relay for pycrdt-websocket's servers for as long as the block lasts: `ASGIServer(the_relay)`.

    Raises `StoreError` if the store cannot be opened.
    """
    store = await open_store(config)
    host = open_host(config, store)
    try:
        async with host.running(), host.telling():
            yield ChannelServer(host, max_message_bytes=config.max_message_bytes)
            await host.stop()
    finally:
        await store.close()
