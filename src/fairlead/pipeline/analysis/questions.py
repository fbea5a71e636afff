"""Questions: which are asked in earnest, which answer themselves, and where the answer begins.

A question is *rhetorical* by its wording (``who cares``, ``isn't that``, ``why on earth``), or when whoever asks goes
on with an answer at once; it is *answered* when the next turn is another speaker's and takes up its words or opens like
an answer; else it is *open*. Indirect questions (``I wonder whether``) are found too. The signs follow Bhattasali et
al., "Automatic Identification of Rhetorical Questions" (ACL 2015): wording first, then the neighbours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fairlead.pipeline.analysis.finding import Finding
from fairlead.pipeline.text.reading import Reading, Sentence
from fairlead.pipeline.text.wordset import word_set

MODEL = "questions/1"


def _pattern(*alternatives: str, before: str = "", after: str = "") -> re.Pattern[str]:
    wording = before + "(?:" + "|".join(alternatives) + ")" + after
    return re.compile(wording.replace("'", "['’]"), re.IGNORECASE)


_INDIRECT = _pattern(
    r"i(?:'m| am)? (?:wonder|wondering|curious|asking)",
    r"(?:the|one|my|a|open|big) (?:\w+ )?question (?:is|was|remains|becomes)",
    r"we don't know|it is unclear|remains unclear|unknown|asked",
    before=r"\b",
    after=r"(?: about)?,? (?:whether|if|why|how|what|who|where|when|which)\b",
)
_AUXILIARY = "is|are|was|were|do|does|did|has|have|can|will|would|should|could"
_RHETORICAL = _pattern(
    r"^\W*(?:and |but |so |i mean,? |well,? )*(?:who (?:cares|knows|would|wouldn't|doesn't|else)"
    r"|am i (?:the only|supposed)"
    r"|what(?:'s| is) the (?:point|use)|what (?:on earth|the hell|kind of (?:a )?(?:person|man|country))"
    r"|why (?:not|bother|on earth|in the world)|since when|do i look|you know what|guess what"
    r"|how (?:on earth|in the world|could (?:you|anyone|they|he|she) possibly|dare)"
    r"|is(?:n't| not) (?:it|that|this)|are(?:n't| not) (?:we|they|you)"
    r"|do(?:n't| not) (?:you|we|they) (?:think|see|want|agree)"
    r"|have(?:n't| not) (?:we|they|you)|(?:does|should|would)(?:n't| not))\b",
    r",? (?:right|huh|okay|ok|no|yes|don't you think|you know)\?\W*$",
    rf",? (?:{_AUXILIARY})(?:n't)? (?:it|that|this|he|she|they|we|you|there)\?\W*$",
)
_ANSWER = _pattern(
    r"yes|no|yeah|nope|sure|of course|absolutely|certainly|because|it's because|the answer|simple|exactly",
    r"i (?:think|would|will|believe|do|did|don't|didn't|have)|not (?:at all|really|yet)",
    before=r"^\W*(?:well,? |so,? |look,? |oh,? |and )*",
    after=r"\b",
)
_SELF = _pattern(
    r"because|it's because|the answer|simple|yes|no|nope|nothing|nobody|never|zero|of course|not (?:at all|really|yet)",
    before=r"^\W*(?:well,? |so,? )*",
    after=r"\b",
)
_KINDS = word_set("what who whom whose where when why how which")
_MOST = 60
_REACH = 3
"""How many sentences after a question are looked at for its answer."""


def questions_of(reading: Reading) -> list[Finding]:
    """The questions of a document in order, the first sixty. ``label`` is ``open``, ``answered``, ``rhetorical`` or
    ``indirect``; ``value`` has ``asks`` (``what``, ``who``, ... or ``whether``) and the ``speaker``, and for an
    answered one ``answer_start_char`` and ``answer_end_char``.
    """
    found: list[Finding] = []
    for i, sentence in enumerate(reading.sentences):
        if len(found) == _MOST:
            break
        found.extend(_question(reading, i, sentence))
    return found


def _question(reading: Reading, i: int, sentence: Sentence) -> Iterator[Finding]:
    words = [token.lower() for token in sentence.tokens if token[0].isalnum()]
    if len(words) < 2:
        return
    speaker = reading.segment_of(sentence).speaker
    value: dict[str, object] = {"asks": next((word for word in words[:6] if word in _KINDS), "whether")}
    if speaker:
        value["speaker"] = speaker
    if not sentence.text.rstrip("\"'”’) ").endswith("?"):
        if "?" not in sentence.text and (match := _INDIRECT.search(sentence.text)):
            value["asks"] = match.group().split()[-1].lower()
            yield _finding("indirect", sentence, 0.7, value)
        return
    label, sure, answer = _kind(reading, i, sentence, speaker)
    extra = {} if answer is None else {"answer_start_char": answer.start, "answer_end_char": answer.end}
    yield _finding(label, sentence, sure, {**value, **extra})


def _finding(label: str, sentence: Sentence, sure: float, value: dict[str, object]) -> Finding:
    return Finding(label, sentence.text, sentence.start, sentence.end, sure, MODEL, dict(value))


def _kind(reading: Reading, i: int, sentence: Sentence, speaker: str) -> tuple[str, float, Sentence | None]:
    """The label, how sure it is, and the sentence that answers."""
    after = reading.sentences[i + 1 : i + 1 + _REACH]
    following = next((s for s in after if not s.text.rstrip().endswith("?")), None)
    if _RHETORICAL.search(sentence.text):
        return "rhetorical", 0.75, None
    if following is None:
        return "open", 0.6, None
    other = reading.segment_of(following).speaker != speaker
    shared = len(set(sentence.terms) & set(following.terms))
    if not speaker or not other:
        if _SELF.search(following.text):
            return ("rhetorical" if speaker else "answered"), 0.7, following
        return _in_prose(sentence, following, shared, bool(speaker))
    if _ANSWER.search(following.text):
        return "answered", 0.85, following
    if shared:
        return "answered", 0.75, following
    return ("answered", 0.55, following) if len(following.terms) >= 3 else ("open", 0.5, None)


def _in_prose(sentence: Sentence, following: Sentence, shared: int, spoken: bool) -> tuple[str, float, Sentence | None]:
    """Without turns only a sentence that takes up the question's own words right after it is taken for its answer."""
    if shared >= 2 and len(following.terms) > len(sentence.terms):
        return "answered", 0.6, following
    return ("open", 0.5, None) if spoken else ("open", 0.6, None)
