"""`crdt-sync-server serve` with the reader of another folder: `python -m … FOLDER`, then the settings of `serve`."""

import sys
from pathlib import Path

from crdt_sync_server import reader_files, wiring
from crdt_sync_server.cli import main

folder = Path(sys.argv.pop(1))
sys.argv.insert(1, "serve")


class OtherFolder(reader_files.ReaderFace):
    def __init__(self, gate: wiring.Gate, *, otherwise: reader_files.HttpApp) -> None:
        super().__init__(gate, otherwise=otherwise, folder=folder)


wiring.ReaderFace = OtherFolder  # type: ignore[misc]
main()
