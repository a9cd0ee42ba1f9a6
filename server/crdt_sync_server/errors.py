"""Every error that the relay raises on purpose.

RelayError                 a `CrdtSyncError`; carries the close code for those whom it concerns
├── StoreError             the store did not do what it was asked: nothing of it may be told to anyone
│   ├── StoreInUse         another process has it
│   ├── StorePutBack       what it has now is not the continuation of what it has returned
│   └── Superseded         a later snapshot of the room is stored already
├── BackplaneError         the backplane did not carry what it was given, or can no longer be heard
├── RoomDeleted            the room was deleted, for good
├── NoSuchRoom             there is no such room, or none that may be known to who asks
├── TokenError             what was asked of a token cannot be
│   └── NoSuchToken        there is no token of this id
├── WebhookError           what was asked of a webhook cannot be
│   └── NoSuchWebhook      there is no webhook of this id
├── ReceiverFailed         a webhook's receiver gave no answer
├── SharingError           what was asked of a room's members cannot be
│   ├── NoSuchMember       the subject is no member of the room
│   ├── NoSuchInvitation   there is no such invitation, or it cannot be used any more
│   └── LastOwner          a group would be left without an owner
├── DiscussionError        an action on the threads of a group that cannot be
│   ├── NoSuchPost         there is no such thread or post, or not any more
│   └── DiscussionFull     a bound of the threads was met
├── Refused                a connection is not let in
│   ├── Unauthenticated    no token, or not a good one
│   └── Forbidden          this one may not come here
├── ProviderUnavailable    the identity provider cannot be asked now: nobody's fault who asks
├── WorkerFailed           one of several workers did not start, and has said why
└── ConfigurationError     the operator asked for what cannot be
"""

from __future__ import annotations

from crdt_sync.errors import CrdtSyncError
from crdt_sync.protocol.close_codes import CloseCode

__all__ = [
    "BackplaneError",
    "ConfigurationError",
    "DiscussionError",
    "DiscussionFull",
    "Forbidden",
    "LastOwner",
    "NoSuchInvitation",
    "NoSuchMember",
    "NoSuchPost",
    "NoSuchRoom",
    "NoSuchToken",
    "NoSuchWebhook",
    "ProviderUnavailable",
    "ReceiverFailed",
    "Refused",
    "RelayError",
    "RoomDeleted",
    "SharingError",
    "StoreError",
    "StoreInUse",
    "StorePutBack",
    "Superseded",
    "TokenError",
    "Unauthenticated",
    "WebhookError",
    "WorkerFailed",
]


class RelayError(CrdtSyncError):
    """The root of the relay's errors."""

    close_code = CloseCode.INTERNAL_ERROR


class StoreError(RelayError):
    """The store could not load, append or compact. What it was asked is not done."""


class StoreInUse(StoreError):
    """Another process has the store: a relay that runs, or a command that works on it."""


class StorePutBack(StoreError):
    """What is stored was put back to an earlier moment, and may have gone on from there."""


class Superseded(StoreError):
    """A snapshot of a later position is stored of the room already: nothing is to be done."""


class BackplaneError(RelayError):
    """The backplane did not carry what it was given, or can no longer be heard. Nothing is lost: the store has it."""


class RoomDeleted(RelayError):
    """The room was deleted, and its name is not given again: late devices would bring back what was in it."""

    close_code = CloseCode.DELETED


class NoSuchRoom(RelayError):
    """Nothing is stored under this name, or nothing of it may be known to who asks: both are told alike."""

    close_code = CloseCode.FORBIDDEN


class TokenError(RelayError):
    """What was asked of one of the relay's own tokens cannot be; the message says why, and what can."""


class NoSuchToken(TokenError):
    """No token has this id, or none of who asks: both are told alike."""


class WebhookError(RelayError):
    """What was asked of a webhook cannot be; the message says why, and what can."""


class NoSuchWebhook(WebhookError):
    """No webhook has this id."""


class ReceiverFailed(RelayError):
    """A webhook's receiver could not be reached, or gave no answer in time. It is tried again."""


class SharingError(RelayError):
    """What was asked of a room's members cannot be; the message says why, and what can."""


class NoSuchMember(SharingError):
    """The subject is no member of this room."""


class NoSuchInvitation(SharingError):
    """There is no such invitation: forged, expired, used up and revoked are told alike."""


class LastOwner(SharingError):
    """A group would be left without an owner. Name another first, or delete the group."""


class DiscussionError(RelayError):
    """An action on the threads of a group that cannot be; the message says why, and what can."""


class NoSuchPost(DiscussionError):
    """There is no such thread or post in this group, or it was deleted."""


class DiscussionFull(DiscussionError):
    """A bound of the threads was met: of a text, a thread, a group, or of one's reactions."""


class Refused(RelayError):
    """A connection is not let in; the message says why, and holds no secret."""

    close_code = CloseCode.FORBIDDEN


class Unauthenticated(Refused):
    """There is no token, or it is wrong or expired."""

    close_code = CloseCode.UNAUTHENTICATED


class Forbidden(Refused):
    """Who asks may not come here."""


class ProviderUnavailable(RelayError):
    """Whether a token is good cannot be told now, as its issuer's keys are not to be had. The client tries again."""

    close_code = CloseCode.OVERLOADED


class ConfigurationError(RelayError):
    """The settings contradict each other or the machine; the message says what to change."""


class WorkerFailed(RelayError):
    """One of several workers did not start. It has said why on standard error; `status` is its exit status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status
