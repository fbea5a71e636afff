"""Argument fallacies by their wording: a finding says which, why, and how often its pattern was right on real text.

The schemes follow Walton, "Informal Logic: A Pragmatic Approach" (2nd ed., Cambridge 2008); the patterns were written
for this project (``fallacies.toml``). They see wordings, not arguments: most fallacies that people commit are not
found, and what is found is a sentence to look at, not a verdict. A quotation of a fallacy looks like one.

The confidence of a finding is that of its pattern: (right + 1) / (read + 2), Laplace's rule, over firings in debates
and talks that were read and judged (``bench/pipeline_segments.py`` counts firings on real text). Patterns that were
read too seldom say so by a confidence near one half.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from fairlead.pipeline.analysis.finding import Finding
from fairlead.pipeline.text.reading import Reading
from fairlead.pipeline.text.wordset import word_set

MODEL = "fallacies/1"


class Pattern(NamedTuple):
    """``read`` firings were judged by a reader, ``right`` of them were the fallacy. A sentence with none of the
    ``cues`` among its words is not searched.
    """

    label: str
    why: str
    cues: frozenset[str]
    wording: re.Pattern[str]
    right: int
    read: int

    @property
    def confidence(self) -> float:
        return (self.right + 1) / (self.read + 2)


@lru_cache(maxsize=1)
def patterns() -> tuple[Pattern, ...]:
    """The catalogue. The label of a finding is that of its pattern."""
    told = tomllib.loads((Path(__file__).parent / "fallacies.toml").read_text(encoding="utf-8"))
    return tuple(
        Pattern(
            row["label"],
            row["why"],
            word_set(row["cues"]),
            _compiled(row["wording"], told["lists"]),
            row["right"],
            row["read"],
        )
        for row in told["pattern"]
    )


def _compiled(wording: str, lists: Mapping[str, str]) -> re.Pattern[str]:
    text = "|".join(line for line in wording.splitlines() if line).replace("~", r"\b")
    for name, held in lists.items():
        text = text.replace(name, held)
    return re.compile(text, re.IGNORECASE)


@lru_cache(maxsize=1)
def _by_cue() -> dict[str, tuple[int, ...]]:
    return {
        cue: tuple(i for i, pattern in enumerate(patterns()) if cue in pattern.cues)
        for cue in sorted({cue for pattern in patterns() for cue in pattern.cues})
    }


_FEWEST_WORDS = 4
_MOST = 40

Classify = Callable[[str], tuple[str, float] | None]
"""A classifier of a user's own: label and confidence of a sentence, or None when it is no fallacy."""


def fallacies_in(text: str, tokens: Sequence[str], offset: int = 0) -> Iterator[Finding]:
    """The fallacies that a sentence's wording suggests, at most one of each label; ``value`` says ``why``."""
    cues = _by_cue()
    for i in sorted({i for token in tokens for i in cues.get(token.lower().replace("’", "'"), ())}):
        pattern = patterns()[i]
        match = pattern.wording.search(text)
        if match:
            yield Finding(
                pattern.label,
                text,
                offset,
                offset + len(text),
                pattern.confidence,
                MODEL,
                {"why": pattern.why, "cue": match.group()},
            )


def fallacies_of(reading: Reading, classify: Classify | None = None) -> list[Finding]:
    """Findings of a whole document in order, at most forty, the surest kept; ``classify`` adds those of a model."""
    found: list[Finding] = []
    for sentence in reading.sentences:
        if sum(token[0].isalnum() for token in sentence.tokens) < _FEWEST_WORDS:
            continue
        found += fallacies_in(sentence.text, sentence.tokens, sentence.start)
        if classify is not None and (told := classify(sentence.text)) is not None:
            label, sure = told
            why = "A classifier that you trained says so."
            found.append(
                Finding(
                    label,
                    sentence.text,
                    sentence.start,
                    sentence.end,
                    sure,
                    "fallacies/trained",
                    {"why": why, "cue": sentence.text},
                )
            )
    kept = sorted(found, key=lambda finding: (-finding.confidence, finding.start_char, finding.label))[:_MOST]
    return sorted(kept, key=lambda finding: (finding.start_char, finding.label))
