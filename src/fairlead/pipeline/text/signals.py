"""Wordings that tell what a sentence is worth outside its document.

Each pattern is a list of alternatives, one or more to a line parted by `` | ``; all ignore case.
"""

from __future__ import annotations

import re


def _any_of(text: str) -> str:
    parts = [part.strip() for line in text.strip().splitlines() for part in line.split(" | ")]
    return "(?:" + "|".join(part for part in parts if part) + ")"


def _pattern(text: str, before: str = r"\b", after: str = r"\b") -> re.Pattern[str]:
    return re.compile(before + _any_of(text) + after, re.IGNORECASE)


SYMBOLS = re.compile(r"[{}<>=|\\^~#@$*_`\[\]]|::|->|\(\)|--|\.\.\.?|\w\.\w+\(")
"""Marks of code and markup."""

LINK = re.compile(r"https?://|www\.|\S+@\S+\.\w|\b\w+\.(?:com|org|io)/")

LEANING = _pattern(
    r"""
    see | for (?:more|further|details|a (?:full|complete|list)) | please | click | note | check out | read
    visit | refer
    check | here(?:'s| is| are) | below | above | the following | next | slide | thanks? | hello | hi | hey | welcome
    in this (?:section|example|chapter|talk|video|presentation|document) | for example | for instance | e\.g | example
    good (?:morning|evening|afternoon) | my name | i'm\s | i am\s | this is\s | let me | let's | we'll\s | we will\s
    i'll\s | i will\s | today | now | okay | ok\s | so\s | well | but\s | and\s | or\s | also | then | however
    therefore
    thus | instead | otherwise | additionally | in addition | moreover | furthermore | finally | first | second | third
    again | because | that's | it's | there's | these | those | this | that | it | they | he | she | his | her | their
    its | such | both | which | where | when | while | if
    """,
    before="^",
)
"""Openings that lean on the sentence before, or on the situation."""

POINTER_AWAY = re.compile(
    "^"
    + _any_of(
        r"""
        see | click | check out | visit | refer | please | slide | thanks? | hello | hi | hey | welcome | my name
        let me | okay | here(?:'s| is| are) | good (?:morning|evening|afternoon)
        """
    )
    + r"\b|\b"
    + _any_of(
        r"""
        (?:for|find) (?:more|further|additional) (?:information|details) | (?:more|additional|further) information
        licensed under | detailed below | see (?:also|the|section|below|above|our) | shown (?:above|below) | as follows
        following (?:examples?|code|table|command|section)
        see [A-Z]\w+ [A-Z]\w+ | mailing list | pull requests? | star this | thank you
        slide (?:\d+|one|two|three|four|five|six|seven|eight|nine|ten) | next slide | table of contents
        all rights reserved | pip install
        """
    )
    + r"\b",
    re.IGNORECASE,
)
"""Sentences that send the reader somewhere else, and greetings."""

UPKEEP = re.compile(
    r"\bby @\w|#\d{2,}\b|\b"
    + _any_of(
        r"""
        contribut\w+ | sponsor\w* | donat\w+ | tidelift | trademarks? | copyright | bug reports?
        code of conduct | feel free
        open an issue | unit tests | changelog | GitHub (?:issues?|discussions?|sponsors) | stack ?overflow | gitter
        discord | newsletter | PyPI | this readme | deprecated | backwards?[ -]compatib\w+ | testimonials?
        (?:changed|new|added|removed) in version | enterprise | maintainers?
        """
    )
    + r"\b",
    re.IGNORECASE,
)
"""Talk about the upkeep of a package and not about what it does."""

PROCEDURE = re.compile(
    r"\b"
    + _any_of(
        r"""
        (?:two|one|three|\d+|thirty) (?:more )?(?:minutes?|seconds) | your (?:answer|response|turn) | respond
        follow[- ]up | (?:audience|next|final|last|same|another|have an?) (?:question|topic|segment)
        questions? (?:for|from|to|about|is|are|was|were|on) | coin toss | move on | moving (?:on|to) | moderators?
        tonight | excuse me | ladies and gentlemen | applause | debate | i have a few words | happy to be here
        i(?:'ll|'m| will| am| want| would|'d) (?:like )?(?:going )?(?:to )?(?:be )?(?:talk|speak|present|discuss)\w*
        i(?:'ll|'m| will| am| want| would|'d) (?:like )?(?:going )?(?:to )?(?:be )?(?:cover|show|introduc|say)\w*
        i(?:'ll|'m| will| am| want| would|'d) (?:like )?(?:going )?(?:to )?(?:be )?(?:ask|follow|mention)\w*
        (?:in|of|to) (?:this|my) (?:talk|presentation|slides?) | my (?:talk|presentation) | let me | hear from
        """
    )
    + r"\b|^(?:(?:And|Well|So|But|Now|Thank you),? )?"
    + _any_of(
        "Mr | Mrs | Ms | Dr | Secretary | Senator | Governor | Congressman | President | Vice President | Professor"
    )
    + r"\.? [A-Z]\w+,",
    re.IGNORECASE,
)
"""In talk: leading a conversation, announcing what comes, and addressing somebody."""

FILLER = _pattern(
    """
    um | uh | you know | i mean | sort of | kind of | gonna | wanna | i think | i guess | let me tell you | excuse me
    wait a minute | believe me
    """
)
"""Words that speech is full of and that say nothing."""
