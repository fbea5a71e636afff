"""What is prose and what is not: the judgement that every reader and analyser shares.

READMEs, manuals and transcripts mix sentences with commands, option tables, grammar rules, badges and link lists. The
tests here are counts over characters and words; none needs a model, and each is cheap enough to run on every line.
"""

from __future__ import annotations

import re

from fairlead.pipeline.text.words import STOP, WORD

_SPACES = re.compile(r"[ \t\r\f\v\u00a0\u2000-\u200b\u202f\u205f\u3000\ufeff]+")
_BREAKS = re.compile(r"\s*\n\s*")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_SYMBOLS = re.compile(r"[{}<>=|\\^~#@$*_`\[\]]|::|->|\(\)|--")
_COMMAND = re.compile(
    r"^\s*(?:[$>%#]\s|>>>|\.\.\.\s|pip3? |python3? -|uv |npm |npx |yarn |git |cd |sudo |apt |brew |conda |docker "
    r"|make |import |from \w+ import|def |class \w+[:(])"
)
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")

BOILERPLATE_HEADING = re.compile(
    r"""^\W*(?:(?:how\s+to\s+)?(?:install(?:ation|ing)?|build(?:ing)?|contribut\w+|contributors?|develop(?:ment|ing)|licen[cs]\w*
      |change\s?logs?|changes|release\s+(?:notes|history|process)|history|version\s+history|what'?s\s+new|releases|packages
      |table\s+of\s+contents|contents|toc|links?|resources|sponsors?|backers|support(?:ing)?(?:\s+us)?|donat\w+|funding
      |credits?|authors?|acknowledge?ments?|thanks|maintainers?|contact|community|chat|help|reporting\s+(?:issues|bugs)
      |bugs?(?:\s+reports?)?|security(?:\s+(?:policy|contact))?|testing|running\s+(?:the\s+)?tests|code\s+of\s+conduct|copyright|badges
      |see\s+also|references|further\s+reading|footnotes|packaging|requirements|pre-?requisites|dependencies|who'?s\s+using\s+\S+|legal
      |project\s+links|testimonials?|users|.{0,30}enterprise|related\s+projects|alternatives|benchmarks?|roadmap|quick\s?links|feedback|citation|citing\s+\w+|trusted\s+by|documentation|upgrading|security\s+contact\s+information|translations?|stargazers|usage)
      (?:\s+(?:&|and|of|for|to|from|with|the|a|source|pip|pypi|conda|notice|information|history|log|guide|guidelines|questions|policy|support|\w+))?\W*$)
      |^\W*v?\d+\.\d+[\w.]*\b""",
    re.IGNORECASE | re.VERBOSE,
)
"""Section titles whose text is about the package's upkeep and not about its subject, and version numbers as titles."""


def tidy(text: str) -> str:
    """One line of text: control and direction marks gone, runs of space and line breaks made one space."""
    return _SPACES.sub(" ", _BREAKS.sub(" ", _CONTROL.sub("", text))).strip()


def has_cjk(text: str) -> bool:
    return bool(_CJK.search(text))


def reads_as_prose(text: str) -> bool:
    """Whether a paragraph consists of words that follow one another as in a sentence.

    True for text in scripts without spaces. Otherwise there are at least four words, of which at least a fifth are
    function words, and symbols of code are rare.
    """
    if _COMMAND.match(text):
        return False
    words = WORD.findall(text[:2000])
    if len(words) < 4:
        return has_cjk(text)
    symbols = len(_SYMBOLS.findall(text[:2000]))
    if symbols * 6 > len(words):
        return False
    function_words = sum(word.lower() in STOP for word in words)
    if function_words * 5 < len(words) and not has_cjk(text):
        return not text.isascii() and symbols == 0
    return True


class Trail:
    """The headings above the place where a reader is, outermost first; the document's own title is not among them."""

    def __init__(self) -> None:
        self._held: list[tuple[int, str]] = []
        self._first = True

    def enter(self, level: int, text: str) -> str:
        """Takes a heading of ``level`` (1 is the highest) and returns the trail: ``Usage › Options``."""
        while self._held and self._held[-1][0] >= level:
            self._held.pop()
        if not (self._first and not is_boilerplate(text)):
            self._held.append((level, text))
        self._first = False
        return str(self)

    def __str__(self) -> str:
        return STEP.join(text for _, text in self._held)


STEP = " › "
"""Stands between the headings of a trail."""


def is_boilerplate(trail: str) -> bool:
    """Whether any heading of the trail is about upkeep."""
    return any(BOILERPLATE_HEADING.match(heading) for heading in trail.split(STEP))
