"""The names of elements and marks: what is written (TipTap's), and what else is read for the same thing."""

from __future__ import annotations

import re
from typing import Final

__all__ = [
    "BASIC_ELEMENTS",
    "BASIC_MARKS",
    "BLOCKQUOTE",
    "BOLD",
    "BULLET_LIST",
    "CODE",
    "CODE_BLOCK",
    "ELEMENT_ALIASES",
    "HARD_BREAK",
    "HEADING",
    "HORIZONTAL_RULE",
    "ITALIC",
    "LANGUAGE",
    "LINK",
    "LIST_ITEM",
    "MARKS",
    "MARK_ALIASES",
    "ORDERED_LIST",
    "PARAGRAPH",
    "STRIKE",
    "TEXT_BLOCKS",
]

PARAGRAPH: Final = "paragraph"
HEADING: Final = "heading"
BLOCKQUOTE: Final = "blockquote"
BULLET_LIST: Final = "bulletList"
ORDERED_LIST: Final = "orderedList"
LIST_ITEM: Final = "listItem"
CODE_BLOCK: Final = "codeBlock"
HARD_BREAK: Final = "hardBreak"
HORIZONTAL_RULE: Final = "horizontalRule"
TEXT_BLOCKS = frozenset({PARAGRAPH, HEADING, CODE_BLOCK})
"""The blocks that hold text, and no blocks."""

LANGUAGE = re.compile(r"[^\s`~\\&\x00-\x1f]{1,64}")
"""What may be the language of a code block, all of it: one plain word."""

BOLD: Final = "bold"
ITALIC: Final = "italic"
CODE: Final = "code"
STRIKE: Final = "strike"
LINK: Final = "link"
MARKS = frozenset({BOLD, ITALIC, CODE, STRIKE, LINK})

ELEMENT_ALIASES = {
    "bullet_list": BULLET_LIST,
    "ordered_list": ORDERED_LIST,
    "list_item": LIST_ITEM,
    "code_block": CODE_BLOCK,
    "hard_break": HARD_BREAK,
    "hardbreak": HARD_BREAK,
    "horizontal_rule": HORIZONTAL_RULE,
    "hr": HORIZONTAL_RULE,
}
"""Of prosemirror-schema-basic and -list, prosemirror-markdown and Milkdown."""
MARK_ALIASES = {"strong": BOLD, "em": ITALIC, "emphasis": ITALIC, "inlineCode": CODE, "strike_through": STRIKE}

BASIC_ELEMENTS = {
    BULLET_LIST: "bullet_list",
    ORDERED_LIST: "ordered_list",
    LIST_ITEM: "list_item",
    CODE_BLOCK: "code_block",
    HARD_BREAK: "hard_break",
    HORIZONTAL_RULE: "horizontal_rule",
}
BASIC_MARKS = {BOLD: "strong", ITALIC: "em"}
"""How prosemirror-schema-basic names what is written into a body that uses its names."""
