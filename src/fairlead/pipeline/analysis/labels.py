"""Labels of a set that a user trained, on segments or as arguments on sentences (``fairlead classifier train``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from fairlead.pipeline.text.reading import Reading

if TYPE_CHECKING:
    from fairlead.pipeline.classify import Classifier

NO_FALLACY = "none"
"""The label of sentences without a fallacy in a set that tells fallacies apart."""

_FEWEST_WORDS = 4


class Trained(NamedTuple):
    """Models of a user's own: ``topics`` labels segments, ``arguments`` finds fallacies in sentences."""

    topics: Classifier | None = None
    arguments: Classifier | None = None


def labels_of(reading: Reading, model: Classifier) -> list[dict[str, Any]]:
    """Segments that are like one of the labels: ``{label, confidence, model, start_char, end_char, start_s?}``."""
    found = []
    version = f"classifier/{model.version}"
    for segment in reading.document.segments:
        if len(segment.text.split()) < _FEWEST_WORDS:
            continue
        guess = model.predict(segment.text)
        if guess.in_scope:
            times = {"start_s": segment.start_s} if segment.start_s is not None else {}
            place = {"start_char": segment.start_char, "end_char": segment.end_char, **times}
            found.append({"label": guess.label, "confidence": guess.confidence, "model": version, **place})
    return found


def fallacy_told(model: Classifier, text: str) -> tuple[str, float] | None:
    """The fallacy that a trained model sees in a sentence, and how sure it is."""
    guess = model.predict(text)
    return (guess.label, guess.confidence) if guess.in_scope and guess.label != NO_FALLACY else None
