"""Verbs of `classifier`: label sets that a user trains."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from fairlead.verbs.table import Param, Verb

if TYPE_CHECKING:
    from fairlead.verbs.context import Context, Output


def train(context: Context, data: str, output: str | None = None) -> dict[str, Any]:
    from pathlib import Path

    from fairlead.errors import InvalidInputError
    from fairlead.pipeline.training.classifier import read_table
    from fairlead.pipeline.training.classifier import train as fit

    source = Path(data)
    target = Path(output) if output else source.with_suffix(".npz")
    if not source.is_file():
        raise InvalidInputError(
            f"there is no file {data!r}.", remedy="Give a CSV with 'text' and 'label'.", field="data"
        )
    if target.suffix != ".npz":
        raise InvalidInputError(f"a model is an .npz file, not {target.name!r}.", remedy="Name it so.", field="output")
    texts, labels = read_table(source)
    model = fit(texts, labels)
    model.save(target)
    return {
        "model": str(target),
        "texts": len(texts),
        "labels": list(model.labels),
        "threshold": round(model.threshold, 4),
        "bytes": target.stat().st_size,
    }


def label(context: Context, model: str, text: Iterable[str]) -> list[dict[str, Any]]:
    import sys
    from pathlib import Path

    from fairlead.pipeline.classify import Classifier

    known = Classifier.load(Path(model))
    given = list(text)
    texts = sys.stdin.read().splitlines() if given == ["-"] else given
    return [{"text": one, **known.predict(one)._asdict()} for one in texts if one.strip()]


def show_trained(value: dict[str, Any], out: Output) -> None:
    out.line(f"{value['model']}: {len(value['labels'])} labels from {value['texts']:,} texts, {value['bytes']:,} bytes")


def show_labels(value: list[dict[str, Any]], out: Output) -> None:
    for row in value:
        name = row["label"] if row["in_scope"] else f"none (closest: {row['label']})"
        out.line(f"{row['confidence']:.2f}  {name}  {row['text'][:80]}")


def training_verb(noun: str, verb: str) -> Verb:
    """The verb that trains, under a noun that users look for it under."""
    return Verb(
        noun,
        verb,
        "learn labels from a CSV of texts",
        train,
        params=(
            Param("data", "path", "CSV with the columns text and label", positional=True, required=True),
            Param("output", "path", "the model to write, an .npz file", aliases=("-o", "--out")),
        ),
        show=show_trained,
        description="Needs scikit-learn (pip install 'fairlead[train]'). Using a model does not. Without --output the "
        "model lies beside the CSV.",
        examples=(f"fairlead {noun} {verb} topics.csv --output topics.npz",),
        role="operator",
        changes=True,
    )


VERBS: tuple[Verb, ...] = (
    training_verb("classifier", "train"),
    Verb(
        "classifier",
        "label",
        "say which label a text has, or that it has none",
        label,
        params=(
            Param("model", "path", "the trained model", positional=True, required=True),
            Param(
                "text",
                "str",
                "texts; - reads one per line from standard input",
                positional=True,
                required=True,
                many=True,
            ),
        ),
        show=show_labels,
        examples=('fairlead classifier label topics.npz "Where is my card?"',),
    ),
)
