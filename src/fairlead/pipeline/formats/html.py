"""HTML, through Beautiful Soup: the article's headings, paragraphs, list items and quotations.

Scripts, styles, forms, navigation, headers, footers, asides, code and tables never become prose. Text is taken from
``main`` or ``article`` when the page has one.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from fairlead.errors import InvalidInputError
from fairlead.pipeline.documents import Block
from fairlead.pipeline.formats.prose import Trail, reads_as_prose, tidy
from fairlead.pipeline.text.wordset import word_set

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, Tag

_NEVER = word_set(
    """
    script style noscript template svg math canvas iframe object embed form button select textarea nav header footer
    aside pre code-block table figure img video audio head dialog menu
    """
)
_BLOCKS = word_set(
    """
    p li blockquote dd dt h1 h2 h3 h4 h5 h6 div section article main td summary
    """
)
_TITLES = word_set(
    """
    h1 h2 h3 h4 h5 h6
    """
)
_HIDDEN_ROLES = word_set(
    """
    navigation banner contentinfo complementary search menu menubar toolbar
    """
)
_DEEPEST = 200
"""Nesting beyond this is refused: no page that a person wrote comes near it."""


def read_html(text: str) -> tuple[str, list[Block]]:
    """The page's title and its blocks."""
    soup = _parse(text)
    title = tidy(soup.title.get_text()) if soup.title else ""
    _strip(soup)
    body = soup.find("main") or soup.find("article") or soup.body or soup
    return title, _blocks(body, Trail())


def read_html_fragment(text: str, trail: Trail | None = None) -> list[Block]:
    """Blocks of a piece of HTML inside another format, whose headings so far are ``trail``."""
    soup = _parse(text)
    _strip(soup)
    return _blocks(soup, Trail() if trail is None else trail)


def _parse(text: str) -> BeautifulSoup:
    _check_depth(text)
    import warnings

    from bs4 import BeautifulSoup, MarkupResemblesLocatorWarning, XMLParsedAsHTMLWarning
    from bs4.exceptions import ParserRejectedMarkup

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", XMLParsedAsHTMLWarning)
        warnings.simplefilter("ignore", MarkupResemblesLocatorWarning)
        try:
            return BeautifulSoup(text, "html.parser")
        except ParserRejectedMarkup as exc:
            raise InvalidInputError(
                f"the HTML cannot be read: {exc}.", remedy="Give the page's text as .txt or .md.", field="content"
            ) from exc


def _check_depth(text: str) -> None:
    """Refuses deep nesting before a tree is built. Void and unclosed elements are not counted."""
    from html.parser import HTMLParser

    class Depth(HTMLParser):
        depth = deepest = 0

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if tag not in _VOID:
                self.depth += 1
                self.deepest = max(self.deepest, self.depth)

        def handle_endtag(self, tag: str) -> None:
            self.depth = max(0, self.depth - 1)

    if text.count("<") < _DEEPEST:
        return
    counter = Depth()
    with suppress(AssertionError):
        # Python's parser asserts that declarations are well-formed; such a page is refused when its tree is built.
        counter.feed(text)
    if counter.deepest > _DEEPEST * 10:
        raise InvalidInputError(
            f"the HTML nests {counter.deepest} elements deep; at most {_DEEPEST * 10} are read.",
            remedy="Give the page's text as .txt or .md.",
            field="depth",
        )


_VOID = word_set(
    """
    area base br col embed hr img input link meta source track wbr p li dt dd tr td th option
    """
)


def _strip(soup: BeautifulSoup) -> None:
    for tag in soup.find_all(sorted(_NEVER)):
        tag.decompose()
    for tag in soup.find_all(_hidden):
        tag.decompose()


def _hidden(tag: Tag) -> bool:
    return tag.has_attr("hidden") or tag.get("role") in _HIDDEN_ROLES


def _blocks(root: Tag, trail: Trail) -> list[Block]:
    """Walks the leaves in order and cuts at block elements; no recursion, so depth costs nothing."""
    from bs4.element import Comment, NavigableString, PreformattedString, Tag

    blocks: list[Block] = []
    owner, parts = root, list[str]()

    def close() -> None:
        text = tidy("".join(parts))
        parts.clear()
        if not text:
            return
        if owner.name in _TITLES:
            trail.enter(int(owner.name[1:]), text)
            blocks.append(Block(text, "heading"))
        elif reads_as_prose(text):
            blocks.append(Block(text, "item" if owner.name == "li" else "prose", str(trail)))

    for leaf in root.descendants:
        if isinstance(leaf, Tag):
            if leaf.name == "br":
                parts.append(" ")
        elif isinstance(leaf, NavigableString) and not isinstance(leaf, (Comment, PreformattedString)):
            block = _block_of(leaf, root)
            if block is not owner:
                close()
                owner = block
            parts.append(str(leaf))
    close()
    return blocks


def _block_of(leaf: object, root: Tag) -> Tag:
    parent = getattr(leaf, "parent", None)
    while parent is not None and parent is not root and parent.name not in _BLOCKS:
        parent = parent.parent
    return root if parent is None else parent
