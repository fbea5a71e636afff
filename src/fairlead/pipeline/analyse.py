"""One document's analysis: everything that the brief and the memory need to know about it, with offsets.

The result is plain JSON. A *statement* in it is a sentence exactly as the document has it:
``{text, document, start_char, end_char, quality, score, keys, speaker?, heading?, start_s?, end_s?}``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from fairlead.pipeline.analysis.chapters import chapters_of
from fairlead.pipeline.analysis.claims import MODEL as CLAIMS_MODEL
from fairlead.pipeline.analysis.claims import check_worthiness
from fairlead.pipeline.analysis.dates import dates_in
from fairlead.pipeline.analysis.dates import may_hold as may_hold_date
from fairlead.pipeline.analysis.duplicates import sketch_of
from fairlead.pipeline.analysis.entities import entities_of
from fairlead.pipeline.analysis.fallacies import fallacies_of
from fairlead.pipeline.analysis.finding import Finding
from fairlead.pipeline.analysis.keyphrases import KeyPhrase, key_of, key_phrases, phrases_in
from fairlead.pipeline.analysis.labels import Trained, fallacy_told, labels_of
from fairlead.pipeline.analysis.licences import identify_licence
from fairlead.pipeline.analysis.names import Tagger
from fairlead.pipeline.analysis.quantities import may_hold as may_hold_quantity
from fairlead.pipeline.analysis.quantities import quantities_in
from fairlead.pipeline.analysis.questions import questions_of
from fairlead.pipeline.analysis.sentiment import sentiment_of
from fairlead.pipeline.analysis.speech import reported_speech, voices_of
from fairlead.pipeline.analysis.summary import mmr, rank_sentences
from fairlead.pipeline.documents import Document
from fairlead.pipeline.text.reading import Reading, Sentence, read
from fairlead.pipeline.text.words import fold, words_of
from fairlead.pipeline.text.wordset import word_set

if TYPE_CHECKING:
    from fairlead.pipeline.classify import Classifier

ANALYSIS_VERSION = 2
NOTHING_TRAINED = Trained()
_MOST_STATEMENTS = 48
_BLOCK_SENTENCES = 6
_MOST_BLOCKS = 40
_BLOCK_TERMS = 24
_CHECK_WORTHY = 0.7
_PLAINLY_CHECK_WORTHY = 0.8
_MOST_CLAIMS = 12
_DATED_QUALITY = 0.6
_MOST_MEASURES = 200
"""Dates, and quantities, that are kept of one document: the first ones."""

_DEFINING = word_set(
    """
    is are provides provide makes allows lets helps offers implements contains gives parses
    """
) | word_set(
    """
    provide make allow let help offer implement contain give parse
    """
)


def analyse(document: Document, tagger: Tagger | None = None, trained: Trained = NOTHING_TRAINED) -> dict[str, Any]:
    """The analysis of one document as JSON-able values. ``tagger`` finds its names (None: the one of words);
    ``trained`` are models of a user's own, whose findings are added.
    """
    reading = read(document)
    phrases = key_phrases(reading.sentences)
    keys = {phrase.key for phrase in phrases}
    summary, statements = _chosen(reading, keys)

    def shaped(sentence: Sentence) -> dict[str, Any]:
        return statement_of(reading, sentence, keys)

    licence, holders = identify_licence(document) if document.kind == "licence" else ("", [])
    times = [segment.end_s for segment in document.segments if segment.end_s is not None]
    warnings = list(document.warnings)
    if document.language not in ("en", ""):
        warnings.append(f"the language is {document.language!r}; phrases and entities are tuned for English")
    return {
        "version": ANALYSIS_VERSION,
        "id": document.id,
        "title": document.title,
        "kind": document.kind,
        "source": document.source,
        "language": document.language,
        "checksum": document.checksum,
        "warnings": warnings,
        "counts": {
            "words": reading.words,
            "sentences": len(reading.sentences),
            "segments": len(document.segments),
            **({"seconds": round(max(times))} if times else {}),
        },
        "summary": summary,
        "statements": statements,
        "key_phrases": [phrase.to_dict() for phrase in phrases[:40]],
        "entities": entities_of(reading, tagger) if document.kind != "licence" else [],
        "voices": voices_of(reading, shaped),
        "reported": reported_speech(reading, shaped) if document.kind != "licence" else [],
        "chapters": chapters_of(reading, {p.key: p.phrase for p in phrases}) if spoken_in(document) else [],
        "claims": [] if document.kind in ("licence", "topic") else _claims(reading, shaped),
        **_findings(reading, document.kind, trained.arguments),
        "labels": labels_of(reading, trained.topics) if trained.topics else [],
        "blocks": _blocks(reading, phrases),
        "sketch": sketch_of(reading.sentences),
        **({"licence": {"name": licence, "holders": holders}} if document.kind == "licence" else {}),
    }


def spoken_in(document: Document) -> bool:
    """Whether the document is talk: its segments are turns."""
    return any(segment.kind == "turn" for segment in document.segments[:20])


def _findings(reading: Reading, kind: str, arguments: Classifier | None) -> dict[str, Any]:
    """Sentiment, questions, fallacies, dates and quantities; a licence has none of the first three to speak of."""
    argued = kind != "licence"
    told = partial(fallacy_told, arguments) if arguments else None
    dates: list[dict[str, Any]] = []
    quantities: list[Finding] = []
    for sentence in reading.sentences:
        if len(dates) < _MOST_MEASURES and may_hold_date(sentence.tokens):
            dates.extend(_dated(reading, sentence, found) for found in dates_in(sentence.text, sentence.start))
        if len(quantities) < _MOST_MEASURES and may_hold_quantity(sentence.tokens):
            quantities.extend(quantities_in(sentence.text, sentence.start))
    return {
        "sentiment": sentiment_of(reading) if argued else {},
        "questions": [_asked(reading, found) for found in questions_of(reading)] if argued else [],
        "fallacies": [_placed(reading, found) for found in fallacies_of(reading, told)] if argued else [],
        "dates": dates[:_MOST_MEASURES],
        "quantities": [_placed(reading, found) for found in quantities[:_MOST_MEASURES]],
    }


def _placed(reading: Reading, found: Finding) -> dict[str, Any]:
    """A finding with the place that a reader can go to."""
    return {**found.to_dict(), "document": reading.document.id, **_where(reading, found.start_char)}


def _where(reading: Reading, position: int) -> dict[str, Any]:
    segment = reading.segment_at(position)
    held = {name: getattr(segment, name) for name in ("speaker", "heading", "start_s")}
    return {name: value for name, value in held.items() if value is not None and value != ""}


def _dated(reading: Reading, sentence: Sentence, found: Finding) -> dict[str, Any]:
    """A date; one that names a year brings its sentence along where that can stand alone."""
    value = _placed(reading, found)
    if found.label in ("date", "month", "year", "period") and sentence.quality >= _DATED_QUALITY:
        value["statement"] = {**_stated(reading, sentence), "quality": round(sentence.quality, 3)}
    return value


def _asked(reading: Reading, found: Finding) -> dict[str, Any]:
    """A question, with how well it stands alone; an answered one with the sentence that answers it."""
    value = _placed(reading, found)
    value["quality"] = round(reading.sentence_at(found.start_char).quality, 3)
    start = value.pop("answer_start_char", None)
    value.pop("answer_end_char", None)
    if start is not None:
        value["answer"] = _stated(reading, reading.sentence_at(start))
    return value


def _stated(reading: Reading, sentence: Sentence) -> dict[str, Any]:
    """A sentence with its place, without what only the choice of statements needs."""
    value: dict[str, Any] = {
        "text": sentence.text,
        "document": reading.document.id,
        "start_char": sentence.start,
        "end_char": sentence.end,
    }
    return {**value, **_where(reading, sentence.start)}


def _claims(reading: Reading, shaped: Callable[[Sentence], dict[str, Any]]) -> list[dict[str, Any]]:
    """The statements most worth checking, best first, with the score and the signs that speak for it."""
    found: list[tuple[float, int, dict[str, Any]]] = []
    for sentence in reading.sentences:
        if sentence.quality >= 0.3:
            spoken = reading.segment_of(sentence).kind == "turn"
            worth, reasons = check_worthiness(sentence.text, spoken=spoken)
            if (worth >= _CHECK_WORTHY and "quantity" in reasons) or worth >= _PLAINLY_CHECK_WORTHY:
                found.append((-worth, sentence.start, _claim(shaped(sentence), worth, reasons)))
    return [claim for _, _, claim in sorted(found, key=lambda row: row[:2])[:_MOST_CLAIMS]]


def _claim(statement: dict[str, Any], worth: float, reasons: list[str]) -> dict[str, Any]:
    return {**statement, "worth": round(worth, 3), "signs": reasons, "model": CLAIMS_MODEL}


def _chosen(reading: Reading, keys: set[str]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The summary in the order of the document, and the statements that the brief may choose from, best first."""
    spoken = spoken_in(reading.document)
    usable, scores, similarity = rank_sentences(reading.sentences, 0.2 if spoken else 1.0)
    if not usable:
        return [], []
    subject = {fold(word) for word in words_of(reading.document.title)}
    good = scores * [(1.0 if s.quality >= 0.3 else 0.3) * (1.6 if _defines(s, subject) else 1.0) for s in usable]
    length = 3 if reading.words < 1500 else 4 if reading.words < 6000 else 5
    order = mmr(good, similarity, _MOST_STATEMENTS, balance=0.75)
    shown = sorted(i for i in order[:length] if usable[i].quality >= 0.2)
    summary = [statement_of(reading, usable[i], keys, float(good[i])) for i in shown]
    statements = [statement_of(reading, usable[i], keys, float(good[i])) for i in order if usable[i].quality >= 0.3]
    return summary, statements


def _defines(sentence: Sentence, subject: set[str]) -> bool:
    """Whether a sentence says what the document's subject is: ``attrs is the Python package that ...``."""
    opening = [fold(token) for token in sentence.tokens[:8]]
    verbs = [i for i, word in enumerate(opening) if word in _DEFINING]
    return bool(verbs) and any(word in subject for word in opening[: verbs[0]])


def statement_of(reading: Reading, sentence: Sentence, keys: set[str], score: float = 0.0) -> dict[str, Any]:
    """A sentence as a statement with its source."""
    segment = reading.segment_of(sentence)
    found = {key for words in phrases_in(sentence.tokens) if (key := key_of(words)) in keys}
    value: dict[str, Any] = {
        "text": sentence.text,
        "document": reading.document.id,
        "start_char": sentence.start,
        "end_char": sentence.end,
        "quality": round(sentence.quality, 3),
        "score": round(score, 4),
        "terms": sorted(set(sentence.terms)),
        "keys": sorted(found),
    }
    for name in ("speaker", "heading", "start_s", "end_s"):
        held = getattr(segment, name)
        if held is not None and held != "":
            value[name] = held
    return value


def _blocks(reading: Reading, phrases: list[KeyPhrase]) -> list[dict[str, int]]:
    """Counts of the terms and key phrases in stretches of six sentences; at most forty, evenly taken."""
    keys = {phrase.key for phrase in phrases if " " in phrase.key}
    good = [sentence for sentence in reading.sentences if sentence.quality >= 0.2]
    stretches = [good[i : i + _BLOCK_SENTENCES] for i in range(0, len(good), _BLOCK_SENTENCES)]
    if len(stretches) > _MOST_BLOCKS:
        stretches = [stretches[i * len(stretches) // _MOST_BLOCKS] for i in range(_MOST_BLOCKS)]
    blocks: list[dict[str, int]] = []
    for stretch in stretches:
        counts: Counter[str] = Counter(term for sentence in stretch for term in sentence.terms)
        for sentence in stretch:
            counts.update(
                key for words in phrases_in(sentence.tokens) if len(words) > 1 and (key := key_of(words)) in keys
            )
        if counts:
            best = sorted(counts.items(), key=lambda item: (-item[1], -len(item[0]), item[0]))[:_BLOCK_TERMS]
            blocks.append(dict(best))
    return blocks
