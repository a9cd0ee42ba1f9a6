"""The OpenAPI document: held against the routes, and the relay held against it by schemathesis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import CheckFunction
from schemathesis.specs.openapi.checks import positive_data_acceptance

from crdt_sync_server.api.description import PARTS, SCHEMAS, document_of
from crdt_sync_server.api.problems import CODES
from crdt_sync_server.api.routing import API_PREFIX
from crdt_sync_server.api.table import ROUTES
from tests.relay import RelayProcess
from tests.server.api.tokens import client_of, token, token_relay

NOT_SAID: list[CheckFunction] = [positive_data_acceptance]
"""A JSON Schema cannot say what an update, a state vector, a room's name or a token is: those are refused with 400."""
DESCRIBED = schemathesis.openapi.from_dict(document_of(ROUTES))
DESCRIBED.config.checks.negative_data_rejection.expected_statuses.append("413")  # of which each route says it
OPERATIONS = [each.ok() for each in DESCRIBED.get_all_operations()]
CASES = [
    pytest.param(mode, each, id=f"{mode.value} {each.label}")
    for each in OPERATIONS
    for mode in GenerationMode
    if mode is GenerationMode.POSITIVE or each.label not in ("GET /me", "GET /openapi.json")  # which take nothing
]
OF_A_REAL_ROOM = {
    "GET /rooms/{room}": (200,),
    "PATCH /rooms/{room}": (200, 422),  # a name may still hold control characters
    "DELETE /rooms/{room}": (204,),
    "GET /rooms/{room}/document": (200, 400),
    "POST /rooms/{room}/document": (400,),
    "GET /rooms/{room}/document.json": (200,),
    "GET /rooms/{room}/members": (200,),
    "PATCH /rooms/{room}/members/{subject}": (404,),
    "DELETE /rooms/{room}/members/{subject}": (404,),
    "GET /rooms/{room}/invitations": (200,),
    "POST /rooms/{room}/invitations": (201,),
    "DELETE /rooms/{room}/invitations/{id}": (404,),
    "GET /rooms/{room}/devices": (200, 400),
    "POST /rooms/{room}/discussion": (200, 404, 422),  # what takes a post finds none, and each action takes its own
}
"""What a request that fits the description may come to in a new group of who asks."""
UNBOUND = ("questions-burst=1000000", "updates-burst=1000000", "bytes-burst=1000000000", "changes-burst=1000000")


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    limits = [word for limit in UNBOUND for word in ("--limit", limit)]
    with token_relay(tmp_path_factory.mktemp("relay"), "--jwt-token-days", "30", *limits) as relay:
        yield relay


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:  # a socket for each request would meet the bound of half-open ones
        yield session


@pytest.fixture(scope="module")
def description(relay: RelayProcess) -> dict[str, Any]:
    with client_of(relay, None) as anyone:
        found: dict[str, Any] = anyone.get("/openapi.json").json()
        return found


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


@pytest.mark.parametrize(("mode", "operation"), CASES)
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_the_relay_answers_as_it_is_described(
    operation: Any, mode: GenerationMode, relay: RelayProcess, session: requests.Session, data: st.DataObject
) -> None:
    """Requests that fit the description and that do not, of a room that is not there and of one that is."""
    who = f"{mode.value} {operation.label}"  # each its own: one subject owns a thousand groups at most
    session.headers["authorization"] = f"Bearer {token(who)}"
    case = data.draw(operation.as_strategy(generation_mode=mode))
    base_url = f"{relay.url.replace('ws', 'http')}{API_PREFIX}"
    case.call_and_validate(base_url=base_url, session=session, excluded_checks=NOT_SAID)
    if "room" in (case.path_parameters or {}):
        made = session.post(f"{base_url}/groups", json={"name": "real"})
        assert made.status_code == 201, made.text
        case.path_parameters["room"] = quote(made.json()["room"], safe="")
        answer = case.call_and_validate(base_url=base_url, session=session, excluded_checks=NOT_SAID)
        if mode is GenerationMode.POSITIVE:
            assert answer.status_code in OF_A_REAL_ROOM[operation.label]
