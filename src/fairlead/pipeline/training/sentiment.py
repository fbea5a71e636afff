"""Makes the model of sentiment that ships.

    python -m fairlead.pipeline.training.sentiment DATA [--out FOLDER]

Needs the extras ``train`` and ``embeddings``, the weights of all-MiniLM-L6-v2, and the packages ``vaderSentiment`` and
``textblob`` for their lexicons. Nothing labelled is taken from a set that may not be shipped:

1. a ridge regression tells the valence of VADER's words from their sentence vectors;
2. a log-linear *judge* over that and the lexicons is fitted to 440 posts of the Broad Twitter Corpus (CC BY) that were
   labelled for this project (``sentiment_labels.txt``: checksums of posts and labels, no text);
3. it labels all openly licensed posts; a student over sentence vectors learns from them, and both label them again;
4. a bag of word vectors learns those labels, and is kept as three numbers a word: no encoder is needed at run time;
5. the log-linear model that ships weighs the bag and the lexicons, fitted to the 440 posts again. Two numbers, how much
   the labels ``negative`` and ``positive`` are preferred, are chosen on the validation part of TweetEval.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from fairlead.errors import MissingDependencyError
from fairlead.pipeline.analysis.sentiment import LABELS, MODEL_FILE, SentimentModel, Word, features
from fairlead.pipeline.text.reading import TOKEN
from fairlead.pipeline.training.names_data import read_columns

VERSION = "sentiment/1"
_LABEL_FILE = Path(__file__).parent / "sentiment_labels.txt"
_SETS = (
    "ner-btc/a.conll",
    "ner-btc/b.conll",
    "ner-btc/f.conll",
    "ner-wnut17/train.conll.xz",
    "ner-wnut17/dev.conll",
    "ner-crossner/politics/train.conll",
    "ner-crossner/politics/dev.conll",
    "ner-wikigold/wikigold.conll",
)
_ORDINARY = re.compile(r"[a-z][a-z'-]+")
_JOINED = re.compile(r" ([.,!?;:'’]|n't|'s|'re|'m)")
_STEPS = (0.0, *(round(0.1 * i, 1) for i in range(-8, 9) if i))
Array = NDArray[np.float64]


def texts_of(data: Path) -> list[str]:
    """The openly licensed posts and sentences, once each, in alphabetical order; addresses and handles are masked."""
    found = set()
    for name in _SETS:
        for document in read_columns(data / name):
            for sentence in document:
                joined = re.sub(r"https?://\S+", "http", " ".join(word for word, _ in sentence))
                text = re.sub(r"@\w+", "@user", _JOINED.sub(r"\1", joined))
                if len(text.split()) > 3:
                    found.add(text)
    return sorted(found)


def checksum_of(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"


def labels_of(texts: Sequence[str]) -> dict[int, int]:
    """Position among ``texts`` -> label, for those that were labelled by hand."""
    known = dict(line.split() for line in _LABEL_FILE.read_text(encoding="ascii").splitlines())
    return {i: LABELS.index(known[mark]) for i, text in enumerate(texts) if (mark := checksum_of(text)) in known}


# ── words ────────────────────────────────────────────────────────────────────────────────────────────────────


def package_file(package: str, name: str) -> Path:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise MissingDependencyError(
            f"the lexicon of {package} is not installed.", remedy=f"Install it with: pip install {package}"
        )
    return Path(spec.origin).parent / name


def valences() -> dict[str, float]:
    """VADER's words and emoji; an emoji has the sum of the words that describe it."""
    lines = package_file("vaderSentiment", "vader_lexicon.txt").read_text(encoding="utf-8").splitlines()
    found = {cells[0]: float(cells[1]) for line in lines if len(cells := line.split("\t")) > 1}
    emoji = package_file("vaderSentiment", "emoji_utf8_lexicon.txt").read_text(encoding="utf-8").splitlines()
    for mark, _, meaning in (line.partition("\t") for line in emoji):
        worth = sum(found.get(word, 0.0) for word in _ORDINARY.findall(meaning.lower()))
        if len(mark) == 1 and worth:
            found[mark] = worth
    return found


def adjectives() -> dict[str, tuple[float, float]]:
    """Pattern's words: polarity and subjectivity, the means over their senses."""
    senses: dict[str, list[tuple[float, float]]] = {}
    root = ElementTree.parse(package_file("textblob", "en/en-sentiment.xml")).getroot()
    for word in root.iter("word"):
        senses.setdefault(word.attrib["form"].lower(), []).append(
            (float(word.attrib["polarity"]), float(word.attrib["subjectivity"]))
        )
    return {form: (_mean(p for p, _ in held), _mean(s for _, s in held)) for form, held in senses.items()}


def _mean(values: Any) -> float:
    held = list(values)
    return float(sum(held)) / len(held)


def vocabulary(texts: Sequence[str], rated: Mapping[str, float]) -> list[str]:
    """Words of Brill's lexicon, of the posts, and of VADER's lexicon."""
    lines = package_file("textblob", "en/en-lexicon.txt").read_text(encoding="utf-8").splitlines()
    found = {word for line in lines if _ORDINARY.fullmatch(word := line.split(" ")[0]) and len(word) > 2}
    found |= {low for text in texts for token in TOKEN.findall(text) if _ORDINARY.fullmatch(low := _low(token))}
    return sorted(found | {word for word in rated if _ORDINARY.fullmatch(word)})


def _low(token: str) -> str:
    return token.lower().replace("’", "'")


# ── fitting ──────────────────────────────────────────────────────────────────────────────────────────────────


def fit(rows: Array, labels: Sequence[int], strength: float, weights: Array | None = None) -> Any:
    """A log-linear model in which every label weighs the same."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=strength, class_weight="balanced", max_iter=4000)
    return model.fit(rows, labels, sample_weight=weights)


def soft(judgements: Array) -> tuple[NDArray[np.intp], Array]:
    """The likeliest label of each row of log probabilities, and how likely it is."""
    powers = np.exp(judgements - judgements.max(axis=1, keepdims=True))
    shares = powers / powers.sum(axis=1, keepdims=True)
    return shares.argmax(axis=1), shares.max(axis=1)


def bags(texts: Sequence[str], place: Mapping[str, int], vectors: Array, rarity: Array) -> Array:
    """A vector per text: its words' vectors weighted by rarity, divided by the length of the weights."""
    rows = np.zeros((len(texts), vectors.shape[1]))
    for i, text in enumerate(texts):
        at = [place[low] for token in TOKEN.findall(text) if (low := _low(token)) in place]
        if at:
            rows[i] = (rarity[at][:, None] * vectors[at]).sum(axis=0) / np.sqrt((rarity[at] ** 2).sum())
    return rows


def recall(right: Sequence[int], found: Sequence[int]) -> float:
    """Macro-averaged recall of the three labels, in per cent."""
    truth, said = np.asarray(right), np.asarray(found)
    return 100 * float(np.mean([(said[truth == k] == k).mean() for k in range(len(LABELS))]))


def read_tweeteval(data: Path, part: str) -> tuple[list[str], list[int]]:
    """Texts and labels of TweetEval's sentiment task; ``part`` is ``val`` or ``test``."""
    import lzma

    folder = data / "cls-tweeteval" / "sentiment"
    packed = folder / f"{part}_text.txt.xz"
    text = lzma.decompress(packed.read_bytes()) if packed.is_file() else (folder / f"{part}_text.txt").read_bytes()
    labels = [int(cell) for cell in (folder / f"{part}_labels.txt").read_text(encoding="ascii").split()]
    return text.decode("utf-8").split("\n")[: len(labels)], labels


def lean(model: SentimentModel, texts: Sequence[str], labels: Sequence[int]) -> tuple[float, float]:
    """How much to add for ``negative`` and ``positive``, so that macro recall on ``texts`` is highest."""
    scores = np.log([model.probabilities(features(t, TOKEN.findall(t), model.words)) for t in texts])
    tried = [
        (
            recall(labels, (scores + np.array([low, 0.0, high])).argmax(axis=1).tolist()),
            -abs(low) - abs(high),
            low,
            high,
        )
        for low in _STEPS
        for high in _STEPS
    ]
    return max(tried)[2:]


def build(data: Path, cache: Path) -> SentimentModel:
    """The model, from the data folder; ``cache`` keeps the converted encoder."""
    from sklearn.linear_model import Ridge

    from fairlead.memory.minilm import MiniLM

    encoder = MiniLM(cache)
    texts = texts_of(data)
    gold = labels_of(texts)
    rows, gold_labels = list(gold), list(gold.values())
    valence, adjective = valences(), adjectives()
    names = vocabulary(texts, valence)
    place = {name: i for i, name in enumerate(names)}
    vectors = np.asarray(encoder.embed(names), dtype=np.float64)
    seen = Counter(low for text in texts for low in {_low(token) for token in TOKEN.findall(text)})
    rarity = np.array([math.log(len(texts) / (1 + seen[name])) for name in names])

    rated = [name for name in names if name in valence]
    ridge = Ridge(alpha=100.0).fit(vectors[[place[name] for name in rated]], [valence[name] for name in rated])
    sentences = np.asarray(encoder.embed(texts), dtype=np.float64)
    words = _words(names, valence, adjective, rarity, np.zeros((len(names), 3)))
    lexical = np.array([features(text, TOKEN.findall(text), words) for text in texts])
    judged = np.column_stack([ridge.predict(sentences), lexical])
    judge = fit(judged[rows], gold_labels, 1.0)
    labels, sure = soft(judge.predict_log_proba(judged))
    student = fit(sentences, labels.tolist(), 0.3, sure)
    labels, sure = soft(student.predict_log_proba(sentences) + judge.predict_log_proba(judged))

    centred = vectors - vectors.mean(axis=0)
    bag = fit(bags(texts, place, centred, rarity), labels.tolist(), 0.1, sure)
    words = _words(names, valence, adjective, rarity, centred @ bag.coef_.T)
    final = np.array([features(text, TOKEN.findall(text), words) for text in texts])
    weigher = fit(final[rows], gold_labels, 0.3)
    model = SentimentModel(words, _rows(weigher.coef_), tuple(weigher.intercept_.tolist()), VERSION)
    if (data / "cls-tweeteval").is_dir():
        low, high = lean(model, *read_tweeteval(data, "val"))
        print(f"leans by {low} and {high}")  # noqa: T201 - a training program reports
        negative, neutral, positive = model.bias
        model = model._replace(bias=(negative + low, neutral, positive + high))
    return model


def _rows(matrix: Array) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in matrix.tolist())


def _words(
    names: Sequence[str],
    valence: Mapping[str, float],
    adjective: Mapping[str, tuple[float, float]],
    rarity: Array,
    learned: Array,
) -> dict[str, Word]:
    place = {name: i for i, name in enumerate(names)}
    every = sorted({*names, *(n for n in (*valence, *adjective) if len(TOKEN.findall(n)) == 1 and n.strip() == n)})
    words = {}
    for name in every:
        at = place.get(name)
        weight = float(rarity[at]) if at is not None else 0.0
        three = (learned[at] * weight).tolist() if at is not None else [0.0, 0.0, 0.0]
        words[name] = Word(valence.get(name, 0.0), *adjective.get(name, (0.0, 0.0)), weight, *three)
    return words


def save(model: SentimentModel, path: Path) -> None:
    """Whole numbers of eight bits with one scale a column; words in alphabetical order."""
    names = sorted(model.words)
    table = np.array([model.words[name] for name in names])
    rarity = table[:, 3]
    learned = table[:, 4:] / np.where(rarity == 0, 1, rarity)[:, None]
    columns = {"valence": table[:, 0], "polarity": table[:, 1], "subjectivity": table[:, 2], "rarity": rarity}
    scale = {name: float(np.abs(column).max()) / 127 for name, column in (*columns.items(), ("learned", learned))}
    about = {"version": model.version, "labels": LABELS, "scale": scale}
    packed: dict[str, Any] = {name: np.round(column / scale[name]).astype(np.int8) for name, column in columns.items()}
    packed |= {
        "about": np.frombuffer(json.dumps(about).encode(), dtype=np.uint8),
        "words": np.frombuffer("\n".join(names).encode(), dtype=np.uint8),
        "learned": np.round(learned / scale["learned"]).astype(np.int8),
        "weights": np.array(model.weights, dtype=np.float32),
        "bias": np.array(model.bias, dtype=np.float32),
    }
    np.savez_compressed(path, **packed)


def main() -> None:
    parser = argparse.ArgumentParser(description="Makes the model of sentiment that ships.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=MODEL_FILE)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "fairlead")
    given = parser.parse_args()
    save(build(given.data, given.cache), given.out)


if __name__ == "__main__":
    main()
