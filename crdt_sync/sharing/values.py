"""What a relay says of groups, as values. Times are milliseconds since 1970, by the relay's clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from crdt_sync.errors import InvalidEdit, RelayUnavailable

__all__ = [
    "Account",
    "Invitation",
    "Member",
    "Membership",
    "Role",
    "invitation_of",
    "link_of",
    "token_in",
    "without_user",
]

_MARK = "#invitation="
"""A fragment: no browser sends it to a server, so it stands in no log."""


class Role(StrEnum):
    """What one may do in a group: a reader looks, an editor edits, an owner also says who else may."""

    OWNER = "owner"
    EDITOR = "editor"
    READER = "reader"


@dataclass(frozen=True, slots=True)
class Account:
    """Who asks, as the relay has it from the token; both None on a relay in open mode."""

    subject: str | None
    name: str | None


@dataclass(frozen=True, slots=True)
class Membership:
    """A room that is open to who asks. `name` is a group's; `since_ms` is None where it is not known."""

    room: str
    name: str | None
    role: Role
    since_ms: int | None


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody in a group. `name` is what their token called them when they came."""

    subject: str
    role: Role
    since_ms: int | None
    name: str | None


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation. `token` and `link` are there when it is made, and never again.

    Who has the link may become a member: send it as one sends a password. `uses_left` None means any number.
    """

    id: str
    role: Role
    expires_ms: int
    uses_left: int | None
    token: str | None = None
    link: str | None = None


def link_of(relay: str, token: str) -> str:
    """Return the link of an invitation to a group of `relay`, an http or https URL."""
    return f"{relay.rstrip('/')}/{_MARK}{token}"


def without_user(url: str) -> str:
    """Return a URL without the user and password in it: a link is passed on."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def token_in(invitation: str, relay: str) -> str:
    """Return the token of an invitation that is given as a link or as the token itself.

    Raises `InvalidEdit` for a link to another relay than `relay`: its token would be told to a stranger.
    """
    where, mark, token = invitation.strip().partition(_MARK)
    if not mark:
        return where
    if where.rstrip("/") != relay.rstrip("/"):
        raise InvalidEdit(f"this is an invitation of {where.rstrip('/')}; accept it there and not at {relay}")
    return token


def membership_of(told: Any) -> Membership:
    """Read a room. Raises `RelayUnavailable` if it is none."""
    match told:
        case {"room": str(room), "name": str() | None as name, "role": role, "since_ms": int() | None as since_ms}:
            return Membership(room, name, _role(role), since_ms)
    raise _unreadable()


def member_of(told: Any) -> Member:
    """Read a member. Raises `RelayUnavailable` if it is none."""
    match told:
        case {
            "subject": str(subject),
            "role": role,
            "since_ms": int() | None as since_ms,
            "name": str() | None as name,
        }:
            return Member(subject, _role(role), since_ms, name)
    raise _unreadable()


def invitation_of(told: Any, relay: str) -> Invitation:
    """Read an invitation of `relay`. Raises `RelayUnavailable` if it is none."""
    match told:
        case {"id": str(id_), "role": role, "expires_ms": int(expires_ms), "uses_left": int() | None as uses_left}:
            token = told.get("token")
            link = link_of(relay, token) if isinstance(token, str) else None
            return Invitation(id_, _role(role), expires_ms, uses_left, token, link)
    raise _unreadable()


def account_of(told: Any) -> Account:
    """Read who asks. Raises `RelayUnavailable` if it is nobody."""
    match told:
        case {"subject": str() | None as subject, "name": str() | None as name}:
            return Account(subject, name)
    raise _unreadable()


def items_of(told: Any, name: str) -> list[Any]:
    """Read the list `name` of an answer. Raises `RelayUnavailable` if it is none."""
    found = told.get(name) if isinstance(told, Mapping) else None
    if not isinstance(found, list):
        raise _unreadable()
    return found


def _role(told: Any) -> Role:
    try:
        return Role(told)
    except ValueError:
        raise _unreadable() from None


def _unreadable() -> RelayUnavailable:
    return RelayUnavailable("the relay's answer cannot be read; is it a relay, and of this version?")
