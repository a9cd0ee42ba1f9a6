"""The library as the window sees it: calls on the main thread, and signals on the main thread."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal, Slot

from crdt_sync import Anchor, Highlight, Status, blocking
from crdt_sync.document import EditHighlight


class MainThread(QObject):
    """Runs functions on the thread that made it: what `deliver=` asks for."""

    _called = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._called.connect(self._run, Qt.ConnectionType.QueuedConnection)

    def deliver(self, callback: Callable[[], None]) -> None:
        """Have `callback` run soon. Any thread may call this."""
        self._called.emit(callback)

    @Slot(object)
    def _run(self, callback: Callable[[], None]) -> None:
        callback()


class Shelf(QObject):
    """One open library. Its methods raise `CrdtSyncError`s, whose words are for the person."""

    changed = Signal()
    status_changed = Signal(Status)
    people_changed = Signal(list)

    def __init__(self, path: Path, *, name: str, relay: str | None = None, room: str | None = None) -> None:
        super().__init__()
        self._name = name
        self._main = MainThread()
        self._library = blocking.open_library(
            path, relay=relay, room=room, author=name, deliver=self._main.deliver, close_within_s=1
        )
        self._library.on_change(lambda changes: self.changed.emit())
        self._library.on_status(self.status_changed.emit)
        self._library.on_presence(lambda changes: self.people_changed.emit(self.people()))

    @property
    def status(self) -> Status:
        """How the library stands."""
        return self._library.status

    def highlights(self, *, trashed: bool = False) -> list[Highlight]:
        """Return all highlights, by place, or those in the trash."""
        return self._library.highlights(trashed=trashed)

    def add(self, anchor: Anchor, color: str) -> str:
        """Mark a passage. It is in the file when this returns."""
        return self._library.add_highlight(anchor, color=color)

    def recolor(self, item_id: str, color: str) -> None:
        """Give a highlight another colour."""
        self._library.edit(EditHighlight(item_id, color=color))

    def delete(self, item_id: str) -> None:
        """Move a highlight to the trash."""
        self._library.delete(item_id)

    def restore(self, item_id: str) -> None:
        """Take a highlight out of the trash."""
        self._library.restore(item_id)

    def show_at(self, place: str) -> None:
        """Let the others see where this person reads."""
        self._library.presence.set({"name": self._name, "at": place})

    def people(self) -> list[tuple[str, str]]:
        """Return name and place of each other person who is here."""
        shown = [state for state in self._library.presence.others().values() if isinstance(state, dict)]
        return sorted((str(state.get("name") or "somebody"), str(state.get("at") or "")) for state in shown)

    def reconnect(self) -> None:
        """Try to reach the relay now."""
        self._library.reconnect()

    def close(self) -> None:
        """Close the library; the relay gets a second to confirm what waits."""
        self._library.close()
