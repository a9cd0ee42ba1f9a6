"""The reader on a relay that asks who comes: signing in and out, a group, its invitations, roles and members."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import expect

from tests.e2e.reader.app import App, until
from tests.e2e.reader.test_access import picture
from tests.e2e.reader.together import invitation, join, make_group, open_members, row_of, sign_in, token_of
from tests.relay import RelayProcess

Opened = Callable[..., App]
Circle = Callable[..., tuple[App, App, str]]


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
    make_group(ada, "Tuesdays")
    ada.highlight(3, "Let there be light", "green")
    link = invitation(ada, "Tuesdays", "Editor")
    card = ada.open_mark("Let there be light")
    card.get_by_label("Start a discussion").fill("Which light, before the sun?")
    card.get_by_role("button", name="Post").click()
    expect(card.locator(".post-text")).to_have_text("Which light, before the sun?")

    bob = sign_in(opened(url=relay.url, in_room=None, network_fails=True), token_of(data, "bob"))
    join(bob, link)
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


def test_a_link_gives_the_role_that_was_chosen_and_can_be_revoked(circle: Circle) -> None:
    ada, bob, name = circle("Reader", "bob-reads")
    expect(bob.page.locator("[data-sync=read-only]")).to_be_attached()
    bob.mark("Let there be light").click()
    expect(bob.card().get_by_text("You may read here")).to_be_visible()
    expect(bob.card().get_by_role("button", name="Delete")).to_have_count(0)
    bob.page.keyboard.press("Escape")
    members = open_members(bob, name)
    expect(row_of(members, "bob-reads")).to_contain_text("Reader")
    expect(members.get_by_role("combobox")).to_have_count(0)
    expect(members.get_by_role("button", name="Make a link")).to_have_count(0)

    dialog = open_members(ada, name)
    dialog.get_by_role("button", name="Make a link").click()
    link = dialog.get_by_label("Send this link").input_value()
    dialog.get_by_role("button", name="Revoke the invitation: Editor").click()
    expect(dialog.get_by_role("button", name="Revoke the invitation")).to_have_count(0)
    bob.page.goto(link)
    bob.page.reload()
    bob.page.get_by_role("button", name="Join").click()
    expect(bob.page.get_by_role("alert").filter(has_text="This invitation cannot be used")).to_be_visible()


def test_another_role_holds_at_once_in_the_other_browser(circle: Circle) -> None:
    ada, bob, name = circle("Editor", "bob-writes")
    bob.in_step()
    dialog = open_members(ada, name)
    role = dialog.get_by_role("combobox", name="Role of bob-writes")
    role.select_option("Reader")
    expect(bob.page.locator("[data-sync=read-only]")).to_be_attached()
    bob.select(1, "In the beginning")
    expect(bob.page.get_by_role("button", name="Highlight in yellow")).to_have_count(0)
    role.select_option("Editor")
    bob.in_step()
    bob.highlight(1, "In the beginning")
    expect(ada.mark("In the beginning")).to_be_visible()

    role.select_option("Owner")
    question = dialog.get_by_role("group", name="Make bob-writes an owner?")
    expect(question.get_by_role("button", name="Cancel")).to_be_focused()
    ada.page.keyboard.press("Escape")
    expect(question).to_have_count(0)
    expect(role).to_have_value("editor")
    role.select_option("Owner")
    question.get_by_role("button", name="Change the role").click()
    expect(question).to_have_count(0)
    theirs = open_members(bob, name)
    expect(theirs.get_by_role("combobox", name="Role of bob-writes")).to_have_value("owner")
    expect(theirs.get_by_role("combobox", name="Role of ada-writes")).to_have_value("owner")
    theirs.get_by_role("combobox", name="Role of bob-writes").select_option("Reader")
    theirs.get_by_role("group", name="Stop being an owner?").get_by_role("button", name="Change the role").click()
    expect(theirs.get_by_role("combobox")).to_have_count(0)
    expect(bob.page.locator("[data-sync=read-only]")).to_be_attached()
    expect(role).to_have_value("reader")  # and the list that is open there says so


CHANGE_ROLE = """async ([subject, role]) => {
  const headers = { Authorization: `Bearer ${sessionStorage["reader/token"]}`, "Content-Type": "application/json" };
  const { rooms } = await (await fetch("api/v1/rooms", { headers })).json();
  const { room } = rooms.find((each) => each.room.startsWith("g/"));
  const path = `api/v1/rooms/${encodeURIComponent(room)}/members/${subject}`;
  const answer = await fetch(path, { method: "PATCH", headers, body: JSON.stringify({ role }) });
  if (!answer.ok) throw new Error(await answer.text());
}"""


def test_an_edit_that_a_role_came_before_is_kept_and_said(circle: Circle) -> None:
    """Nobody told this browser: the relay refuses the edit, and reading goes on."""
    ada, bob, _name = circle("Editor", "bob-late")
    bob.in_step()
    ada.tab.run(CHANGE_ROLE, ["bob-late", "reader"])
    bob.highlight(1, "In the beginning")
    expect(bob.page.locator("[data-sync=read-only]")).to_be_attached()
    expect(bob.mark("In the beginning")).to_be_visible()
    ada.highlight(4, "God saw")
    expect(bob.mark("God saw")).to_be_visible()
    expect(ada.mark("In the beginning")).to_have_count(0)


def test_who_is_removed_is_told_and_who_leaves_may(circle: Circle) -> None:
    ada, bob, name = circle("Editor", "bob-goes")
    dialog = open_members(ada, name)
    dialog.get_by_role("button", name="Remove bob-goes").click()
    question = dialog.get_by_role("group", name="Remove bob-goes from the group?")
    question.get_by_role("button", name="Cancel").click()
    expect(dialog.get_by_role("button", name="Remove bob-goes")).to_be_focused()
    dialog.get_by_role("button", name="Remove bob-goes").click()
    question.get_by_role("button", name="Remove", exact=True).click()
    expect(dialog.get_by_role("heading", name="1 member")).to_be_visible()
    notice = bob.page.get_by_role("alert").filter(has_text="You are not in this group any more")
    expect(notice).to_be_visible()
    picture(bob.page, "group-ended")
    expect(bob.mark("Let there be light")).to_be_visible()
    notice.get_by_role("button", name="To my library").click()
    expect(notice).to_have_count(0)
    bob.loaded().in_step()

    dialog.get_by_role("button", name="Leave the group").click()
    dialog.get_by_role("group", name="Leave the group?").get_by_role("button", name="Leave", exact=True).click()
    expect(dialog.get_by_role("alert").filter(has_text="You are the only owner")).to_be_visible()
    dialog.get_by_role("button", name="Cancel").click()
    ada.page.keyboard.press("Escape")
    join(bob, invitation(ada, name, "Editor")).in_step()
    theirs = open_members(bob, name)
    theirs.get_by_role("button", name="Leave the group").click()
    theirs.get_by_role("button", name="Leave", exact=True).click()
    expect(bob.page.get_by_text(f"You have left {name}")).to_be_visible()
    expect(bob.page.locator(".group-button")).to_have_count(0)
    bob.loaded().in_step().page.get_by_role("button", name="Libraries").click()
    expect(bob.page.get_by_role("button", name="My library")).to_be_visible()
    expect(bob.page.get_by_role("button", name=f"Members of {name}")).to_have_count(0)
