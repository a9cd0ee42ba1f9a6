"""The OpenAPI document: held against the routes, and the relay held against it by schemathesis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import CheckFunction
from schemathesis.specs.openapi.checks import positive_data_acceptance

from crdt_sync_server.api.description import PARTS, SCHEMAS
from crdt_sync_server.api.problems import CODES
from crdt_sync_server.api.routing import API_PREFIX
from crdt_sync_server.api.table import ROUTES
from tests.relay import RelayProcess
from tests.server.api.tokens import client_of, token, token_relay

NOT_SAID: list[CheckFunction] = [positive_data_acceptance]
"""A JSON Schema cannot say what an update, a state vector, a room's name or a token is: those are refused with 400."""
UNBOUND = ("questions-burst=1000000", "updates-burst=1000000", "bytes-burst=1000000000")


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    limits = [word for limit in UNBOUND for word in ("--limit", limit)]
    with token_relay(tmp_path_factory.mktemp("relay"), *limits) as relay:
        yield relay


@pytest.fixture(scope="module")
def description(relay: RelayProcess) -> dict[str, Any]:
    with client_of(relay, None) as anyone:
        found: dict[str, Any] = anyone.get("/openapi.json").json()
        return found


@pytest.fixture(scope="module")
def api_schema(description: dict[str, Any]) -> Any:
    return schemathesis.openapi.from_dict(description)


described = schemathesis.pytest.from_fixture("api_schema")


def test_every_route_is_described_and_nothing_else(description: dict[str, Any]) -> None:
    there = {(route.method.lower(), route.template) for route in ROUTES}
    assert there == {(method, path) for path, methods in description["paths"].items() for method in methods}
    for route in ROUTES:
        operation = description["paths"][route.template][route.method.lower()]
        assert operation["summary"]
        assert operation["description"], "of the handler's docstring"
        assert {str(status) for status in route.answers} <= operation["responses"].keys()
        assert ("requestBody" in operation) is (route.body is not None)
        assert [each["name"] for each in operation["parameters"] if each["in"] == "query"] == [
            query.name for query in route.query
        ]
        assert {each["name"] for each in operation["parameters"] if each["in"] == "path"} <= PARTS.keys()
    identifiers = [each["operationId"] for methods in description["paths"].values() for each in methods.values()]
    assert len(set(identifiers)) == len(identifiers)


def test_every_schema_that_is_named_is_there_and_used(description: dict[str, Any]) -> None:
    assert description["openapi"].startswith("3.1")
    used = set(str(description).split("'#/components/schemas/")[1:])
    assert {each.partition("'")[0] for each in used} == SCHEMAS.keys()
    assert SCHEMAS["Problem"]["properties"]["code"]["enum"] == list(CODES)


@described.parametrize()
@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_the_relay_answers_as_it_is_described(case: Any, relay: RelayProcess) -> None:
    """Requests that fit the description and that do not, of a room that is not there and of one that is."""
    base_url = f"{relay.url.replace('ws', 'http')}{API_PREFIX}"
    headers = {"authorization": f"Bearer {token('ada')}"}
    case.call_and_validate(base_url=base_url, headers=headers, excluded_checks=NOT_SAID)
    if "room" in (case.path_parameters or {}):
        with client_of(relay, "ada") as ada:
            case.path_parameters["room"] = ada.post("/groups", json={"name": "real"}).json()["room"]
        case.call_and_validate(base_url=base_url, headers=headers, excluded_checks=NOT_SAID)
