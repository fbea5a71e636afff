"""Markdown, through markdown-it-py: the text of headings, paragraphs and list items; nothing else.

Fenced and indented code, tables, images (badges among them) and link targets are left out; the text of a link and of
inline code stays, because sentences need it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from fairlead.pipeline.documents import Block
from fairlead.pipeline.formats.prose import Trail, reads_as_prose, tidy

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_EMOJI = re.compile(r"(?<!\w):[a-z][a-z0-9_+-]{2,30}:(?!\w)")
_CALLOUT = re.compile(r"^\[!\w+\]\s*")


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"maxNesting": 20}).enable("table")


def read_markdown(text: str) -> list[Block]:
    """Blocks of a Markdown text; HTML blocks inside it are read as HTML."""
    blocks: list[Block] = []
    trail, level, in_table, in_item = Trail(), 0, 0, 0
    for token in _parser().parse(_FRONT_MATTER.sub("", text)):
        match token.type:
            case "heading_open":
                level = int(token.tag[1:])
            case "heading_close":
                level = 0
            case "table_open":
                in_table += 1
            case "table_close":
                in_table -= 1
            case "list_item_open":
                in_item += 1
            case "list_item_close":
                in_item -= 1
            case "html_block":
                blocks += _html_blocks(token.content, trail)
            case "inline" if not in_table:
                words = _CALLOUT.sub("", tidy(_EMOJI.sub("", _inline_text(token.children or []))))
                if level:
                    trail.enter(level, words)
                    blocks.append(Block(words, "heading"))
                elif reads_as_prose(words):
                    blocks.append(Block(words, "item" if in_item else "prose", str(trail)))
    return blocks


def _inline_text(children: list[Token]) -> str:
    parts: list[str] = []
    for child in children:
        match child.type:
            case "text" | "code_inline" | "text_special":
                parts.append(child.content)
            case "softbreak" | "hardbreak":
                parts.append(" ")
    return "".join(parts)


def _html_blocks(content: str, trail: Trail) -> list[Block]:
    if content.lstrip().startswith("<!--"):
        return []
    from fairlead.pipeline.formats.html import read_html_fragment

    return read_html_fragment(content, trail)
