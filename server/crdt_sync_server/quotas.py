"""What may be stored: in one room, and in all rooms of one subject.

A room counts for the subject that first stored something in it, whoever writes there later. An account is read from the
store when the first of a subject's rooms is loaded, kept up to date by these, and forgotten with the last. Where other
relays store for the same subject it is read again now and then: they can exceed a bound by what they store meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass

from crdt_sync_server.ports import Directory, RoomRecord

__all__ = ["Account", "Accounts", "Quotas"]

READ_AGAIN_AFTER_S = 5.0


@dataclass(frozen=True, slots=True)
class Quotas:
    """The bounds, in bytes that are stored; 0 for a subject is no bound."""

    room_bytes: int = 512 * 1024 * 1024
    subject_bytes: int = 0


@dataclass(slots=True)
class Account:
    """What is stored of all rooms of one subject, in bytes, and how many of them are loaded."""

    subject: str
    stored_bytes: int
    loaded_rooms: int = 0
    read_s: float = float("-inf")
    """When it was last read from the store."""


class Accounts:
    """The accounts of the subjects whose rooms are loaded."""

    def __init__(self, directory: Directory, quotas: Quotas) -> None:
        self._directory = directory
        self._quotas = quotas
        self._accounts: dict[str, Account] = {}

    async def open(self, subject: str) -> Account:
        """Return the account of `subject`, for one more room; you must `close` it. Raises `StoreError`."""
        if subject not in self._accounts:
            stored_bytes = await self._directory.usage(subject)
            self._accounts.setdefault(subject, Account(subject, stored_bytes))  # or another room was faster
        account = self._accounts[subject]
        account.loaded_rooms += 1
        return account

    async def refresh(self, account: Account, now_s: float) -> None:
        """Read the account again if there is a bound and that was not done for a while. Raises `StoreError`."""
        if self._quotas.subject_bytes and now_s - account.read_s >= READ_AGAIN_AFTER_S:
            account.read_s = now_s
            account.stored_bytes = await self._directory.usage(account.subject)

    def close(self, account: Account) -> None:
        """Say that a room of this account is not loaded any more."""
        account.loaded_rooms -= 1
        if not account.loaded_rooms:
            del self._accounts[account.subject]

    def freed(self, record: RoomRecord) -> None:
        """Say that a room that has not opened its account was deleted; `record` says what was stored of it."""
        if record.owner in self._accounts:
            self._accounts[record.owner].stored_bytes -= record.size_bytes

    def left_bytes(self, account: Account | None) -> int | None:
        """Return how much more may be stored for the account; None if there is no bound."""
        if account is None or not self._quotas.subject_bytes:
            return None
        return max(0, self._quotas.subject_bytes - account.stored_bytes)
