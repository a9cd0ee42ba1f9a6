"""One installation for all tests of a module, which says what its relays meet at."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.cluster.installation import Installation, installed


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def installation(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, anyio_backend: str
) -> AsyncIterator[Installation]:
    async with installed(tmp_path_factory.mktemp("cluster"), backplane=request.module.BACKPLANE) as everything:
        yield everything
