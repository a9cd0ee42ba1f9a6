"""`crdt-sync-server webhooks`, and what receivers hear of a real relay that runs, stops, is killed or at rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from crdt_sync_server.errors import WebhookError
from crdt_sync_server.webhooks import checked_receiver, new_webhook
from tests.relay import RelayProcess
from tests.server.operating import call, call_process, edit, tell
from tests.server.receiver import nobody_s_port, receiver, wait_until
from tests.server.test_metrics import _output, scrape

QUICK = ("--webhook-gather", "0.2")


def test_a_relay_tells_what_changes_and_what_is_deleted_to_whom_it_concerns(tmp_path: Path) -> None:
    """Hooks that were made before the start and while it runs; many edits are few calls, and nothing has content."""
    data = tmp_path / "data"
    with receiver() as here:
        every = tell(data, "webhooks", "add", f"{here.url}/every")
        with RelayProcess(data, *QUICK, "--metrics-port", "0") as relay:
            one = tell(data, "webhooks", "add", f"{here.url}/one", "--room", "u/ada")
            under = tell(data, "webhooks", "add", f"{here.url}/under", "--under", "u")
            edit(relay, tmp_path / "ada", "u/ada", *(f"secret {number}" for number in range(20)))
            (record,) = tell(data, "rooms", "list")
            edit(relay, tmp_path / "bob", "ubi", "secret")
            for path in ("/every", "/one", "/under"):
                newest = (path, "u/ada", record["log_length"])  # in the first room versions count its updates
                here.until(lambda heard, newest=newest: newest in {(each.path, *each.which) for each in heard})  # type: ignore[misc]
            here.until(lambda heard: "ubi" in {each.told["room"] for each in heard})
            tell(data, "rooms", "delete", "u/ada", "--yes")
            here.until(lambda heard: sum(each.told["event"] == "deleted" for each in heard) == 3)
            (url,) = (line.split()[-1] for line in _output(relay) if line.startswith("metrics"))
            wait_until(lambda: scrape(url)["crdt_sync_webhooks_total/delivered"] == len(here.heard))
            counts = scrape(url)
        assert counts["crdt_sync_webhooks_waiting"] == counts["crdt_sync_webhooks_total/given_up"] == 0
        heard = here.heard
    secrets = {"/every": every["secret"], "/one": one["secret"], "/under": under["secret"]}
    assert all(each.is_signed_with(secrets[each.path]) for each in heard)
    assert not any(each.is_signed_with(every["secret"]) for each in heard if each.path != "/every")
    rooms = {path: {each.told["room"] for each in heard if each.path == path} for path in secrets}
    assert rooms == {"/every": {"u/ada", "ubi"}, "/one": {"u/ada"}, "/under": {"u/ada"}}
    told = [each.told for each in heard if each.path == "/one"]
    versions = [each["version"] for each in told[:-1]]
    assert versions == sorted(versions)
    assert told[-1]["event"] == "deleted"
    assert len(told) <= 12, "20 edits that were made at once are gathered"
    assert not any(b"secret" in each.body for each in heard)
    lines = "".join(relay.output)
    assert not any(secret in lines for secret in secrets.values())


def test_what_waits_when_the_relay_stops_is_told_before_it_has_stopped(tmp_path: Path) -> None:
    with receiver() as here, RelayProcess(tmp_path / "data", "--webhook-gather", "3600") as relay:
        tell(tmp_path / "data", "webhooks", "add", here.url)
        edit(relay, tmp_path / "ada", "ada", "one")
        assert not here.heard
        assert relay.terminate() == 0
        assert [each.told["room"] for each in here.heard] == ["ada"]


def test_a_receiver_that_is_down_does_not_keep_the_relay_from_stopping(tmp_path: Path) -> None:
    with RelayProcess(tmp_path / "data", *QUICK) as relay:
        tell(tmp_path / "data", "webhooks", "add", f"http://127.0.0.1:{nobody_s_port()}")
        edit(relay, tmp_path / "ada", "ada", "one")
        wait_until(lambda: any("do=fails" in line for line in relay.output))
        assert relay.terminate() == 0
    assert sum("give up" in line for line in relay.output) == 1


def test_a_killed_relay_goes_on_telling_what_changes_after_it(tmp_path: Path) -> None:
    """What waited is lost, as the docs say; the webhook is not."""
    data = tmp_path / "data"
    with receiver() as here:
        relay = RelayProcess(data, "--webhook-gather", "3600")
        relay.start()
        tell(data, "webhooks", "add", here.url)
        edit(relay, tmp_path / "ada", "lost", "one")
        relay.kill()
        with RelayProcess(data, *QUICK) as relay:
            edit(relay, tmp_path / "ben", "told", "one")
            here.until(lambda heard: any(each.told["room"] == "told" for each in heard))
        assert {each.told["room"] for each in here.heard} == {"told"}


def test_a_deletion_on_a_store_at_rest_is_told_too(tmp_path: Path) -> None:
    with RelayProcess(tmp_path / "data") as relay:
        edit(relay, tmp_path / "ada", "ada", "one")
    with receiver() as here:
        tell(tmp_path / "data", "webhooks", "add", here.url)
        tell(tmp_path / "data", "rooms", "list")
        assert not here.heard
        tell(tmp_path / "data", "rooms", "delete", "ada", "--yes")
        (heard,) = here.heard
    assert (heard.told["room"], heard.told["event"], heard.told["version"]) == ("ada", "deleted", None)


def test_people_see_the_secret_once_on_its_own_line(tmp_path: Path) -> None:
    done = call_process(tmp_path, "webhooks", "add", "https://a.example/in", "--under", "u/ada")
    assert done.returncode == 0, done.stderr
    secret = done.stdout.decode().strip()
    assert secret.startswith("whsec_")
    assert "u/ada and below" in done.stderr.decode()
    assert secret not in done.stderr.decode()
    (shown,) = tell(tmp_path, "webhooks", "list")
    assert set(shown) == {"id", "url", "room", "under", "made_ms"}
    listed = call(tmp_path, "webhooks", "list").stdout.decode()
    assert shown["id"] in listed
    assert "https://a.example/in" in listed
    assert call(tmp_path, "webhooks", "remove", shown["id"]).returncode == 0
    assert tell(tmp_path, "webhooks", "list") == []
    assert secret.removeprefix("whsec_") not in call(tmp_path, "webhooks", "list").stdout.decode()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("add", "http://a.example"), "say --allow-http"),
        (("add", "ftp://a.example", "--allow-http"), "takes an https URL"),
        (("add", "https://"), "takes an https URL"),
        (("add", "https://a.example:port"), "is no URL"),
        (("add", "https://ada:secret@a.example"), "no user, password or fragment"),
        (("add", "https://a.example/é"), "percent-encoded"),
        (("add", "https://a.example/\udcff"), "percent-encoded"),
        (("add", "https://a.example", "--room", "a", "--under", "b"), "not both"),
        (("add", "https://a.example", "--room", ""), "names no room"),
        (("add", "https://a.example", "--under", "u/\udcff"), "is no text"),
        (("remove", "nothing"), "there is no webhook 'nothing'"),
        (("remove", "half \udcff"), "there is no webhook"),
    ],
)
def test_what_cannot_be_is_one_line_and_makes_no_webhook(
    arguments: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    tell(tmp_path, "webhooks", "add", "http://hooks.example", "--allow-http")
    done = call(tmp_path, "webhooks", *arguments)
    assert done.returncode == 1
    assert words in done.stderr.decode()
    assert len(done.stderr.splitlines()) == 1
    assert len(tell(tmp_path, "webhooks", "list")) == 1


def test_there_are_64_webhooks_and_no_more(tmp_path: Path) -> None:
    with RelayProcess(tmp_path):
        for number in range(64):
            tell(tmp_path, "webhooks", "add", f"https://a.example/{number}")
        done = call(tmp_path, "webhooks", "add", "https://a.example/one-more")
        assert done.returncode == 1
        assert b"which is the most; remove one" in done.stderr
        first = tell(tmp_path, "webhooks", "list")[0]
        tell(tmp_path, "webhooks", "remove", first["id"])
        tell(tmp_path, "webhooks", "add", "https://a.example/one-more")


@pytest.mark.parametrize("url", ["http://localhost:1/", "http://127.8.9.1", "http://[::1]:99/x?y", "https://a.example"])
def test_http_is_for_this_machine(url: str) -> None:
    assert checked_receiver(url, allow_http=False) == url


@pytest.mark.parametrize("url", ["http://localhost.evil.example", "http://127.0.0.1.evil.example", "http://10.0.0.1"])
def test_a_name_that_looks_like_this_machine_is_another(url: str) -> None:
    with pytest.raises(WebhookError, match="--allow-http"):
        checked_receiver(url, allow_http=False)
    assert checked_receiver(url, allow_http=True) == url


@pytest.mark.parametrize(
    ("room", "under", "concerned"),
    [
        (None, None, {"u/a", "u/a/b", "u/ab", "x"}),
        ("u/a", None, {"u/a"}),
        (None, "u/a", {"u/a", "u/a/b"}),
        (None, "u", {"u/a", "u/a/b", "u/ab"}),
    ],
)
def test_whom_a_room_concerns(room: str | None, under: str | None, concerned: set[str]) -> None:
    hook = new_webhook("https://a.example", room=room, under=under, made_ms=1)
    assert {each for each in ("u/a", "u/a/b", "u/ab", "x") if hook.concerns(each)} == concerned
    assert "secret" not in repr(hook)
