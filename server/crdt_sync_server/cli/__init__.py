"""`crdt-sync-server`: runs the relay and looks after its rooms.

Exit status: 0 done (for `serve`: a clean stop), 1 it could not be done (the reason is on standard error), 2 wrong
usage, 3 `rooms verify` found something wrong.
"""

from crdt_sync_server.cli.app import main

__all__ = ["main"]
