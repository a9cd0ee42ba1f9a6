"""Groups and sharing: who is in a group, and highlights copied into its library.

    async with open_groups(relay, token=get_token) as groups:
        group = await groups.create("Reading circle")
        invitation = await groups.invite(group.room, role=Role.EDITOR)
    async with open_library("circle.sqlite3", relay=relay, room=group.room, subject=me, token=get_token) as library:
        await copy_into_group(own, library, within="Gen.1")

A group's library is a library like any other; what is special is who may open it, which the relay decides.
"""

from crdt_sync.document import Shared
from crdt_sync.sharing.client import Groups, open_groups
from crdt_sync.sharing.copying import Copied, copies, copy_into_group
from crdt_sync.sharing.values import Account, Invitation, Member, Membership, Role

__all__ = [
    "Account",
    "Copied",
    "Groups",
    "Invitation",
    "Member",
    "Membership",
    "Role",
    "Shared",
    "copies",
    "copy_into_group",
    "open_groups",
]
