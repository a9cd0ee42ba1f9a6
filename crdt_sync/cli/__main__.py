"""`python -m crdt_sync.cli`."""

from crdt_sync.cli import main

main()
