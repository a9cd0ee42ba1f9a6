"""Who is let in by a real server, and where: passwords, rights, TLS, replicas, URLs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import anyio
import pytest
import trustme

from crdt_sync_server.backplane import Committed, Said
from crdt_sync_server.backplanes.redis import Kept, RedisBackplane
from crdt_sync_server.conformance_hearing import take, take_until
from crdt_sync_server.errors import BackplaneError, ConfigurationError
from tests.redis_server import PASSWORD, RedisServer

pytestmark = pytest.mark.anyio


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path / "redis") as running:
        yield running


@asynccontextmanager
async def opened(url: str, kept: Kept | None = None) -> AsyncIterator[RedisBackplane]:
    backplane = RedisBackplane(url, kept=kept)
    try:
        yield backplane
    finally:
        await backplane.close()


def update(position: int, size: int = 10) -> Committed:
    return Committed("room", position, bytes(size))


async def test_a_replica_is_not_written(server: RedisServer, tmp_path: Path) -> None:
    with RedisServer(tmp_path / "replica", "--replicaof", f"127.0.0.1 {server.port}") as replica:
        async with opened(server.url) as relay, opened(replica.url) as wrong:
            await relay.publish([update(1)])
            assert server("WAIT", 1, 10_000) == 1
            with pytest.raises(BackplaneError, match="must name the primary"):
                await wrong.publish([update(2)])


async def test_who_is_not_let_in_is_told_without_the_password(tmp_path: Path) -> None:
    with RedisServer(tmp_path, "--requirepass", PASSWORD) as server:
        url = f"redis://:{quote(PASSWORD, safe='')}@127.0.0.1:{server.port}/0"
        async with opened(url) as relay, relay.subscribe(None) as news:
            await relay.publish([update(1)])
            assert await take(news, 1) == [update(1)]
        for refused in (server.url, f"redis://:wr0ng@127.0.0.1:{server.port}/0"):
            async with opened(refused) as relay:
                with pytest.raises(BackplaneError, match="does not let the relay in") as raised:
                    await relay.publish([update(1)])
                assert "wr0ng" not in str(raised.value)
                with pytest.raises(BackplaneError):
                    async with relay.subscribe(None):
                        pass


async def test_a_user_with_few_rights_is_enough(server: RedisServer) -> None:
    """These are the rights that docs/design.md names."""
    rights = "+xadd +xread +xrange +xrevrange +xlen +xtrim +memory|usage +publish +subscribe +ping +multi +exec"
    assert f"`{rights}`" in " ".join((Path(__file__).parents[3] / "docs" / "design.md").read_text("utf-8").split())
    server("ACL", "SETUSER", "relay", "on", ">word", "~crdt-sync:*", "&crdt-sync:*", *rights.split())
    kept = Kept(size_bytes=100_000, measured_each_bytes=1)
    async with opened(f"redis://relay:word@127.0.0.1:{server.port}/0", kept) as relay, relay.subscribe(None) as news:
        await relay.publish([update(1, 60_000), update(2, 60_000)])
        await relay.publish([update(3, 60_000), update(4, 60_000)])
        await relay.say([Said("node", b"")])
        await anyio.sleep(1.5)  # the ping and the look at what is there
        await relay.publish([update(5)])
        heard = await take_until(news, update(5))
        assert Said("node", b"") in heard


async def test_tls_is_checked(tmp_path: Path) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    stranger.cert_pem.write_to_path(tmp_path / "stranger.pem")
    with RedisServer(tmp_path / "redis", tls=(tmp_path / "cert.pem", tmp_path / "key.pem")) as server:
        good = f"{server.tls_url}?ssl_ca_certs={tmp_path}/ca.pem"
        async with opened(good) as relay, relay.subscribe(None) as news:
            await relay.publish([update(1, 60_000)])
            assert await take(news, 1) == [update(1, 60_000)]
        for query in ("", f"?ssl_ca_certs={tmp_path}/stranger.pem"):
            async with opened(server.tls_url + query) as relay:
                with pytest.raises(BackplaneError, match="certificate"):
                    await relay.publish([update(1)])


async def test_the_server_need_not_be_there_yet() -> None:
    async with opened("redis://127.0.0.1:1/0") as relay:
        with pytest.raises(BackplaneError, match=r"127\.0\.0\.1:1"):
            await relay.publish([update(1)])


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "http://:hidden@host",
        "redis://:hidden@host?socket_timeout=x",
        "redis://:hidden@host:port",
        "redis://:hidden/word@host",
    ],
)
def test_a_url_that_is_none_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        RedisBackplane(url)
    assert "hidden" not in str(raised.value)


async def test_a_right_that_lacks_is_told_when_the_block_is_entered(server: RedisServer) -> None:
    server("ACL", "SETUSER", "relay", "on", ">word", "~crdt-sync:*", "&crdt-sync:*", "+@all", "-subscribe")
    async with opened(f"redis://relay:word@127.0.0.1:{server.port}/0") as relay:
        with pytest.raises(BackplaneError, match=r"does not let the relay in.*subscribe"):
            async with relay.subscribe(None):
                pytest.fail("the block was entered")


async def test_who_waits_is_told_that_it_was_closed(server: RedisServer) -> None:
    async with opened(server.url) as relay, relay.subscribe(None) as news:
        await anext(news)
        await relay.close()
        with pytest.raises(BackplaneError, match="the backplane is closed"):
            await anext(news)
