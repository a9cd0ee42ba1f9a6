"""The tables of docs/benchmarks.md are what the results say."""

from __future__ import annotations

import re

import pytest

from benchmarks.page import PAGE, TABLES, Table, busiest, load_results, losses, number, render

RESULTS = {
    "fan_out": {
        "at": "2030-01-02T03:04:05+00:00",
        "machine": "a machine",
        "python": "3",
        "node": "v20",
        "medians": {
            "flood": {
                "crdt-sync": {"rounds": 5, "finished": 5, "deliveries_per_s": 500_000, "p50_ms": 4.0},
                "fast": {"rounds": 5, "finished": 5, "deliveries_per_s": 250_000, "p50_ms": 1.0},
                "equal": {"rounds": 5, "finished": 5, "deliveries_per_s": 510_000, "p50_ms": 3.9},
                "tired": {"rounds": 5, "finished": 2, "deliveries": 30, "expected": 120, "p50_ms": 0.5},
            }
        },
    }
}


def table(name: str) -> str:
    return f"before\n<!-- table {name} -->\nold\n<!-- end -->\nafter\n"


def test_the_page_says_what_the_results_say() -> None:
    page = PAGE.read_text("utf-8")
    assert render(page, load_results()) == page, "run `python -m benchmarks.page`"


def test_every_table_is_on_the_page_once() -> None:
    shown = re.findall(r"<!-- table (.*?) -->", PAGE.read_text("utf-8"))
    assert sorted(shown) == sorted([*(each.name for each in TABLES), "busiest load", "circumstances", "where we lose"])


def test_every_picture_of_the_page_is_there() -> None:
    pictures = re.findall(r"\]\((images/.*?)\)", PAGE.read_text("utf-8"))
    assert pictures
    assert all((PAGE.parent / picture).is_file() for picture in pictures)


def test_a_peer_is_given_as_times_ours_and_one_that_did_not_finish_with_its_share() -> None:
    page = render(table("flood"), RESULTS)
    assert page.startswith("before\n")
    assert page.endswith("after\n")
    assert "old" not in page
    assert "| **crdt-sync** | 500,000 | 4 |" in page
    assert "| fast | 250,000 (0.50×) | 1 (0.25×) |" in page
    assert "| tired (finished 2 of 5, 25% was there) | – | 0.5 |" in page


def test_losses_are_what_a_peer_that_finished_does_clearly_better() -> None:
    assert list(losses(RESULTS)) == ["- fan-out, flood, p50, ms: ours 4, fast 1."]


def test_what_ours_did_not_finish_is_a_loss() -> None:
    rows = {"crdt-sync": {"rounds": 5, "finished": 4}}
    assert list(losses({"idle": {"medians": {"1,000 connections": rows}}})) == [
        "- 1,000 idle connections: ours did not finish."
    ]


def test_what_was_not_measured_says_so() -> None:
    assert "Not measured yet." in render(table("presence"), RESULTS)


def test_an_unknown_table_is_an_error() -> None:
    with pytest.raises(KeyError, match="tabel"):
        render(table("tabel"), RESULTS)


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234567.8, "1,234,568"), (99.96, "100"), (0.01234, "0.0123"), (None, "–"), (float("nan"), "–"), (5, "5")],
)
def test_numbers_have_three_digits(value: object, text: str) -> None:
    assert number(value) == text


def test_tables_name_figures_once() -> None:
    def heads(each: Table) -> list[str]:
        return [column.head for column in each.columns]

    assert all(len(heads(each)) == len(set(heads(each))) for each in TABLES)


def test_the_busiest_load_is_found_in_all_benchmarks() -> None:
    rows = {"crdt-sync": {"busy": 0.2}, "peer": {"busy": 0.4567}}
    results = {"presence": {"medians": rows}, "ceiling": {"medians": {"frames": {"busy": 0.9}}}}
    assert list(busiest(results)) == [
        "In the benchmarks below the load was busiest, 46% of its core, at: presence, peer."
    ]
