"""The library for a program that has no event loop: any thread calls, callbacks come where the program wants them.

    with blocking.open_library("ada.sqlite3", relay="wss://relay.example", room="ada", deliver=run_on_main) as library:
        library.on_change(show)
        library.add_highlight(anchor)

`docs/desktop.md` tells the rules about threads, callbacks and closing.
"""

from crdt_sync.blocking.delivery import CallbackQueue, Deliver
from crdt_sync.blocking.discussions import Discussions, open_discussions
from crdt_sync.blocking.library import Library, Presence, open_library
from crdt_sync.blocking.loop_thread import Backend
from crdt_sync.blocking.reading import Reading
from crdt_sync.blocking.sharing import Groups, copy_into_group, open_groups

__all__ = [
    "Backend",
    "CallbackQueue",
    "Deliver",
    "Discussions",
    "Groups",
    "Library",
    "Presence",
    "Reading",
    "copy_into_group",
    "open_discussions",
    "open_groups",
    "open_library",
]
