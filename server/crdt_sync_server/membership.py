"""Who may do what in one room, and every change of its roster as a decision. No I/O; time is an argument.

A decision takes a roster and returns the one that follows, with the lines of the audit. An adapter of `keepers.Members`
runs it inside the transaction that writes what it returns, so two that come at once never decide on the same roster: of
two who take the last use of an invitation, one has it.

    reader   reads, is present, leaves
    editor   edits too
    owner    invites, changes roles, removes, renames and deletes too

The subject of a personal room owns it, alone and for good. A group has an owner at any time. An invitation gives
`editor` or `reader`; owners are named among the members, so no link that was passed on takes a group over. It ends with
its maker's ownership.
"""

from __future__ import annotations

import unicodedata
from dataclasses import replace

from crdt_sync_server.errors import (
    Forbidden,
    LastOwner,
    NoSuchInvitation,
    NoSuchMember,
    NoSuchRoom,
    RoomDeleted,
    SharingError,
)
from crdt_sync_server.ports import Role
from crdt_sync_server.rooms import group_of, is_group, is_personal, owns
from crdt_sync_server.roster import Actor, Decision, Entry, Invitation, Member, Roster

__all__ = [
    "MAX_INVITATIONS",
    "MAX_LIFETIME_S",
    "MAX_MEMBERS",
    "MAX_NAME_CHARACTERS",
    "MAX_SUBJECT_BYTES",
    "MAX_USES",
    "MIN_LIFETIME_S",
    "accept",
    "clean_name",
    "delete",
    "found",
    "invite",
    "put_away",
    "remove",
    "rename",
    "revoke",
    "set_role",
    "unusable",
]

MAX_MEMBERS = 1000
"""Of one room."""
MAX_INVITATIONS = 100
"""Of one room, that are open."""
MAX_LIFETIME_S = 90 * 24 * 3600
"""Of an invitation."""
MIN_LIFETIME_S = 60
MAX_USES = 1000
MAX_NAME_CHARACTERS = 200
MAX_SUBJECT_BYTES = 512


def found(roster: Roster, actor: Actor, name: str, now_ms: int) -> Decision[Member]:
    """Make a group, with `actor` as its owner. Raises `SharingError`."""
    if roster.members or roster.made_ms is not None:
        raise SharingError("this group is there already")
    assert actor.subject is not None
    owner = Member(actor.subject, Role.OWNER, now_ms, actor.name)
    made = replace(roster, name=clean_name(name), made_by=actor.subject, made_ms=now_ms, members={actor.subject: owner})
    return Decision(made, owner, (Entry(now_ms, actor.subject, "create", roster.room, actor.subject, Role.OWNER),))


def rename(roster: Roster, actor: Actor, name: str, now_ms: int) -> Decision[Roster]:
    """Give a group another name. Raises `SharingError`, `NoSuchRoom`, `Forbidden`."""
    _as_owner(roster, actor)
    if not is_group(roster.room):
        raise SharingError("a group alone has a name")
    renamed = replace(roster, name=clean_name(name))
    return Decision(renamed, renamed, (Entry(now_ms, actor.subject, "rename", roster.room),))


def set_role(roster: Roster, actor: Actor, subject: str, role: Role, now_ms: int) -> Decision[Member]:
    """Give a member another role. The operator may give one to anybody.

    Raises `SharingError`, `NoSuchRoom`, `Forbidden`.
    """
    _as_owner(roster, actor)
    _check_not_owned(roster, subject)
    if is_personal(roster.room) and role is Role.OWNER:
        raise SharingError("a personal room has one owner, its subject; give editor or reader")
    before = roster.members.get(subject)
    if before is None and not actor.is_operator:
        raise NoSuchMember("there is no such member; who is to become one needs an invitation")
    if before is None:
        _check_new(roster, subject)
    if before is not None and before.role is role:
        return Decision(roster, before)
    if role is not Role.OWNER:
        _check_not_last(roster, subject)
    member = Member(subject, role, now_ms, None) if before is None else replace(before, role=role)
    changed = replace(roster, members={**roster.members, subject: member})
    if role is not Role.OWNER:
        changed = _without_invitations_of(changed, subject)
    return Decision(changed, member, (Entry(now_ms, actor.subject, "role", roster.room, subject, role),))


def remove(roster: Roster, actor: Actor, subject: str, now_ms: int) -> Decision[None]:
    """Take a member out; a member may take itself out. Raises `SharingError`, `NoSuchRoom`, `Forbidden`."""
    leaves = actor.subject == subject and not actor.is_operator
    if leaves and roster.role(subject) is not None:
        _check_living(roster)
    else:
        _as_owner(roster, actor)
    _check_not_owned(roster, subject)
    if subject not in roster.members:
        raise NoSuchMember("there is no such member")
    _check_not_last(roster, subject)
    members = {each: member for each, member in roster.members.items() if each != subject}
    changed = _without_invitations_of(replace(roster, members=members), subject)
    what = "leave" if leaves else "remove"
    return Decision(changed, None, (Entry(now_ms, actor.subject, what, roster.room, subject),))


def invite(
    roster: Roster, actor: Actor, invitation_id: str, role: Role, lifetime_s: int, uses: int | None, now_ms: int
) -> Decision[Invitation]:
    """Make an invitation. Raises `SharingError`, `NoSuchRoom`, `Forbidden`."""
    _as_owner(roster, actor)
    if role is Role.OWNER:
        raise SharingError("an invitation gives editor or reader; an owner is named among the members")
    if not MIN_LIFETIME_S <= lifetime_s <= MAX_LIFETIME_S:
        raise SharingError(f"an invitation lives for {MIN_LIFETIME_S} to {MAX_LIFETIME_S} seconds")
    if uses is not None and not 1 <= uses <= MAX_USES:
        raise SharingError(f"an invitation is used 1 to {MAX_USES} times, or any number of times (null)")
    kept = {key: each for key, each in roster.invitations.items() if _is_open(each, now_ms) and each.uses_left != 0}
    if len(kept) >= MAX_INVITATIONS:
        raise SharingError(f"a room has at most {MAX_INVITATIONS} open invitations; revoke some")
    made = Invitation(invitation_id, role, actor.subject, now_ms, now_ms + lifetime_s * 1000, uses)
    changed = replace(roster, invitations={**kept, invitation_id: made})
    entry = Entry(now_ms, actor.subject, "invite", roster.room, None, f"{invitation_id} {role}")
    return Decision(changed, made, (entry,))


def revoke(roster: Roster, actor: Actor, invitation_id: str, now_ms: int) -> Decision[None]:
    """End an invitation. Who has accepted it stays. Raises `SharingError`, `NoSuchRoom`, `Forbidden`."""
    _as_owner(roster, actor)
    if invitation_id not in roster.invitations:
        raise NoSuchInvitation("there is no such invitation")
    kept = {key: each for key, each in roster.invitations.items() if key != invitation_id}
    entry = Entry(now_ms, actor.subject, "revoke", roster.room, None, invitation_id)
    return Decision(replace(roster, invitations=kept), None, (entry,))


def accept(roster: Roster, actor: Actor, invitation_id: str, now_ms: int) -> Decision[Member]:
    """Make `actor` a member. One who has as much already stays as they are, and nothing is used up.

    Who used an invitation and was removed cannot use it again. Raises `SharingError`.
    """
    invitation = roster.invitations.get(invitation_id)
    subject = actor.subject
    if subject is None or invitation is None or not _is_open(invitation, now_ms) or roster.deleted_ms is not None:
        raise unusable()
    if owns(subject, roster.room):
        return Decision(roster, Member(subject, Role.OWNER, roster.made_ms or 0, actor.name))
    before = roster.members.get(subject)
    if before is not None and _rank(before.role) >= _rank(invitation.role):
        return Decision(roster, before)
    if subject in invitation.used_by or invitation.uses_left == 0:
        raise unusable()
    if before is None:
        _check_new(roster, subject)
    member = Member(subject, invitation.role, now_ms, actor.name)
    left = None if invitation.uses_left is None else invitation.uses_left - 1
    used = replace(invitation, uses_left=left, used_by=invitation.used_by | {subject})
    changed = replace(
        roster,
        members={**roster.members, subject: member},
        invitations={**roster.invitations, invitation_id: used},
    )
    entry = Entry(now_ms, subject, "accept", roster.room, subject, f"{invitation_id} {invitation.role}")
    return Decision(changed, member, (entry,))


def delete(roster: Roster, actor: Actor, now_ms: int) -> Decision[None]:
    """Say that the room is deleted. Its members stay known, so that late devices are told; nobody becomes one.

    Raises `NoSuchRoom`, `Forbidden`, and `RoomDeleted` the second time.
    """
    _as_owner(roster, actor)
    return put_away(roster, actor, now_ms)


def put_away(roster: Roster, actor: Actor, now_ms: int) -> Decision[None]:
    """Do what `delete` does, of a room that is gone already."""
    deleted = replace(roster, deleted_ms=now_ms, invitations={})
    return Decision(deleted, None, (Entry(now_ms, actor.subject, "delete", roster.room),))


def clean_name(name: str) -> str:
    """Return a name in composed form, without spaces around it. Raises `SharingError` if it is none."""
    name = unicodedata.normalize("NFC", name).strip()
    if not 1 <= len(name) <= MAX_NAME_CHARACTERS:
        raise SharingError(f"a name has 1 to {MAX_NAME_CHARACTERS} characters")
    if any(unicodedata.category(each) in ("Cc", "Cs", "Cn", "Zl", "Zp") for each in name):
        raise SharingError("a name holds no control characters")
    return name


def unusable() -> NoSuchInvitation:
    """Return what is said of every invitation that cannot be used, whatever the reason."""
    return NoSuchInvitation("this invitation cannot be used, or not any more; ask for another")


def _as_owner(roster: Roster, actor: Actor) -> None:
    role = Role.OWNER if actor.is_operator else roster.role(actor.subject)
    if role is None:
        raise NoSuchRoom("there is no such room")
    if role is not Role.OWNER:
        raise Forbidden("only an owner of this room may do that")
    if is_group(roster.room) and roster.made_ms is None:  # an operator's slip: ids are made by the relay
        raise NoSuchRoom("there is no such group")
    if group_of(roster.room) is not None:
        raise SharingError("the threads of a group have no members of their own; change those of the group")
    _check_living(roster)


def _check_living(roster: Roster) -> None:
    if roster.deleted_ms is not None:
        raise RoomDeleted("the document was deleted")


def _check_not_owned(roster: Roster, subject: str) -> None:
    if owns(subject, roster.room):
        raise SharingError("the subject of a personal room is its owner for good; delete the room instead")


def _check_not_last(roster: Roster, subject: str) -> None:
    owners = [each.subject for each in roster.members.values() if each.role is Role.OWNER]
    if is_group(roster.room) and owners == [subject]:
        raise LastOwner("this is the group's last owner; make another member an owner first, or delete the group")


def _check_new(roster: Roster, subject: str) -> None:
    if len(roster.members) >= MAX_MEMBERS:
        raise SharingError(f"a room has at most {MAX_MEMBERS} members")
    if not 1 <= len(subject.encode("utf-8", "replace")) <= MAX_SUBJECT_BYTES:
        raise SharingError(f"a subject has 1 to {MAX_SUBJECT_BYTES} bytes")


def _without_invitations_of(roster: Roster, subject: str) -> Roster:
    kept = {key: each for key, each in roster.invitations.items() if each.made_by != subject}
    return roster if len(kept) == len(roster.invitations) else replace(roster, invitations=kept)


def _is_open(invitation: Invitation, now_ms: int) -> bool:
    return now_ms < invitation.expires_ms


def _rank(role: Role) -> int:
    return (Role.READER, Role.EDITOR, Role.OWNER).index(role)
