"""All routes. A module of handlers is registered here, and nowhere else."""

from __future__ import annotations

from crdt_sync_server.api import account, devices, discussion, documents, invitations, members, rooms, tokens
from crdt_sync_server.api.description import described
from crdt_sync_server.api.routing import Routes

__all__ = ["ROUTES"]

ROUTES = Routes(
    described(
        (
            *account.ROUTES,
            *rooms.ROUTES,
            *documents.ROUTES,
            *members.ROUTES,
            *invitations.ROUTES,
            *discussion.ROUTES,
            *devices.ROUTES,
            *tokens.ROUTES,
        )
    )
)
