"""A relay whose tokens say who comes and what they may: `?token=<subject>`, `reader:<subject>`, `never`.

Run as `python graded_relay.py serve ...`: the relay's own command with another authenticator.
"""

from __future__ import annotations

import anyio

from crdt_sync_server import cli, wiring
from crdt_sync_server.ports import ConnectRequest, Identity, Role


class Tokens:
    """`ports.Authenticator`."""

    def __init__(self, **_: object) -> None:
        pass

    async def authenticate(self, request: ConnectRequest) -> Identity:
        token = request.query.partition("token=")[2]
        if token == "never":
            await anyio.sleep_forever()
        return Identity(subject=token or None)


class Roles:
    """`ports.Authority`."""

    async def role(self, identity: Identity, room: str) -> Role | None:
        return Role.READER if (identity.subject or "").startswith("reader:") else Role.EDITOR


if __name__ == "__main__":
    wiring.OpenAuthenticator = Tokens  # type: ignore[assignment,misc]
    wiring.OpenAuthority = Roles  # type: ignore[assignment,misc]
    cli.main()
