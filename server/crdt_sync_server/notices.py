"""What a relay does about a notice: what was done elsewhere beside the rooms takes effect here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crdt_sync_server.keepers import Members
from crdt_sync_server.ports import Notice, NoticeKind

if TYPE_CHECKING:
    from crdt_sync_server.host import Host

__all__ = ["take_effect"]


async def take_effect(notice: Notice, host: Host, members: Members) -> None:
    """Let take effect here what was done elsewhere. Raises `StoreError`."""
    match notice.kind:
        case NoticeKind.DELETED:
            host.deleted(notice.about)
        case NoticeKind.ROLES:
            as_of = -1
            while as_of != host.roles_changed:  # or the answer may be of before another change
                as_of = host.roles_changed
                roster = await members.roster(notice.about)
            host.regrade_all(notice.about, roster.role)
        case NoticeKind.REVOKED:
            host.revoke(notice.about)
        case NoticeKind.WEBHOOKS if host.webhooks is not None:
            await host.webhooks.reload()
