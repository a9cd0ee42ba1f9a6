"""Makes docs/images/desktop_reader.png: two people, two files, one relay.

Run `python -m docs.examples.desktop_reader.screenshot`, with the fonts that you want in the picture.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.update(QT_QPA_PLATFORM="offscreen", QT_SCALE_FACTOR="1.5")

from PySide6.QtWidgets import QApplication

from docs.examples.desktop_reader.look import dress
from docs.examples.desktop_reader.shelf import Shelf
from docs.examples.desktop_reader.window import Window
from tests.relay import RelayProcess

PICTURE = Path(__file__).parents[2] / "images" / "desktop_reader.png"
ADAS = {
    "In the beginning": "yellow",
    "the Spirit of God moved upon the face of the waters": "blue",
    "Let there be light": "yellow",
    "Let the waters under the heaven be gathered together unto one place": "green",
}
BOS = {"moved upon the face of the waters.\nAnd God said": "pink", "the evening and the morning": "purple"}


def until(condition: Callable[[], object]) -> None:
    """Let Qt work until `condition()` holds."""
    deadline_s = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline_s
        QApplication.processEvents()
        time.sleep(0.005)


def mark(window: Window, words: str, color: str) -> None:
    """Highlight the first place where these words stand."""
    at = window.page.toPlainText().index(words)
    window.page.select(at, at + len(words))
    window.highlight(color)


def main(picture: Path) -> None:
    """Make the picture."""
    look = dress(QApplication([]))
    with tempfile.TemporaryDirectory() as data, RelayProcess(Path(data) / "relay") as relay:
        ada, bo = (
            Window(Shelf(Path(data) / name, name=name, relay=relay.url, room="reading"), look) for name in ("Ada", "Bo")
        )
        ada.show()
        bo.show()
        for words, color in ADAS.items():
            mark(ada, words, color)
        for words, color in BOS.items():
            mark(bo, words, color)
        bo.chapters.setCurrentIndex(1)
        until(lambda: ada.panel.list.count() == bo.panel.list.count() == len(ADAS) + len(BOS))
        until(lambda: "saved at" in ada.standing.waiting.text() and "Genesis 2" in ada.standing.people.text())
        ada.panel.list.setCurrentRow(2)
        ada.page.jump(0)
        ada.page.clearFocus()
        QApplication.processEvents()
        picture.parent.mkdir(exist_ok=True)
        assert ada.grab().save(str(picture))
        ada.close()
        bo.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE)
