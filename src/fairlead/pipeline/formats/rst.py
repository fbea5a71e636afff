"""reStructuredText, through docutils, with file inclusion and raw content switched off.

Roles and directives that only Sphinx knows are reduced to their text before parsing. Literal blocks, tables, images,
substitutions, comments and system messages never become prose.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fairlead.pipeline.documents import Block
from fairlead.pipeline.formats.prose import Trail, reads_as_prose, tidy

if TYPE_CHECKING:
    from docutils import nodes

_ROLE = re.compile(r":[A-Za-z][\w+.:-]*:`~?!?([^`<]*?)\s*(?:<[^`>]*>)?`")
_SETTINGS = {
    "report_level": 5,
    "halt_level": 6,
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "_disable_config": True,
    "smart_quotes": False,
    "doctitle_xform": False,
    "syntax_highlight": "none",
    "line_length_limit": 10_000,
    "warning_stream": False,
}


def read_rst(text: str) -> list[Block]:
    """Blocks of a reStructuredText document."""
    from docutils import nodes
    from docutils.core import publish_doctree

    tree = publish_doctree(_ROLE.sub(r"\1", text), settings_overrides=dict(_SETTINGS))
    blocks: list[Block] = []
    trail = Trail()
    for node in tree.findall():
        if isinstance(node, nodes.title | nodes.rubric):
            words = tidy(node.astext())
            trail.enter(_level(node), words)
            blocks.append(Block(words, "heading"))
        elif isinstance(node, nodes.paragraph) and not _excluded(node):
            words = tidy(_inline(node))
            if reads_as_prose(words):
                blocks.append(Block(words, "item" if isinstance(node.parent, nodes.list_item) else "prose", str(trail)))
    return blocks


def _level(node: nodes.Node) -> int:
    from docutils import nodes

    level, parent = 0, node.parent
    while parent is not None:
        level += isinstance(parent, nodes.section)
        parent = parent.parent
    return level if isinstance(node, nodes.title) else level + 1


def _excluded(node: nodes.Node) -> bool:
    from docutils import nodes

    away = (nodes.table, nodes.literal_block, nodes.comment, nodes.system_message, nodes.footnote, nodes.citation,
            nodes.substitution_definition, nodes.option_list, nodes.docinfo, nodes.field_list)  # fmt: skip
    parent = node.parent
    while parent is not None:
        if isinstance(parent, away):
            return True
        parent = parent.parent
    return False


def _inline(node: nodes.Node) -> str:
    from docutils import nodes

    away = (
        nodes.image,
        nodes.substitution_reference,
        nodes.problematic,
        nodes.footnote_reference,
        nodes.raw,
        nodes.system_message,
    )
    if isinstance(node, nodes.Text):
        return node.astext()
    if isinstance(node, away):
        return ""
    return "".join(_inline(child) for child in node.children)
