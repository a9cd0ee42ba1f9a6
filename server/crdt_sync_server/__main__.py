"""`python -m crdt_sync_server`."""

from crdt_sync_server.cli import main

main()
