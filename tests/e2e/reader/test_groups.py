"""The reader on a relay that asks who comes: signing in and out, a group, an invitation, a discussion."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.reader.app import App, until
from tests.relay import RelayProcess

Opened = Callable[..., App]


@pytest.fixture(scope="module")
def strict_relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RelayProcess, Path]]:
    data = tmp_path_factory.mktemp("strict")
    with RelayProcess(data, "--auth", "static") as relay:
        yield relay, data


def token_of(data: Path, subject: str) -> str:
    command = [
        sys.executable,
        "-m",
        "crdt_sync_server",
        "tokens",
        "create",
        subject,
        "--name",
        "browser",
        "--data",
        str(data),
    ]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split()[-1]


def sign_in(app: App, token: str) -> App:
    app.page.get_by_label("Token").fill(token)
    app.page.get_by_role("button", name="Sign in").click()
    return app.loaded().in_step()


def test_a_wrong_token_is_refused_and_signing_out_leaves_nothing(
    opened: Opened, strict_relay: tuple[RelayProcess, Path]
) -> None:
    relay, data = strict_relay
    app = opened(url=relay.url, in_room=None, network_fails=True)
    app.page.get_by_label("Token").fill("crdt_wrong")
    app.page.get_by_role("button", name="Sign in").click()
    expect(app.page.get_by_role("alert")).to_contain_text("does not take this token")
    sign_in(app, token_of(data, "ada"))
    app.highlight(1, "In the beginning")
    app.in_step()
    app.page.reload()
    app.loaded()
    expect(app.mark("In the beginning")).to_be_visible()
    app.page.get_by_role("button", name="Settings").click()
    app.page.get_by_role("button", name="Sign out").click()
    app.page.get_by_role("alert").get_by_role("button", name="Sign out").click()
    expect(app.page.get_by_label("Token")).to_be_visible()
    assert app.tab.run("sessionStorage.length") == 0
    until(app, "(await indexedDB.databases()).every(({ name }) => !name.includes('ada'))")


def test_a_group_is_made_joined_and_talks(opened: Opened, strict_relay: tuple[RelayProcess, Path]) -> None:
    relay, data = strict_relay
    ada = sign_in(opened(url=relay.url, in_room=None, network_fails=True), token_of(data, "ada"))
    ada.page.get_by_role("button", name="Libraries").click()
    ada.page.get_by_label("New group").fill("Tuesdays")
    ada.page.get_by_role("button", name="Create").click()
    expect(ada.page.get_by_role("dialog", name="Libraries")).to_have_count(0)
    ada.loaded().in_step()
    ada.highlight(3, "Let there be light", "green")
    ada.page.get_by_role("button", name="Libraries").click()
    ada.page.get_by_role("button", name="Invite").click()
    link = ada.page.get_by_label("Send this link").input_value()
    ada.page.keyboard.press("Escape")
    card = ada.open_mark("Let there be light")
    card.get_by_label("Start a discussion").fill("Which light, before the sun?")
    card.get_by_role("button", name="Post").click()
    expect(card.locator(".post-text")).to_have_text("Which light, before the sun?")

    bob = sign_in(opened(url=relay.url, in_room=None, network_fails=True), token_of(data, "bob"))
    bob.page.goto(link)
    bob.page.reload()
    bob.page.get_by_role("button", name="Join").click()
    expect(bob.mark("Let there be light")).to_be_visible()
    expect(ada.page.get_by_role("button", name="bob reads Genesis 1")).to_be_visible()
    talk = bob.open_mark("Let there be light")
    talk.get_by_label("Reply").fill("<b>Ask Virgil</b>")
    talk.get_by_role("button", name="Post").click()
    expect(card.locator(".post-text").last).to_have_text("<b>Ask Virgil</b>")
    card.get_by_role("button", name="👍").last.click()
    expect(talk.get_by_role("button", name="👍 1")).to_be_visible()
    card.get_by_role("button", name="Resolve").click()
    expect(talk.get_by_text("Resolved")).to_be_visible()
