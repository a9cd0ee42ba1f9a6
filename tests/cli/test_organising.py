"""Search with filters, lists, collections and links, as a person runs them."""

from __future__ import annotations

from pathlib import Path

from tests.cli.devices import Here


def test_finding_and_ordering(tmp_path: Path) -> None:
    device = Here(tmp_path / "a.sqlite3")
    device("init", "--author", "Ada")
    light = device.json("highlight", "add", "Gen.1.3", "Let there be light", "--color", "green", "--tag", "x")["id"]
    noah = device.json("highlight", "add", "Gen.10.1", "Noah and light", "--work", "ASV")["id"]
    note = device.json(
        "note", "add", f"[[Nobody]] highlight:{light} light", "--title", "Thoughts", "--highlight", light
    )["id"]
    found = device.json("search", "light", "-noah", "--kind", "highlight", "--within", "Gen")
    assert ([hit["item_id"] for hit in found["hits"]], found["is_complete"]) == ([light], True)
    assert "no option --colour" in device("search", "light", "--colour", "green", status=2)
    assert device.json("search", "--since", "2999-01-01", "light")["hits"] == []
    assert [each["id"] for each in device.json("highlight", "list", "--sort", "newest", "--limit", "1")] == [noah]
    assert [each["id"] for each in device.json("highlight", "list", "--with-note", "--tag", "x")] == [light]
    assert [(each["id"], each["highlights"]) for each in device.json("works")] == [("ASV", 1), ("Bible.KJV", 1)]
    assert "Bible.KJV" in device("works")
    assert device.json("tags") == [{"tag": "x", "items": 1}]
    assert device.json("colors")[0] == {"color": "green", "highlights": 1}
    made = device.json("collection", "add", "For Sunday", noah, light)["id"]
    device("collection", "put", "For Sunday", note[:8], "--before", light[:8])
    assert [each["id"] for each in device.json("collection", "show", made[:8])] == [noah, note, light]
    device("collection", "take", "For Sunday", noah)
    device("collection", "rename", "For Sunday", "For Monday")
    assert [(each["title"], each["items"]) for each in device.json("collection", "list")] == [("For Monday", 2)]
    assert [each["id"] for each in device.json("highlight", "list", "--collection", "For Monday")] == [light]
    device("collection", "delete", "For Monday")
    assert "no items have an id" in device("collection", "show", "For Monday", status=1)
    device("collection", "restore", "For Monday")
    assert "Thoughts" in device("collection", "show", "For Monday")
    assert [link["written"] for link in device.json("note", "links", light, "--to")] == [f"highlight:{light}"]
    roots = device.json("export")["roots"]
    members = {key: roots["fields"][key] for key in roots["fields"] if key.startswith(f"{made}/item/")}
    assert list(roots["collections"]) == [made]
    assert [key.rpartition("/")[2] for key in sorted(members, key=lambda key: members[key])] == [note, light]
    assert "[[Nobody]] → nothing" in device("note", "links", "--dangling")
