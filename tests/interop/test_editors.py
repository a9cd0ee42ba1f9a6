"""Bodies in real editors: TipTap and ProseMirror through y-prosemirror, and Quill."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from pycrdt import Doc, XmlElement, XmlFragment

from crdt_sync.document.rich import Blocks, parse_markdown, plain_text, read_body, render_html, render_markdown
from crdt_sync.document.rich.lifting import edited
from crdt_sync.document.rich.seeding import seed, seed_client
from tests.document.rich.bodies import ROOT, Replica, blocks, holding
from tests.interop.node import INTEROP

MARKDOWN = """\
# On _Genesis_ and **more**

See [the verse](osis:Gen.1.1), `x = 1`, ~~this~~ 𝔘𝔫𝔦 and\\
a second line.

- one
- two
  1. deep

3. three
4. four

> quoted

```python
a = 1

b
```

___

The end."""
BASIC = MARKDOWN.replace("~~this~~", "this").replace("python", "")
"""prosemirror-schema-basic has no mark for what is struck out, and no languages."""


class Editors:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def __call__(self, call: str, name: str, **argument: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"call": call, "argument": {"name": name, **argument}}) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        assert "error" not in answer, answer["error"]
        return answer

    def open(self, kind: str, replica: Replica, name: str = "editor") -> dict[str, Any]:
        return self("open", name, kind=kind, root=ROOT, updates=[replica.doc.get_update().hex()])


@contextmanager
def node() -> Iterator[Editors]:
    process = subprocess.Popen(
        ["node", "editors.mjs"], cwd=INTEROP, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        yield Editors(process)
        assert process.stdin is not None
        process.stdin.close()
        process.wait(timeout=20)


@pytest.fixture(scope="module")
def editors() -> Iterator[Editors]:
    with node() as running:
        yield running


def basic() -> Replica:
    """A body that an editor with prosemirror-schema-basic has begun."""
    replica = Replica()
    replica.fragment.children.append(XmlElement("horizontal_rule"))
    return replica


def shown(answer: dict[str, Any]) -> Blocks:
    """Return what an editor's document says, as we read it."""
    doc: Doc[Any] = Doc()
    doc.apply_update(bytes.fromhex(answer["update"]))
    return read_body(doc, ROOT)


def words(node: dict[str, Any]) -> str:
    return str(node.get("text", "")) + "".join(words(child) for child in node.get("content", ()))


@pytest.mark.parametrize("kind", ["tiptap", "proseMirror"])
def test_what_we_write_it_shows_and_opening_it_writes_nothing(editors: Editors, kind: str) -> None:
    markdown = MARKDOWN if kind == "tiptap" else BASIC
    replica = Replica() if kind == "tiptap" else basic()
    replica.write(parse_markdown(markdown))
    answer = editors.open(kind, replica)
    assert answer["wrote"] == []
    names = [child["type"] for child in answer["doc"]["content"]]
    lists = ["bulletList", "orderedList"] if kind == "tiptap" else ["bullet_list", "ordered_list"]
    code, rule = ("codeBlock", "horizontalRule") if kind == "tiptap" else ("code_block", "horizontal_rule")
    assert names == ["heading", "paragraph", *lists, "blockquote", code, rule, "paragraph"]
    assert "".join(words(answer["doc"]).split()) == "".join(plain_text(replica.body).split())
    for piece in (
        "<h1",
        "<strong>more</strong>",
        "<em>Genesis</em>",
        "<code>x = 1</code>",
        'href="osis:Gen.1.1"',
        'start="3"',
    ):
        assert piece in answer["html"]


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow], phases=[Phase.generate])
@given(blocks(strange=False))
def test_whatever_markdown_says_a_schema_takes_as_it_is(editors: Editors, body: Blocks) -> None:
    wanted = parse_markdown(render_markdown(body))
    if not wanted:
        return
    answer = editors.open("tiptapBare", holding(wanted))
    assert answer["wrote"] == []
    assert "".join(words(answer["doc"]).split()) == "".join(plain_text(wanted).split())


@pytest.mark.parametrize("kind", ["tiptap", "proseMirror"])
def test_what_it_writes_we_read_and_an_edit_of_ours_it_takes(editors: Editors, kind: str) -> None:
    markdown = MARKDOWN if kind == "tiptap" else BASIC
    replica = Replica() if kind == "tiptap" else basic()
    replica.write(parse_markdown(markdown))
    written = editors.open(kind, replica, "first")["doc"]
    empty = Replica()
    editors.open(kind, empty, "second")
    answer = editors("setContent", "second", doc=written)
    assert render_markdown(shown(answer)) == markdown
    assert render_html(shown(answer)) == render_html(replica.body)
    ours = Replica()
    ours.doc.apply_update(bytes.fromhex(answer["update"]))
    ours.updates.clear()
    wanted = parse_markdown(markdown.replace("deep", "deeper").replace("quoted", "**quoted**"))
    ours.write(edited(ours.body, wanted))
    before = len(answer["wrote"])
    answer = editors("take", "second", updates=[update.hex() for update in ours.updates])
    assert len(answer["wrote"]) == before
    assert shown(answer) == ours.body
    assert render_markdown(ours.body) == render_markdown(wanted)


@pytest.mark.parametrize("kind", ["tiptap", "proseMirror"])
def test_typing_there_and_an_edit_here_at_the_same_time_are_both_kept(editors: Editors, kind: str) -> None:
    markdown = MARKDOWN if kind == "tiptap" else BASIC
    ours = Replica() if kind == "tiptap" else basic()
    ours.write(parse_markdown(markdown))
    editors.open(kind, ours)
    typed = editors("type", "editor", before="end", words="very ")
    typed = editors("type", "editor", before="econd line", words="-s")
    ours.updates.clear()
    edit = markdown.replace("second line", "second, long line").replace("# On", "## On").replace("four", "**four**")
    ours.write(edited(ours.body, parse_markdown(edit)))
    answer = editors("take", "editor", updates=[update.hex() for update in ours.updates])
    for update in answer["wrote"]:
        ours.doc.apply_update(bytes.fromhex(update))
    expected = edit.replace("The end", "The very end").replace("a second", "a s-second")
    assert typed["wrote"]
    assert render_markdown(ours.body) == render_markdown(parse_markdown(expected))
    assert shown(answer) == ours.body


def test_the_seed_of_an_imported_text_is_the_same_in_yjs_byte_for_byte(editors: Editors) -> None:
    text = "first line\n\nGrüße 𝔘𝔫𝔦\nlast"
    made = editors("seed", "", root=ROOT, text=text, clientId=seed_client("n", text))["update"]
    assert made == seed("n", ROOT, text, ()).hex()
    ours = Replica()
    ours.doc.apply_update(seed("n", ROOT, text, ()))
    ours.doc.apply_update(bytes.fromhex(made))
    assert plain_text(ours.body) == text
    assert editors.open("tiptap", ours)["wrote"] == []


def test_a_body_of_quill_is_read(editors: Editors) -> None:
    editors.open("quill", Replica(), "quill")
    delta = [
        {"insert": "Title"},
        {"insert": "\n", "attributes": {"header": 2}},
        {"insert": "so "},
        {"insert": "much", "attributes": {"bold": True, "italic": True}},
        {"insert": " to "},
        {"insert": "read", "attributes": {"link": "https://example.org"}},
        {"insert": "\none"},
        {"insert": "\n", "attributes": {"list": "bullet"}},
        {"insert": "under"},
        {"insert": "\n", "attributes": {"list": "ordered", "indent": 1}},
        {"insert": "a = 1"},
        {"insert": "\n", "attributes": {"code-block": "plain"}},
        {"insert": "b"},
        {"insert": "\n", "attributes": {"code-block": "plain"}},
    ]
    answer = editors("setDelta", "quill", delta=delta)
    doc: Doc[Any] = Doc()
    doc.get(ROOT, type=XmlFragment)
    doc.apply_update(bytes.fromhex(answer["update"]))
    assert render_markdown(read_body(doc, ROOT)) == (
        "## Title\n\nso **_much_** to [read](https://example.org)\n\n- one\n  1. under\n\n```\na = 1\nb\n```"
    )
