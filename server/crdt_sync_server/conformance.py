"""What every authenticator must do, as a test class; the contract of a store is `crdt_sync.testing.contracts`.

Subclass it, give the adapter and requests that it lets in and not, and run pytest.
"""

from __future__ import annotations

from crdt_sync_server.errors import Forbidden, Unauthenticated
from crdt_sync_server.ports import Authenticator, ConnectRequest, Identity

__all__ = ["AuthenticatorContract"]


class AuthenticatorContract:
    """The rules of `ports.Authenticator`."""

    def authenticator(self) -> Authenticator:
        """Return the authenticator."""
        raise NotImplementedError

    def welcome(self) -> list[ConnectRequest]:
        """Return requests that are let in."""
        raise NotImplementedError

    def unwelcome(self) -> list[ConnectRequest]:
        """Return requests that are not."""
        raise NotImplementedError

    async def test_who_is_welcome_is_known(self) -> None:
        """The same request gets the same identity."""
        for request in self.welcome():
            identity = await self.authenticator().authenticate(request)
            assert isinstance(identity, Identity)
            assert identity == await self.authenticator().authenticate(request)

    async def test_who_is_not_is_told_why(self) -> None:
        """A refusal has words, and none of them is the query, where a token may stand."""
        for request in self.unwelcome():
            try:
                await self.authenticator().authenticate(request)
            except (Unauthenticated, Forbidden) as error:
                assert str(error)
                assert not request.query or request.query not in str(error)
            else:
                raise AssertionError(f"{request} was let in")
