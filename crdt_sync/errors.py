"""Every error that crdt-sync raises on purpose.

    CrdtSyncError
    ├── ProtocolError
    │   ├── LocalProtocolError     we were about to break the protocol: a bug on this side
    │   └── RemoteProtocolError    the peer broke the protocol; carries the close code to answer with
    ├── LibraryError
    │   ├── NotFound               there is no such highlight or note
    │   ├── InvalidEdit            an edit that cannot be made
    │   ├── ReadOnlyLibrary        a newer version wrote this library, and this one must not
    │   ├── BoundElsewhere         the file belongs to another relay, room or account
    │   ├── LibraryClosed          a blocking call on a library that is closed, or was closed meanwhile
    │   ├── WrongThread            a blocking call on the library's own thread
    │   ├── UnreadableExport       a file of updates that is none, or is not whole
    │   └── UnreadableFile         a foreign file that cannot be imported
    ├── StorageError
    │   ├── LibraryBusy            another process held the file too long
    │   ├── DiskFull               there is no room; nothing was changed
    │   ├── LibraryTooNew          a newer version made the file
    │   ├── NotALibrary            the file is something else
    │   ├── ReadOnlyFile           the file may be read and not written
    │   └── LibraryDamaged         the file cannot be read as it should be
    ├── SharingError               what was asked of a relay's groups was not done
    │   ├── SignInNeeded           the relay does not know who asks: no token, or not a good one
    │   ├── NotAllowed             one's role in the group does not allow it
    │   ├── NoSuchGroup            there is none, or it is not open to who asks, or it was deleted
    │   ├── NoSuchInvitation       it is forged, over, used up or revoked
    │   ├── NoSuchMember           nobody of that subject is in the group
    │   ├── SharingRefused         it cannot be; the message says why, and what can
    │   └── RelayUnavailable       it could not be asked now, or had no answer; ask again
    ├── GapError                   an update needs one that is not here; nothing of it was taken
    └── ConnectionLost             the connection to the relay ended; carries the close code, if there was one

Catch `CrdtSyncError` to catch them all. Anything else that leaves this package is a bug.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

__all__ = [
    "BoundElsewhere",
    "ConnectionLost",
    "CrdtSyncError",
    "DiskFull",
    "GapError",
    "InvalidEdit",
    "LibraryBusy",
    "LibraryClosed",
    "LibraryDamaged",
    "LibraryError",
    "LibraryTooNew",
    "LocalProtocolError",
    "NoSuchGroup",
    "NoSuchInvitation",
    "NoSuchMember",
    "NotALibrary",
    "NotAllowed",
    "NotFound",
    "ProtocolError",
    "ReadOnlyFile",
    "ReadOnlyLibrary",
    "RelayUnavailable",
    "RemoteProtocolError",
    "SharingError",
    "SharingRefused",
    "SignInNeeded",
    "StorageError",
    "Trouble",
    "UnreadableExport",
    "UnreadableFile",
    "WrongThread",
]


class CrdtSyncError(Exception):
    """The root of all errors of crdt-sync."""


class ProtocolError(CrdtSyncError):
    """Somebody broke the sync protocol (`docs/protocol.md`)."""


class LocalProtocolError(ProtocolError):
    """This side was asked to send what the protocol does not allow."""


class RemoteProtocolError(ProtocolError):
    """The peer sent bytes that are not the protocol.

    `close_code` is the WebSocket close code to answer with: 4400 (not the protocol) or 4413 (too big).
    """

    def __init__(self, message: str, *, close_code: int = 4400) -> None:
        super().__init__(message)
        self.close_code = close_code


class LibraryError(CrdtSyncError):
    """What was asked of the library cannot be done."""


class NotFound(LibraryError):
    """There is no such highlight or note."""


class InvalidEdit(LibraryError, ValueError):
    """An edit or anchor that makes no sense; the message says what would."""


class ReadOnlyLibrary(LibraryError):
    """A newer version of crdt-sync wrote this library and asks older ones not to. It can still be read and synced."""


class BoundElsewhere(LibraryError):
    """The file belongs to another relay, room or account. Merging two libraries cannot be undone, so it is refused."""


class LibraryClosed(LibraryError):
    """The library is closed, was closed meanwhile, or has stopped; what stopped it is the cause of this error.

    An edit that raises it was not made, unless the message says that it may have been.
    """


class WrongThread(LibraryError):
    """A blocking call was made on the library's own thread, where it would wait for itself for ever."""


class UnreadableExport(LibraryError):
    """A file of updates that is none, is not whole, or is newer than this version. Nothing of it was taken."""


class UnreadableFile(LibraryError):
    """A foreign file that is not of its format, too large, nested too deeply, or unsafe. Nothing of it was taken."""


class StorageError(CrdtSyncError):
    """The library's file could not be read or written. What was asked is not done, and nothing else has changed."""


class LibraryBusy(StorageError):
    """Another process held the file for too long. Try again."""


class DiskFull(StorageError):
    """There is no room on the disk. Make some, and edit again."""


class LibraryTooNew(StorageError):
    """A newer version of crdt-sync made the file; it was left as it is."""


class NotALibrary(StorageError):
    """The file is something else; it was left as it is."""


class ReadOnlyFile(StorageError):
    """The file may be read and not written. Queries work; edits and syncing do not."""


class LibraryDamaged(StorageError):
    """The file cannot be read as it should be; it was left as it is. `findings` say each thing that is wrong.

    `crdt-sync repair` makes a new file of all that can still be read.
    """

    def __init__(self, message: str, *, findings: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.findings = tuple(findings) or (message,)


class SharingError(CrdtSyncError):
    """What was asked of a relay's groups was not done. The message is the relay's, and says what to do.

    `code` is the relay's word for it, for programs (docs/sharing.md), None where it gave none.
    """

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


class SignInNeeded(SharingError):
    """The relay does not know who asks: there is no token, or it is not good, after a fresh one was asked for, too."""


class NotAllowed(SharingError):
    """One's role in the group does not allow it, or the relay runs in open mode, where there are no groups."""


class NoSuchGroup(SharingError):
    """There is no such group, or it is not open to who asks, which is told alike; or it was deleted."""


class NoSuchInvitation(SharingError):
    """The invitation is forged, over, used up or revoked, which is told alike: ask for another."""


class NoSuchMember(SharingError):
    """Nobody of that subject is in the group."""


class SharingRefused(SharingError):
    """It cannot be: the last owner may not leave, a name is too long. The message says what can."""


class RelayUnavailable(SharingError):
    """The relay could not be asked, was busy, or gave no answer that can be read. Ask again later.

    A change may have been made if the answer was lost on its way: look before you ask again.
    """


class GapError(CrdtSyncError):
    """An update needs one that is not here. `taken` updates before it in the same call were applied."""

    def __init__(self, message: str, *, taken: int) -> None:
        super().__init__(message)
        self.taken = taken


class Trouble(Enum):
    """What kept a connection from opening or standing, where the relay itself has not said why."""

    UNREACHABLE = "unreachable"
    """No such name, no route, or nobody listens."""
    INTERCEPTED = "intercepted"
    """Something that is no relay answered in its place."""
    NOT_OFFERED = "not offered"
    """A server is there, and knows nothing of polling."""
    SILENT = "silent"
    """It could be reached, and then nothing came."""
    CUT = "cut"
    """It broke off without a close."""


class ConnectionLost(CrdtSyncError):
    """The connection ended. `code` is the close code, or None if there was no close; `trouble` says what there was."""

    def __init__(self, message: str, *, code: int | None = None, trouble: Trouble | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.trouble = trouble
