"""`crdt-sync`: a library of highlights and notes on the command line.

Exit status: 0 done, 1 it could not be done (the reason is on standard error), 2 wrong usage, 3 not in step in time.
"""

from crdt_sync.cli.app import main

__all__ = ["main"]
