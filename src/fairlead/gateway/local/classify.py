"""Classification without training: how close a text is to what the labels say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from fairlead.gateway.local.text import content_stems, inverse_frequencies, overlap, words

# Opinion words, for the labels that nearly everybody uses. A closed list: it is a heuristic, not a lexicon of emotion.
_GOOD_TEXT = """
good great excellent love loved like liked best happy amazing wonderful fantastic perfect nice works recommend
helpful fast easy beautiful enjoy enjoyed thanks awesome pleased impressive reliable
"""
_GOOD = frozenset(_GOOD_TEXT.split())
_BAD_TEXT = """
bad terrible awful hate hated worst broken poor sad angry disappointed disappointing slow useless refund fails
failed crash crashes bug annoying horrible waste wrong problem problems never unhappy difficult unreliable
"""
_BAD = frozenset(_BAD_TEXT.split())
_NEGATIONS_TEXT = """
not no never n't dont don't doesn't didn't isn't wasn't can't cannot won't hardly
"""
_NEGATIONS = frozenset(_NEGATIONS_TEXT.split())
_POSITIVE_LABELS = frozenset({"positive", "good", "happy", "favourable", "favorable"})
_NEGATIVE_LABELS = frozenset({"negative", "bad", "unhappy", "unfavourable", "unfavorable", "complaint"})


def classify(text: str, labels: Sequence[str]) -> tuple[str, float]:
    """The label whose words, stems and letter triples are nearest to the text's, and its share of all likeness.

    A label may carry a description behind a colon: ``refund: the customer wants money back``. When nothing of any
    label is in the text, the first label that means "none of these" is taken, else the first, at confidence 0.
    """
    names = [label.split(":", 1)[0].strip() for label in labels]
    opinion = _opinion(text)
    bags = [Counter(_terms(label)) for label in labels]
    weights = inverse_frequencies(bags)
    bag = Counter(_terms(text))
    scores = [overlap(bag, b, weights) for b in bags]
    for n, name in enumerate(names):
        word = name.lower()
        if word in _POSITIVE_LABELS:
            scores[n] += max(0.0, opinion)
        elif word in _NEGATIVE_LABELS:
            scores[n] += max(0.0, -opinion)
        elif word in ("neutral", "mixed") and opinion == 0:
            scores[n] += 0.2
    total = sum(scores)
    if total == 0:
        spare = [n for n in names if n.lower() in ("other", "none", "unknown", "neutral", "out of scope")]
        return (spare or names)[0], 0.0
    best = max(range(len(names)), key=scores.__getitem__)
    return names[best], scores[best] / total


def _terms(text: str) -> list[str]:
    stems = content_stems(text)
    return [*stems, *stems, *(w[i : i + 4] for w in stems for i in range(len(w) - 3))]


def _opinion(text: str) -> float:
    """Above 0 for praise and below for complaint, -1 to 1; a negation within two words before turns a word round."""
    score = hits = 0
    found = words(text)
    for n, word in enumerate(found):
        sign = (word in _GOOD) - (word in _BAD)
        if sign:
            score += -sign if _NEGATIONS.intersection(found[max(0, n - 2) : n]) else sign
            hits += 1
    return score / hits if hits else 0.0
