"""The status bar: how the library stands with its relay, what waits, and who is here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from PySide6.QtCore import QRectF, Qt, QTimer
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from crdt_sync import State, Status
from docs.examples.desktop_reader.look import named

SAY_FOR_MS = 6000
_STATES = {
    State.OFFLINE: ("#9a9287", "On this device only"),
    State.CONNECTING: ("#d9a13b", "Connecting…"),
    State.SYNCING: ("#d9a13b", "Syncing…"),
    State.CONNECTED: ("#3f9d5a", "In step"),
    State.WAITING: ("#c9853a", "Offline"),
    State.STOPPED: ("#c0483e", "Stopped"),
    State.SIGN_IN: ("#c0483e", "Sign in again"),
}


class Standing(QWidget):
    """Shows a status and the people who are here."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._dot = _Dot()
        self.state = QLabel()
        self.waiting = named(QLabel(), "quiet")
        self.retry = named(QPushButton("Try now"), "link")
        self.said = QLabel()
        self._saying = QTimer(self, singleShot=True, interval=SAY_FOR_MS)
        self._saying.timeout.connect(self.said.clear)
        self.people = named(QLabel(), "quiet")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(16, 3, 16, 5)
        layout.setSpacing(8)
        for widget in (self._dot, self.state, self.waiting, self.retry):
            layout.addWidget(widget)
        layout.addStretch()
        layout.addWidget(self.said)
        layout.addStretch()
        layout.addWidget(self.people)
        self.show_people([])

    def show_status(self, status: Status) -> None:
        """Show how the library stands."""
        color, words = _STATES[status.state]
        self._dot.show_color(color)
        self.state.setText(words)
        self.state.setToolTip(status.last_error or "")
        self.retry.setVisible(status.state in (State.WAITING, State.SIGN_IN))
        self.waiting.setText("· " + waiting_words(status))

    def say(self, words: str) -> None:
        """Show what has just happened, for a while."""
        self.said.setText(words)
        self._saying.start()

    def show_people(self, people: Sequence[tuple[str, str]]) -> None:
        """Show the others who are here, by name, and where they read."""
        shown = [f"{name} ({place})" if place else name for name, place in people]
        self.people.setText("Here: " + ", ".join(shown) if shown else "Nobody else is here")


def waiting_words(status: Status) -> str:
    """Say what waits to be sent, and when the relay last had everything."""
    if status.state in (State.STOPPED, State.SIGN_IN):
        return status.last_error or ""
    if status.state is State.OFFLINE:
        return "every change is saved here"
    saved = ""
    if status.durable_at_ms is not None:
        saved = f"{datetime.fromtimestamp(status.durable_at_ms / 1000):%H:%M}"
    if status.pending:
        changes = "1 change waits" if status.pending == 1 else f"{status.pending} changes wait"
        return f"{changes} · last saved at {saved}" if saved else changes
    return f"all saved at {saved}" if saved else "nothing waits"


class _Dot(QWidget):
    def __init__(self) -> None:
        super().__init__()
        self._color = QColor(Qt.GlobalColor.gray)
        self.setFixedSize(10, 10)

    def show_color(self, color: str) -> None:
        """Be a dot of this colour."""
        self._color = QColor(color)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the dot."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._color)
        painter.drawEllipse(QRectF(1, 1, 8, 8))
