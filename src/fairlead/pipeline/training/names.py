"""Trains the tagger of names that ships.

    python -m fairlead.pipeline.training.names DATA [--out FOLDER]

A linear-chain CRF (Lafferty, McCallum and Pereira, ICML 2001) by python-crfsuite (L-BFGS with L1 and L2), trained on
openly licensed sets only: WikiGold, WNUT-17 (train and dev), Broad Twitter Corpus, SEC filings (CC BY) and CrossNER
(MIT annotations). The same input gives the same file. Scores of the model card come from models that have not seen
what they are measured on.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fairlead.pipeline.analysis.name_features import features
from fairlead.pipeline.training.names_data import COMMON, Document, Sentence, f1, read_columns, relabel, sentences_of

PARAMETERS = {"c1": 0.12, "c2": 0.02, "max_iterations": 120, "feature.minfreq": 2}
SETS = {
    "wikigold": ("clean", ("ner-wikigold/wikigold.conll",)),
    "crossner": (
        "clean",
        (
            "ner-crossner/politics/train.conll",
            "ner-crossner/politics/dev.conll",
            "ner-crossner/ai/train.conll",
            "ner-crossner/ai/dev.conll",
        ),
    ),
    "sec-filings": ("clean", ("ner-sec-filings/train.conll.xz",)),
    "wnut17": ("noisy", ("ner-wnut17/train.conll.xz", "ner-wnut17/dev.conll")),
    "btc": ("noisy", ("ner-btc/a.conll", "ner-btc/b.conll", "ner-btc/f.conll")),
}
"""Set -> how its text is written, and its files."""

FOLDS = 5
Labelled = tuple[str, Sentence]


def load(
    data: Path, names: Sequence[str] = tuple(SETS), kinds: dict[str, str] | None = COMMON
) -> dict[str, list[Document]]:
    """The sets in the labels of ``kinds``; with None in their own."""
    return {
        name: [document for file in SETS[name][1] for document in relabel(read_columns(data / file), kinds)]
        for name in names
    }


def labelled(sets: dict[str, list[Document]]) -> list[Labelled]:
    return [(SETS[name][0], sentence) for name, documents in sets.items() for sentence in sentences_of(documents)]


def train(rows: Sequence[Labelled], path: Path, parameters: dict[str, Any] | None = None) -> None:
    """Writes a model of ``rows`` to ``path``."""
    import pycrfsuite

    trainer = pycrfsuite.Trainer(verbose=False)
    for style, sentence in rows:
        trainer.append(features([word for word, _ in sentence], style), [label for _, label in sentence])
    trainer.set_params(PARAMETERS if parameters is None else parameters)
    trainer.train(str(path))


def score(path: Path, rows: Sequence[Labelled]) -> tuple[float, float, float]:
    """Precision, recall and F1 in percent of the model at ``path`` on ``rows``."""
    import pycrfsuite

    tagger = pycrfsuite.Tagger()
    tagger.open(str(path))
    found = [tagger.tag(features([word for word, _ in sentence], style)) for style, sentence in rows]
    return f1([[label for _, label in sentence] for _, sentence in rows], found)


def five_folds(sets: dict[str, list[Document]], name: str = "wikigold") -> tuple[float, float, float]:
    """Scores on ``name`` by folds of whole documents; the other sets are in every training part."""
    others = labelled({other: documents for other, documents in sets.items() if other != name})
    total = [0.0, 0.0, 0.0]
    with tempfile.TemporaryDirectory() as folder:
        for fold in range(FOLDS):
            kept = [d for i, d in enumerate(sets[name]) if i % FOLDS != fold]
            held_out = [d for i, d in enumerate(sets[name]) if i % FOLDS == fold]
            path = Path(folder) / f"{fold}.crf"
            train([*labelled({name: kept}), *others], path)
            total = [sum(pair) for pair in zip(total, score(path, labelled({name: held_out})), strict=True)]
    return total[0] / FOLDS, total[1] / FOLDS, total[2] / FOLDS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "models")
    parser.add_argument("--card", action="store_true", help="also measure and write the scores of the model card")
    arguments = parser.parse_args()
    sets = load(arguments.data)
    rows = labelled(sets)
    train(rows, arguments.out / "names.crf")
    if not arguments.card:
        return
    unseen = {
        "wnut17 test": ("noisy", "ner-wnut17/test.conll"),
        "sec-filings test": ("clean", "ner-sec-filings/test.conll"),
    }
    scores = {
        name: score(
            arguments.out / "names.crf",
            [(style, s) for s in sentences_of(relabel(read_columns(arguments.data / file), COMMON))],
        )
        for name, (style, file) in unseen.items()
    }
    scores["wikigold, five folds"] = five_folds(sets)
    card = {
        name: dict(zip(("precision", "recall", "f1"), map(_rounded, row), strict=True)) for name, row in scores.items()
    }
    (arguments.out / "names.json").write_text(
        json.dumps(
            {
                "tokens": sum(len(sentence) for _, sentence in rows),
                "sentences": len(rows),
                "parameters": PARAMETERS,
                "scores": card,
            },
            indent=2,
        )
        + "\n",
        encoding="utf-8",
    )


def _rounded(value: float) -> float:
    return round(value, 1)


if __name__ == "__main__":
    main()
