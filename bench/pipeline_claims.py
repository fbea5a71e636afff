"""Mean average precision of check-worthiness on the three debates of CheckThat! 2018 (task 1, English).

    python bench/pipeline_claims.py            (a learned ranking needs scikit-learn)

The mean over debates of the average precision over all sentences, ties in the order of the text: what the scorer of the
task computes. The weights of the shipped scorer come from sentences written for this project; the set is for research,
so it is measured and nothing that ships is fitted to it. For comparison a ranking is learned here from two debates at a
time and measured on the third, then thrown away: the plain sum of standardised scores of

- two logistic regressions over tf-idf of words and pairs, and of two to five characters within words,
- one over the signs of the shipped scorer, who speaks, and whether the audience reacts,
- where all-MiniLM-L6-v2 is installed: one over sentence vectors with the signs, and the mean cosine to the three
  check-worthy sentences of the other debates that are nearest (without it, the same over tf-idf of characters).
"""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fairlead.errors import MissingDependencyError
from fairlead.pipeline.analysis.claims import SIGNS, check_worthiness

DATA = Path(os.environ.get("FAIRLEAD_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
CACHE = Path.home() / ".cache" / "fairlead-bench"

_REACTION = re.compile(r"\((?:APPLAUSE|LAUGHTER|CROSSTALK)")
_OWN = re.compile(r"^\W*(?:and |but |so |well,? )*(?:I|we)\b", re.IGNORECASE)
_NEAREST = 3


class Debate(NamedTuple):
    """``signs`` and ``vectors`` are rows by sentence; ``vectors`` is empty without the encoder."""

    texts: list[str]
    labels: Any
    signs: Any
    vectors: Any


Ranking = Callable[[Sequence[Debate], Debate], Any]


def average_precision(scores: Sequence[float], labels: Sequence[int]) -> float:
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
    right, total = 0, 0.0
    for place, i in enumerate(order, 1):
        if labels[i]:
            right += 1
            total += right / place
    return total / max(right, 1)


def read_debates(folder: Path, embed: Callable[[list[str]], Any] | None) -> dict[str, Debate]:
    debates = {}
    for path in sorted(folder.glob("*.txt")):
        rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        texts, speakers = [row[2] for row in rows], [row[1] for row in rows]
        vectors = embed(texts) if embed else np.zeros((len(texts), 0))
        labels = np.array([int(row[3]) for row in rows])
        debates[path.stem] = Debate(texts, labels, signs_of(texts, speakers), vectors)
    return debates


def signs_of(texts: Sequence[str], speakers: Sequence[str]) -> Any:
    most = {name for name in set(speakers) if speakers.count(name) * 5 > len(speakers)}
    rows = []
    for i, text in enumerate(texts):
        words = text.split()
        capitals = sum(word[0].isupper() and not word.startswith("I") for word in words[1:])
        rows.append(
            [
                *(float(bool(sign.pattern.search(text))) for sign in SIGNS),
                check_worthiness(text)[0],
                np.log1p(len(words)),
                float(len(words) < 5),
                min(capitals, 4) / 4,
                float(bool(_OWN.match(text))),
                float(speakers[i] in most),
                float(i > 0 and speakers[i] == speakers[i - 1]),
                i / len(texts),
                float(i + 1 < len(texts) and bool(_REACTION.search(texts[i + 1]))),
            ]
        )
    return np.array(rows)


# ── views ────────────────────────────────────────────────────────────────────────────────────────────────────


def by_text(*, analyzer: str, span: tuple[int, int]) -> Ranking:
    def rank(seen: Sequence[Debate], other: Debate) -> Any:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression

        tfidf = TfidfVectorizer(ngram_range=span, analyzer=analyzer, min_df=2, sublinear_tf=True)
        rows = tfidf.fit_transform([text for debate in seen for text in debate.texts])
        model = LogisticRegression(C=10, class_weight="balanced", max_iter=3000).fit(rows, labels_of(seen))
        return model.decision_function(tfidf.transform(other.texts))

    return rank


def by_rows(rows_of: Callable[[Debate], Any], strength: float) -> Ranking:
    def rank(seen: Sequence[Debate], other: Debate) -> Any:
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        model = LogisticRegression(C=strength, class_weight="balanced", max_iter=3000)
        fitted = make_pipeline(StandardScaler(), model).fit(np.vstack([rows_of(d) for d in seen]), labels_of(seen))
        return fitted.decision_function(rows_of(other))

    return rank


def by_neighbours(seen: Sequence[Debate], other: Debate) -> Any:
    if other.vectors.shape[1]:
        known, asked = np.vstack([debate.vectors for debate in seen]), other.vectors
        closeness = asked @ known[labels_of(seen) == 1].T
    else:
        from sklearn.feature_extraction.text import TfidfVectorizer

        tfidf = TfidfVectorizer(ngram_range=(2, 5), analyzer="char_wb", min_df=2, sublinear_tf=True)
        rows = tfidf.fit_transform([text for debate in seen for text in debate.texts])
        closeness = (tfidf.transform(other.texts) @ rows[np.flatnonzero(labels_of(seen) == 1)].T).toarray()
    return np.sort(closeness, axis=1)[:, -_NEAREST:].mean(axis=1)


def labels_of(seen: Sequence[Debate]) -> Any:
    return np.concatenate([debate.labels for debate in seen])


def views(encoded: bool) -> dict[str, Ranking]:
    found: dict[str, Ranking] = {
        "words": by_text(analyzer="word", span=(1, 2)),
        "characters": by_text(analyzer="char_wb", span=(2, 5)),
        "signs": by_rows(lambda debate: debate.signs, 0.01),
        "neighbours": by_neighbours,
    }
    if encoded:
        found["vectors"] = by_rows(lambda debate: np.hstack([debate.vectors, debate.signs]), 0.001)
    return found


def encoder() -> Callable[[list[str]], Any] | None:
    from fairlead.memory.minilm import MiniLM, find_model

    try:
        find_model()
    except MissingDependencyError:
        return None
    return MiniLM(CACHE).embed


def held_out(debates: dict[str, Debate], name: str, rankings: Sequence[Ranking]) -> Any:
    """The sum of standardised rankings of one debate, learned from the others."""
    seen = [debate for other, debate in debates.items() if other != name]
    scores = [ranking(seen, debates[name]) for ranking in rankings]
    return sum((score - score.mean()) / (score.std() or 1.0) for score in scores)


def main() -> None:
    folder = DATA / "cls-checkthat18-debates" / "task1"
    if not folder.is_dir():
        print(f"skipped: {folder} is absent")
        return
    embed = encoder()
    debates = read_debates(folder, embed)
    plain = {name: debate._replace(vectors=np.zeros((len(debate.texts), 0))) for name, debate in debates.items()}
    start = time.process_time()
    shipped = {name: [check_worthiness(text)[0] for text in debate.texts] for name, debate in debates.items()}
    count = sum(len(debate.texts) for debate in debates.values())
    print(f"{count} sentences, {1e6 * (time.process_time() - start) / count:.0f} us each as it ships")
    rows: dict[str, Callable[[str], Any]] = {
        "at random": lambda name: [random.Random(7).random() for _ in debates[name].texts],
        "as it ships": lambda name: shipped[name],
        "learned, four views": lambda name: held_out(plain, name, list(views(False).values())),
    }
    if embed:
        rows["learned, five views with MiniLM"] = lambda name: held_out(debates, name, list(views(True).values()))
        for view, ranking in views(True).items():
            rows[f"  {view} alone"] = lambda name, ranking=ranking: held_out(debates, name, [ranking])  # type: ignore[misc]
    print(f"| ranking | {' | '.join(debates)} | mean |")
    print("|---|" + "---|" * (len(debates) + 1))
    for title, scored in rows.items():
        values = [average_precision(list(scored(name)), debates[name].labels.tolist()) for name in debates]
        print(f"| {title} | {' | '.join(f'{v:.3f}' for v in values)} | **{sum(values) / len(values):.3f}** |")


if __name__ == "__main__":
    main()
