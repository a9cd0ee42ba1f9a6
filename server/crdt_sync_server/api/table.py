"""All routes. A module of handlers is registered here, and nowhere else."""

from __future__ import annotations

from crdt_sync_server.api import account
from crdt_sync_server.api.routing import Routes

__all__ = ["ROUTES"]

ROUTES = Routes((*account.ROUTES,))
