"""What is counted, and who may read it."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import anyio
import httpx
import pytest
from httpx_ws import connect_ws
from prometheus_client.parser import text_string_to_metric_families

from crdt_sync import open_library
from crdt_sync.protocol.close_codes import CloseCode
from crdt_sync.protocol.messages import SyncUpdate
from crdt_sync_server.metrics import Metrics, Standing
from tests.relay import RelayProcess
from tests.server.test_host import Rig, SlowStore, update
from tests.server.test_process import close_code


def scrape(url: str) -> dict[str, float]:
    """Return every sample by its name and labels, as Prometheus' own parser reads them."""
    return {
        sample.name + "".join(f"/{value}" for key, value in sample.labels.items() if key != "le"): sample.value
        for family in text_string_to_metric_families(httpx.get(url).text)
        for sample in family.samples
    }


def test_a_relay_counts_what_goes_through_it(tmp_path: Path) -> None:
    """Two devices, and one more client that is refused; the figures fit what was done."""
    with RelayProcess(tmp_path / "data", "--metrics-port", "0") as relay:

        async def work() -> dict[str, float]:
            async with (
                open_library(tmp_path / "a", relay=relay.url, room="room") as ada,
                open_library(tmp_path / "b", relay=relay.url, room="room", transport="polling") as ben,
            ):
                for number in range(5):
                    await ada.add_note(f"note {number}")
                    assert await ada.synced(timeout_s=20)
                assert await ben.synced(timeout_s=20)
                async with ben.changes() as feed:
                    with anyio.fail_after(20):
                        while len(await ben.notes()) < 5:
                            await feed.take()
                return await anyio.to_thread.run_sync(scrape, url)

        (url,) = (
            match[1] for line in _output(relay) if (match := re.match(r"metrics on (http://127\S+/metrics)", line))
        )
        before = scrape(url)
        assert before["crdt_sync_rooms"] == before["crdt_sync_updates_total"] == 0
        during = anyio.run(work)
        assert during["crdt_sync_connections/websocket"] == during["crdt_sync_connections/polling"] == 1
        assert during["crdt_sync_rooms"] == 1
        assert during["crdt_sync_updates_total"] >= 5
        assert during["crdt_sync_commit_seconds_count"] >= 5
        assert 0 < during["crdt_sync_commit_seconds_sum"] < 60
        assert during["crdt_sync_deliveries_total"] >= 5
        assert during["crdt_sync_document_bytes"] == during["crdt_sync_largest_document_bytes"] > 500
        assert during["crdt_sync_received_bytes_total"] > 500
        assert during["crdt_sync_sent_bytes_total"] > 500
        http = relay.url.replace("ws", "http")
        with httpx.Client() as client:
            with connect_ws(f"{http}/room", client, headers={"origin": "https://evil.example"}) as session:
                assert close_code(session) == 4403
            with connect_ws(f"{http}/room", client) as session:
                session.send_text("hello")
                assert close_code(session) == 4400
        after = scrape(url)
        assert after["crdt_sync_refused_total/forbidden"] == 1
        assert after["crdt_sync_refused_total/not_the_protocol"] == 1
        assert after["crdt_sync_connections_opened_total/websocket"] == 2
        assert httpx.get(f"{http}/metrics").status_code == 404, "the public listener must not have them"


def _output(relay: RelayProcess) -> list[str]:
    """Return what the relay has said; the line about metrics follows the one that `start` waits for."""
    deadline = time.monotonic() + 20
    while not any(line.startswith("metrics") for line in relay.output) and time.monotonic() < deadline:
        time.sleep(0.01)
    return relay.output


def test_a_port_for_metrics_that_is_taken_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "crdt_sync_server", "serve", "--port", "0", "--data", str(tmp_path)]
        done = subprocess.run(
            [*command, "--metrics-port", port], capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 1
    assert "--metrics-port" in done.stderr
    assert done.stderr.count("\n") == 1


def test_each_refusal_has_its_reason_and_leaving_is_none() -> None:
    metrics = Metrics()
    for code in CloseCode:
        metrics.refused(code)
    told = {
        sample.labels["reason"]: sample.value
        for family in metrics.collect()
        if family.name == "crdt_sync_refused"
        for sample in family.samples
    }
    assert told == {
        code.name.lower(): 1 for code in CloseCode if code not in (CloseCode.GOING_AWAY, CloseCode.RESTARTING)
    }


def test_names_are_prometheus_own_way_and_labels_have_few_values() -> None:
    metrics = Metrics()
    metrics.standing = lambda: Standing(rooms=100_000)
    families = [family for family in metrics.registry.collect() if family.name.startswith("crdt_sync")]
    samples = [sample for family in families for sample in family.samples]
    assert len(samples) < 90
    assert {label for sample in samples for label in sample.labels} == {"le", "limit", "outcome", "reason", "transport"}
    for family in families:
        assert family.documentation.endswith(".")
        assert not family.name.endswith("_total")
        assert family.type in ("counter", "gauge", "histogram")


@pytest.mark.anyio
async def test_content_that_waits_for_a_slow_reader_has_an_age_and_coalesces() -> None:
    rig = Rig(SlowStore())
    async with rig.host.running():
        slow, writer = await rig.enter(), await rig.enter()
        for number in range(4):
            await writer.say(SyncUpdate(update(f"k{number}")))
            await writer.hear(SyncUpdate)
        await rig.pass_time(1)
        assert rig.host.standing().outbox_age_s == 0
        await rig.pass_time(6)
        assert rig.host.standing().outbox_age_s == 6
        assert rig.host.metrics.deliveries == 8
        assert rig.host.metrics.content_frames == 4
        await slow.hear(SyncUpdate)
        slow.last_sent_s = rig.now_s
        await rig.pass_time(1)
        assert rig.host.standing().outbox_age_s == 0
        assert rig.host.metrics.content_frames == 5
        ratio = next(family for family in rig.host.metrics.collect() if family.name == "crdt_sync_coalescing_ratio")
        assert ratio.samples[0].value == 8 / 5
        await rig.host.stop()
