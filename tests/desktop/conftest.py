"""The reader without a screen: Qt's offscreen platform, real events, and no error that only Qt's log would see."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

os.environ["QT_QPA_PLATFORM"] = "offscreen"

from PySide6.QtWidgets import QApplication

from docs.examples.desktop_reader.look import LIGHT, Look, dress
from docs.examples.desktop_reader.shelf import Shelf
from docs.examples.desktop_reader.window import Window

WAIT_S = 20.0


@pytest.fixture(scope="session")
def look() -> Look:
    return dress(QApplication([]))


@pytest.fixture(autouse=True)
def _no_error_in_a_slot(
    look: Look, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[None]:
    """What Python code raises below Qt reaches no caller; a test in which that happened has failed."""
    raised: list[BaseException] = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, traceback: raised.append(error))
    yield
    assert not raised
    error = capfd.readouterr().err
    assert "Error calling" not in error
    assert "Traceback" not in error


def until(condition: Callable[[], object], what: str = "it") -> None:
    """Let Qt work until `condition()` holds; fail if that takes too long."""
    deadline_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline_s, f"{what} did not come"
        QApplication.processEvents()
        time.sleep(0.002)


Open = Callable[..., Window]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """Open windows; what is left open is closed with the test."""
    windows: list[Window] = []

    def open_window(library: str = "ada.sqlite3", *, name: str = "Ada", **relay: str) -> Window:
        window = Window(Shelf(tmp_path / library, name=name, **relay), LIGHT)
        windows.append(window)
        window.show()
        QApplication.processEvents()
        return window

    yield open_window
    for window in windows:
        window.close()
        window.deleteLater()
    QApplication.processEvents()
