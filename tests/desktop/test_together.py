"""Two windows on two files over a real relay, offline starts, and a relay that hangs."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from crdt_sync import State, blocking
from docs.examples.desktop_reader.window import Window
from tests.blocking.waiting import frozen
from tests.desktop.conftest import Open, until
from tests.desktop.test_window import click_item, drag_over, quotes
from tests.relay import RelayProcess

LEFT = Qt.MouseButton.LeftButton
CLOSES_WITHIN_S = 3.0
"""The shelf gives the relay one second; the rest is for a busy machine."""


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    with RelayProcess(tmp_path_factory.mktemp("relay")) as relay:
        yield relay


def in_step(window: Window) -> bool:
    return window.standing.state.text() == "In step" and "saved at" in window.standing.waiting.text()


def mark(window: Window, words: str, key: Qt.Key) -> None:
    window.activateWindow()  # shortcuts belong to the window that a person works in
    until(window.isActiveWindow)
    drag_over(window.page, words)
    QTest.keyClick(window.page, key)


def test_two_windows_converge_and_show_who_is_here(relay: RelayProcess, opened: Open) -> None:
    ada = opened("ada", name="Ada", relay=relay.url, room="two")
    bo = opened("bo", name="Bo", relay=relay.url, room="two")
    until(lambda: ada.standing.people.text() == "Here: Bo (Genesis 1)", "Bo")
    mark(ada, "without form, and void", Qt.Key.Key_1)
    mark(bo, "there was light", Qt.Key.Key_3)
    until(lambda: quotes(ada) == quotes(bo) == ["without form, and void", "there was light"], "the same lists")
    click_item(bo, 0)
    QTest.mouseClick(bo.panel.button, LEFT)
    until(lambda: quotes(ada) == quotes(bo) == ["there was light"], "the deletion")
    QTest.mouseClick(ada.panel.tabs[1], LEFT)
    click_item(ada, 0)
    QTest.mouseClick(ada.panel.button, LEFT)
    until(lambda: len(quotes(bo)) == 2, "the restoration")
    until(lambda: in_step(ada) and in_step(bo), "the relay's word")
    bo.books.setCurrentIndex(42)
    until(lambda: ada.standing.people.text() == "Here: Bo (John 1)", "where Bo reads")
    bo.close()
    until(lambda: ada.standing.people.text() == "Nobody else is here", "Bo's leaving")


def test_it_starts_offline_and_what_was_made_goes_out_later(opened: Open, tmp_path: Path) -> None:
    relay = RelayProcess(tmp_path / "relay")
    relay.start()
    relay.kill()
    ada = opened("ada", relay=relay.url, room="later")
    until(lambda: ada.standing.state.text() == "Offline")
    assert ada.standing.retry.isVisible()
    mark(ada, "without form, and void", Qt.Key.Key_1)
    mark(ada, "there was light", Qt.Key.Key_2)
    until(lambda: ada.standing.waiting.text() == "· 2 changes wait")
    with relay:
        QTest.mouseClick(ada.standing.retry, LEFT)
        until(lambda: in_step(ada), "the relay's word")
        assert not ada.standing.retry.isVisible()
        bo = opened("bo", name="Bo", relay=relay.url, room="later")
        until(lambda: len(quotes(bo)) == 2, "the highlights")
        ada.close()
        bo.close()


def test_closing_while_the_relay_hangs_is_quick_and_loses_nothing(relay: RelayProcess, opened: Open) -> None:
    ada = opened("ada", relay=relay.url, room="hangs")
    until(lambda: ada.standing.state.text() == "In step")
    with frozen(relay.pid):
        mark(ada, "without form, and void", Qt.Key.Key_1)
        began_s = time.monotonic()
        ada.close()
        assert time.monotonic() - began_s < CLOSES_WITHIN_S
    again = opened("ada", relay=relay.url, room="hangs")
    assert quotes(again) == ["without form, and void"]
    until(lambda: in_step(again), "the relay's word")


def test_the_program_itself_shows_who_reads_and_ends_with_ctrl_c(relay: RelayProcess, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear Bo,\n", "utf-8")
    command = [sys.executable, "-m", "docs.examples.desktop_reader", "letter.txt", "--library", "ada.sqlite3"]
    with (
        blocking.open_library(tmp_path / "bo", relay=relay.url, room="program") as bo,
        subprocess.Popen(
            [*command, "--relay", relay.url, "--room", "program", "--name", "Ada"],
            cwd=tmp_path,
            stderr=subprocess.PIPE,
            text=True,
        ) as reader,
    ):
        until(lambda: list(bo.presence.others().values()) == [{"name": "Ada", "at": "letter"}], "Ada")
        reader.send_signal(signal.SIGINT)
        until(lambda: reader.poll() is not None, "the end")
        assert reader.returncode == 0
        assert reader.stderr is not None
        assert "Traceback" not in reader.stderr.read()
        until(lambda: not bo.presence.others(), "Ada's leaving")


def test_a_refusal_for_good_is_said_in_the_status_bar(relay: RelayProcess, opened: Open) -> None:
    ada = opened("ada", relay=relay.url, room="a//b")
    until(lambda: ada.standing.state.text() == "Stopped")
    assert "room name" in ada.standing.waiting.text()
    assert ada._shelf.status.state is State.STOPPED
    mark(ada, "there was light", Qt.Key.Key_2)
    until(lambda: quotes(ada) == ["there was light"])
