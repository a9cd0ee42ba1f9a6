"""HTML that is safe whoever wrote the body: nothing comes out but what we write, and no address but those we know."""

from __future__ import annotations

from html import unescape
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crdt_sync.document.rich import Blocks, Element, Mark, Run, Text, parse_markdown, plain_text, render_html, safe_href
from tests.document.rich.bodies import blocks

TAGS = set("h1 h2 h3 h4 h5 h6 p pre code ul ol li blockquote hr br strong em s a".split())  # noqa: SIM905
SCHEMES = ("http:", "https:", "mailto:", "note:", "osis:", "highlight:")


class Reader(HTMLParser):
    """Reads HTML as a browser does, and fails at anything that we do not write."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS
        for name, value in attrs:
            assert (tag, name) in {("a", "href"), ("a", "rel"), ("ol", "start"), ("code", "class")}
            if name == "href":
                assert value is not None
                assert value.startswith(SCHEMES)

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)


def test_what_there_is() -> None:
    markdown = "# A & B\n\n**b _i_** ~~s~~ `c<d` [n](note:x)\\\nx\n\n- a\n\n3. b\n\n> q\n\n```py\n<\n```\n\n---"
    assert render_html(parse_markdown(markdown)).split("\n") == [
        "<h1>A &amp; B</h1>",
        "<p><strong>b </strong><strong><em>i</em></strong> <s>s</s> <code>c&lt;d</code> "
        '<a href="note:x" rel="nofollow noopener noreferrer">n</a><br>x</p>',
        "<ul><li><p>a</p></li></ul>",
        '<ol start="3"><li><p>b</p></li></ol>',
        "<blockquote><p>q</p></blockquote>",
        '<pre><code class="language-py">&lt;</code></pre>',
        "<hr>",
    ]


hostile = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        [
            '"><script>alert(1)</script>',
            "javascript:alert(1)",
            "<!--",
            "]]>",
            "' onmouseover='x",
            "&lt;script&gt;",
            "\x00",
            'note:"><b>',
        ]
    ),
)
strange_marks = st.builds(
    lambda name, value: Mark(name, (("href", value),)), st.sampled_from(["link", "a", "script"]), hostile
)
strange_elements = st.builds(
    lambda name, key, value, text, marks: Element(name, ((key, value),), (Text((Run(text or "x", tuple(marks)),)),)),
    st.one_of(hostile, st.sampled_from(["script", "heading", "codeBlock", "orderedList", "img"])),
    st.one_of(hostile, st.sampled_from(["level", "language", "start", "onerror"])),
    st.one_of(hostile, st.integers(), st.floats(), st.booleans()),
    hostile,
    st.lists(strange_marks, max_size=2),
)


@settings(max_examples=40)
@given(st.lists(strange_elements, max_size=3).map(tuple))
def test_nothing_of_a_stranger_becomes_html(body: Blocks) -> None:
    Reader(render_html(body))


@settings(max_examples=40)
@given(blocks())
def test_all_words_come_out(body: Blocks) -> None:
    shown = "".join(Reader(render_html(body)).words)
    assert "".join(unescape(shown).split()).replace("\x00", "\ufffd") == "".join(
        unescape(plain_text(body)).split()
    ).replace("\x00", "\ufffd")


@pytest.mark.parametrize(
    "href",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        " javascript:alert(1)",
        "java\nscript:x",
        "java\tscript:x",
        "\x01javascript:x",
        "javascript&colon;alert(1)",
        "jav&#x09;ascript:x",
        "data:text/html,x",
        "vbscript:x",
        "//evil.example",
        "/relative",
        "#here",
        "",
        "http",
        "note:",
        "ht\u200btp:x",
        "file:///etc/passwd",
        "https:\x00//x",
        "note:a\u202eb",
        "х" * 9,
        "https:" + "x" * 1_000_000,
        "javascript:\u2028https://x",
        "view-source:https://x",
        "blob:https://x",
        "\ufeffhttps://x",
        "https\uff1a//x",
        "note\n:x",
    ],
)
def test_what_may_not_be_followed_is_no_link(href: str) -> None:
    assert safe_href(href) is None
    body = (Element("paragraph", (), (Text((Run("words", (Mark("link", (("href", href),)),)),)),)),)
    assert render_html(body) == "<p>words</p>"


@pytest.mark.parametrize(
    "href", ["https://e.org/a?b=c&d", "HTTP://e.org", "mailto:a@b", "note:x", "osis:Gen.1.1-Gen.1.3", "highlight:h"]
)
def test_what_may_be_followed(href: str) -> None:
    scheme, _, rest = href.partition(":")
    assert safe_href(f" {href} ") == f"{scheme.lower()}:{rest}"


def test_values_of_a_megabyte_come_to_nothing() -> None:
    long = "x" * 1_000_000
    run = Run("words", (Mark("link", (("href", f"https:{long}"), ("title", long))), Mark(long)))
    body = (Element("codeBlock", (("language", long),), (Text((run,)),)), Element(long, (), (Text((run,)),)))
    assert len(render_html(body)) < 100
