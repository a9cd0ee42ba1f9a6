from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.relay import RelayProcess


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    with RelayProcess(tmp_path_factory.mktemp("relay")) as relay:
        yield relay


@pytest.fixture
def room(request: pytest.FixtureRequest) -> str:
    return f"blocking/{request.node.name}"


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)
