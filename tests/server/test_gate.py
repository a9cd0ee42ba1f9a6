"""Who gets in, and with what, whatever the adapters are."""

from __future__ import annotations

import anyio
import pytest

from crdt_sync.protocol.close_codes import CloseCode
from crdt_sync_server.errors import Forbidden
from crdt_sync_server.gate import Gate, without_token
from crdt_sync_server.limits import Limit, LimitReached
from crdt_sync_server.ports import ConnectRequest, Grant, Identity, Role

pytestmark = pytest.mark.anyio
REQUEST = ConnectRequest(room="u/ada", headers=(("host", "relay"),), query="", client=None)


class Knows:
    async def authenticate(self, request: ConnectRequest) -> Identity:
        return Identity("ada", 100.0, "Ada")


class Never:
    async def authenticate(self, request: ConnectRequest) -> Identity:
        return await anyio.sleep_forever()

    async def role(self, identity: Identity, room: str) -> Role | None:
        return await anyio.sleep_forever()


class Says:
    def __init__(self, role: Role | None) -> None:
        self._role = role

    async def role(self, identity: Identity, room: str) -> Role | None:
        assert (identity.subject, room) == ("ada", "u/ada")
        return self._role


@pytest.mark.parametrize("role", Role)
async def test_a_grant_has_all_that_is_known(role: Role) -> None:
    grant = await Gate(Knows(), Says(role), within_s=10).admit(REQUEST)
    assert (grant.subject, grant.role, grant.expires_at_s, grant.name) == ("ada", role, 100.0, "Ada")
    assert grant.read_only is (role is Role.READER)


async def test_who_has_no_role_is_refused() -> None:
    with pytest.raises(Forbidden):
        await Gate(Knows(), Says(None), within_s=10).admit(REQUEST)


@pytest.mark.parametrize("gate", [Gate(Never(), Says(None), within_s=0.01), Gate(Knows(), Never(), within_s=0.01)])
async def test_neither_may_take_its_time(gate: Gate) -> None:
    with pytest.raises(LimitReached) as caught:
        await gate.admit(REQUEST)
    assert caught.value.limit is Limit.AUTHENTICATION
    assert caught.value.close_code is CloseCode.OVERLOADED


def test_a_later_expiry_allows_the_same() -> None:
    assert Grant("ada", expires_at_s=1.0, name="A") == Grant("ada", expires_at_s=2.0, name="Ada")
    assert Grant("ada") != Grant("ada", read_only=True, role=Role.READER)


def test_a_preflight_has_no_token() -> None:
    headers = (("authorization", "Bearer x"), ("origin", "https://a"), ("cookie", "x"), ("sec-websocket-protocol", "x"))
    bare = without_token(ConnectRequest("r", headers, "token=x", "10.0.0.1"))
    assert bare == ConnectRequest("r", (("origin", "https://a"),), "", "10.0.0.1")
