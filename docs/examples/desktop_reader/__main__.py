"""Starts the reader: `python -m docs.examples.desktop_reader --help`."""

from __future__ import annotations

import argparse
import getpass
import signal
import sys
from pathlib import Path

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from crdt_sync import CrdtSyncError
from crdt_sync.cli.settings import default_library
from docs.examples.desktop_reader.look import dress
from docs.examples.desktop_reader.shelf import Shelf
from docs.examples.desktop_reader.window import Window


def main() -> int:
    """Run the reader until its window is closed; return the exit status."""
    parser = argparse.ArgumentParser(prog="desktop_reader", description=__doc__)
    parser.add_argument("text", nargs="?", type=Path, help="a text file to open; without one, the Bible")
    parser.add_argument("--library", type=Path, default=default_library(), help="the library's file")
    parser.add_argument("--relay", help="the relay to stay in step with, like ws://127.0.0.1:8765")
    parser.add_argument("--room", help="the room of this library on the relay")
    parser.add_argument("--name", default=getpass.getuser(), help="how the others see you")
    options = parser.parse_args()
    application = QApplication(sys.argv[:1])
    look = dress(application)
    # Ctrl-C closes the window, once there is one. Python handles signals between two of its own steps, so it needs
    # one now and then.
    signal.signal(signal.SIGINT, lambda *_: QTimer.singleShot(0, application.closeAllWindows))
    ticks = QTimer(interval=200)
    ticks.timeout.connect(lambda: None)
    ticks.start()
    try:
        options.library.parent.mkdir(parents=True, exist_ok=True)
        shelf = Shelf(options.library, name=options.name, relay=options.relay, room=options.room)
    except (CrdtSyncError, OSError) as error:
        print(f"desktop_reader: {error}", file=sys.stderr)
        return 1
    window = Window(shelf, look)
    if options.text is not None:
        window.open_text(options.text)
    window.show()
    return application.exec()


if __name__ == "__main__":
    sys.exit(main())
