"""Sentiment of sentences, turned into that of segments, speakers and documents.

Two views of a sentence are weighed together by a small log-linear model:

- a lexicon with rules for negation, degree, capitals and ``but``, after Hutto and Gilbert, "VADER: A Parsimonious
  Rule-based Model for Sentiment Analysis of Social Media Text" (ICWSM 2014), with the valences of their lexicon, and
  the adjectives of De Smedt and Daelemans, "Pattern for Python" (JMLR 13, 2012);
- the mean of three numbers that every word of a wide vocabulary carries. They were learned from a sentence encoder,
  which is not needed any more: a distillation as in Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural
  Network" (2015), into a bag of words.

The model file holds numbers only; ``pipeline/training/sentiment.py`` makes it, ``models/sentiment.md`` says from what.
"""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fairlead.pipeline.text.reading import TOKEN, Reading, Sentence
from fairlead.pipeline.text.wordset import word_set

LABELS = ("negative", "neutral", "positive")
MODEL_FILE = Path(__file__).parent.parent / "models" / "sentiment.npz"

NEGATIONS = word_set(
    """
    not no never none nobody nothing neither nor nowhere cannot cant dont doesnt didnt wont isnt arent wasnt werent
    wouldnt shouldnt couldnt aint without hardly rarely seldom barely despite lack lacks
    """
)
_MORE = word_set(
    """
    absolutely amazingly completely considerably decidedly deeply enormously entirely especially exceptionally extremely
    fabulously fully greatly highly hugely incredibly intensely more most particularly purely quite really remarkably so
    substantially thoroughly totally tremendously unbelievably unusually utterly very
    """
)
_LESS = word_set(
    "almost barely hardly kinda less little marginally occasionally partly scarcely slightly somewhat sorta"
)
_SMILE = re.compile(
    r"[:;=][-']?\s?[)D\]]|<3|&lt;\s?3|\bxx+\b|\^_\^|[\U0001F600-\U0001F60F\u2764\U0001F44D]", re.IGNORECASE
)
_FROWN = re.compile(r":[-']?\s?[(/|\\]|\bfml\b|[\U0001F61E-\U0001F62D\U0001F44E]", re.IGNORECASE)
_THANKS = re.compile(r"\bthank|\bcongrat", re.IGNORECASE)
_STRONGEST = 3
_LEAST_SURE = 0.5


class Word(NamedTuple):
    """What the model knows of a word: its valence (-4 to 4), polarity (-1 to 1) and subjectivity (0 to 1) in the two
    lexicons, and its three learned numbers, already times its ``rarity``.
    """

    valence: float
    polarity: float
    subjectivity: float
    rarity: float
    negative: float
    neutral: float
    positive: float


class SentimentModel(NamedTuple):
    """``weights`` is labels by features; ``bias`` one number a label. ``version`` names the file that it came from."""

    words: Mapping[str, Word]
    weights: tuple[tuple[float, ...], ...]
    bias: tuple[float, ...]
    version: str

    def probabilities(self, features: Sequence[float]) -> tuple[float, float, float]:
        """Of :data:`LABELS`, summing to one."""
        sums = [
            bias + sum(map(float.__mul__, row, features)) for row, bias in zip(self.weights, self.bias, strict=True)
        ]
        highest = max(sums)
        negative, neutral, positive = (math.exp(value - highest) for value in sums)
        total = negative + neutral + positive
        return negative / total, neutral / total, positive / total


@lru_cache(maxsize=1)
def load_model(path: Path = MODEL_FILE) -> SentimentModel:
    """The model that ships; read once for a process."""
    with np.load(path, allow_pickle=False) as file:
        about = json.loads(bytes(file["about"]).decode())
        names = bytes(file["words"]).decode().split("\n")
        columns = [
            (file[name].astype(np.float64) * about["scale"][name]).tolist()
            for name in ("valence", "polarity", "subjectivity", "rarity")
        ]
        learned = file["learned"].astype(np.float64) * about["scale"]["learned"]
        rarity = np.asarray(columns[3])
        columns += [(learned[:, k] * rarity).tolist() for k in range(3)]
        weights = tuple(tuple(row) for row in file["weights"].astype(np.float64).tolist())
        bias = tuple(file["bias"].astype(np.float64).tolist())
    words = dict(zip(names, map(Word._make, zip(*columns, strict=True)), strict=True))
    return SentimentModel(words, weights, bias, about["version"])


def classify(text: str) -> tuple[float, float, float]:
    """Probabilities of :data:`LABELS` for one short text, taken as a whole; labels count as equally likely before."""
    model = load_model()
    return model.probabilities(features(text, TOKEN.findall(text), model.words))


def features(text: str, tokens: Sequence[str], words: Mapping[str, Word]) -> tuple[float, ...]:
    """What the log-linear model weighs; the order is part of the model's format."""
    lowered = [token.lower().replace("’", "'") for token in tokens]
    above, below, polarity, subjectivity, rated = _lexicons(text, tokens, lowered, words)
    size = math.sqrt((above + below) ** 2 + 15)
    compound = (above + below) / size
    negative = neutral = positive = squares = 0.0
    for low in lowered:
        word = words.get(low)
        if word is not None:
            squares += word.rarity * word.rarity
            negative += word.negative
            neutral += word.neutral
            positive += word.positive
    length = math.sqrt(squares) or 1.0
    mean = polarity / rated if rated else 0.0
    return (
        above / math.sqrt(above * above + 15),
        -below / math.sqrt(below * below + 15),
        max(compound, 0.0),
        max(-compound, 0.0),
        max(mean, 0.0),
        max(-mean, 0.0),
        subjectivity / rated if rated else 0.0,
        negative / length,
        neutral / length,
        positive / length,
        1.0 if "!" in text else 0.0,
        1.0 if "?" in text else 0.0,
        1.0 if "http" in text else 0.0,
        math.log1p(len(tokens)) / 3,
        1.0 if _THANKS.search(text) else 0.0,
        1.0 if _SMILE.search(text) else 0.0,
        1.0 if _FROWN.search(text) else 0.0,
    )


def _lexicons(
    text: str, tokens: Sequence[str], lowered: Sequence[str], words: Mapping[str, Word]
) -> tuple[float, float, float, float, int]:
    """Sums of valences above and below zero after the rules; sums of polarity and subjectivity, and of how many."""
    values: list[tuple[int, float]] = []
    polarity = subjectivity = 0.0
    rated = 0
    shouting = text.upper() != text
    for i, low in enumerate(lowered):
        word = words.get(low)
        if word is None or not (word.valence or word.subjectivity or word.polarity):
            continue
        before = lowered[max(0, i - 3) : i]
        denied = any(near in NEGATIONS or near.endswith("n't") for near in before)
        if word.subjectivity or word.polarity:
            polarity += word.polarity * (-0.5 if denied else 1.0)
            subjectivity += word.subjectivity
            rated += 1
        if word.valence:
            values.append((i, _valence(word.valence, tokens[i], before, denied, shouting)))
    if "but" in lowered:
        turn = lowered.index("but")
        values = [(i, value * (0.5 if i < turn else 1.5)) for i, value in values]
    above = sum(value for _, value in values if value > 0)
    below = sum(value for _, value in values if value < 0)
    marks = 0.292 * min(text.count("!"), 4)
    if above + below > 0:
        above += marks
    elif above + below < 0:
        below -= marks
    return above, below, polarity, subjectivity, rated


def _valence(value: float, token: str, before: Sequence[str], denied: bool, shouting: bool) -> float:
    sign = 1.0 if value > 0 else -1.0
    if shouting and len(token) > 1 and token.isupper():
        value += 0.733 * sign
    for distance, near in enumerate(reversed(before)):
        degree = 0.293 if near in _MORE else -0.293 if near in _LESS else 0.0
        value += sign * degree * (1.0, 0.95, 0.9)[distance]
    return value * -0.74 if denied else value


# ── documents ────────────────────────────────────────────────────────────────────────────────────────────────


class _Sum:
    """Probabilities of sentences, weighted by their words."""

    __slots__ = ("negative", "neutral", "positive", "words")

    def __init__(self) -> None:
        self.negative = self.neutral = self.positive = 0.0
        self.words = 0

    def add(self, probabilities: tuple[float, float, float], words: int) -> None:
        negative, neutral, positive = probabilities
        self.negative += negative * words
        self.neutral += neutral * words
        self.positive += positive * words
        self.words += words

    def to_dict(self) -> dict[str, Any]:
        """``label``, its ``confidence``, and ``score`` from -1 to 1: how far the positive outweighs the negative."""
        means = [value / self.words for value in (self.negative, self.neutral, self.positive)]
        best = max(range(3), key=lambda k: means[k])
        return {
            "label": LABELS[best],
            "confidence": round(means[best], 3),
            "score": round(means[2] - means[0], 3),
        }


def sentiment_of(reading: Reading) -> dict[str, Any]:
    """``{label, confidence, score, model, segments, speakers, strongest}``; empty for a document without words.

    ``segments`` have ``label``, ``confidence``, ``score``, their offsets, and ``start_s`` where known. ``strongest``
    are the plainest statements of either kind: sentences that can stand alone, with their confidence.
    """
    model = load_model()
    whole = _Sum()
    speakers: dict[str, _Sum] = defaultdict(_Sum)
    parts: dict[int, _Sum] = defaultdict(_Sum)
    sides: dict[str, list[tuple[float, Sentence]]] = {"negative": [], "positive": []}
    for sentence in reading.sentences:
        words = sum(token[0].isalnum() for token in sentence.tokens)
        if not words:
            continue
        found = model.probabilities(features(sentence.text, sentence.tokens, model.words))
        whole.add(found, words)
        parts[sentence.segment].add(found, words)
        speaker = reading.segment_of(sentence).speaker
        if speaker:
            speakers[speaker].add(found, words)
        if sentence.quality >= 0.5:
            side, sure = ("negative", found[0]) if found[0] > found[2] else ("positive", found[2])
            if sure >= _LEAST_SURE:
                sides[side].append((sure, sentence))
    if not whole.words:
        return {}
    return {
        **whole.to_dict(),
        "model": model.version,
        "segments": [_segment(reading, index, held) for index, held in sorted(parts.items())],
        "speakers": [{"name": name, "words": held.words, **held.to_dict()} for name, held in sorted(speakers.items())],
        "strongest": {side: _best(reading, rows, model.version) for side, rows in sides.items()},
    }


def _segment(reading: Reading, index: int, held: _Sum) -> dict[str, Any]:
    segment = reading.document.segments[index]
    times = {"start_s": segment.start_s} if segment.start_s is not None else {}
    return {**held.to_dict(), "start_char": segment.start_char, "end_char": segment.end_char, **times}


def _best(reading: Reading, rows: list[tuple[float, Sentence]], version: str) -> list[dict[str, Any]]:
    rows.sort(key=lambda row: (-row[0], row[1].start))
    found = []
    for sure, sentence in rows[:_STRONGEST]:
        segment = reading.segment_of(sentence)
        extra = {
            name: held for name in ("speaker", "start_s") if (held := getattr(segment, name)) is not None and held != ""
        }
        found.append(
            {
                "text": sentence.text,
                "document": reading.document.id,
                "start_char": sentence.start,
                "end_char": sentence.end,
                "confidence": round(sure, 3),
                "model": version,
                **extra,
            }
        )
    return found
