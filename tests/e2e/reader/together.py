"""What the tests of groups do as people do it: sign in, make a group, invite, join, look at who is in it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Locator, expect

from tests.e2e.reader.app import App

__all__ = ["invitation", "join", "make_group", "open_members", "row_of", "sign_in", "token_of"]


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


def make_group(owner: App, name: str) -> None:
    owner.page.get_by_role("button", name="Libraries").click()
    owner.page.get_by_label("New group").fill(name)
    owner.page.get_by_role("button", name="Create").click()
    expect(owner.page.get_by_role("dialog", name="Libraries")).to_have_count(0)
    owner.loaded().in_step()


def open_members(app: App, name: str) -> Locator:
    app.page.get_by_role("button", name="Libraries").click()
    app.page.get_by_role("button", name=f"Members of {name}").click()
    dialog = app.page.get_by_role("dialog", name=name)
    expect(dialog.get_by_role("heading", name="member")).to_be_visible()
    return dialog


def invitation(owner: App, group: str, role: str) -> str:
    """Make a link for a role, as an owner does."""
    dialog = open_members(owner, group)
    dialog.get_by_role("radio", name=role).check()
    dialog.get_by_role("button", name="Make a link").click()
    link = dialog.get_by_label("Send this link").input_value()
    owner.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    return link


def join(app: App, link: str) -> App:
    app.page.goto(link)
    app.page.reload()
    app.page.get_by_role("button", name="Join").click()
    expect(app.page.get_by_role("dialog")).to_have_count(0)
    return app.loaded()


def row_of(dialog: Locator, name: str) -> Locator:
    return dialog.get_by_role("listitem").filter(has_text=name)
