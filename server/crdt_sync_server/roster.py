"""Who is in a room: the values that the port `Members` keeps. `membership` has the rules by which they change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from crdt_sync_server.ports import Role
from crdt_sync_server.rooms import owns

__all__ = ["OPERATOR", "Actor", "Change", "Decision", "Entry", "Invitation", "Member", "Membership", "Roster"]

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks for a change: a subject, and the name that its token gives it; or the operator of the relay."""

    subject: str | None
    name: str | None = None
    is_operator: bool = False


OPERATOR = Actor(None, is_operator=True)


@dataclass(frozen=True, slots=True)
class Member:
    """A subject with a role since then (milliseconds since 1970). `name` is what its token said, for people."""

    subject: str
    role: Role
    since_ms: int
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Invitation:
    """Who accepts it gets `role`, until `expires_ms`, `uses_left` times (None: any number), once for each subject."""

    id: str
    role: Role
    made_by: str | None
    made_ms: int
    expires_ms: int
    uses_left: int | None
    used_by: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Roster:
    """The members and open invitations of a room. `name` is a group's; `deleted_ms` is set once the room is gone."""

    room: str
    name: str | None = None
    made_by: str | None = None
    made_ms: int | None = None
    deleted_ms: int | None = None
    members: Mapping[str, Member] = field(default_factory=dict)
    invitations: Mapping[str, Invitation] = field(default_factory=dict)

    def role(self, subject: str | None) -> Role | None:
        """Return what a subject may do here."""
        if owns(subject, self.room):
            return Role.OWNER
        member = self.members.get(subject) if subject else None
        return None if member is None else member.role


@dataclass(frozen=True, slots=True)
class Membership:
    """A subject's role in one room, and what the room is called, if it is a group's."""

    room: str
    subject: str
    role: Role
    since_ms: int
    name: str | None = None
    is_deleted: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the audit: at that time (milliseconds since 1970) `who` did `what` in `room`, about whom.

    `who` is None for the operator, and `detail` has the role, or the id of an invitation.
    """

    at_ms: int
    who: str | None
    what: str
    room: str
    about: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Decision(Generic[Value]):
    """The roster that follows, the lines of the audit, and what to tell who asked."""

    roster: Roster
    value: Value
    entries: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class Change(Generic[Value]):
    """What a decision has changed: the roster before and after, and what to tell who asked."""

    before: Roster
    after: Roster
    value: Value
