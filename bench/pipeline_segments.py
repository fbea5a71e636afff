"""How well chapters find where one text ends and the next begins, and how often fallacy patterns fire on real text.

    python bench/pipeline_segments.py

Texts are concatenations with known joints, as in Choi, "Advances in domain independent linear text segmentation" (NAACL
2000): stretches of Wikipedia articles (XQuAD), and of talks (W3C). Pk (Beeferman, Berger and Lafferty 1999) and
WindowDiff (Pevzner and Hearst 2002) are error rates: 0 is perfect; no joint at all and evenly placed joints are given
for comparison. Stretches are drawn with a fixed seed; the seed of tuning was another one.
"""

from __future__ import annotations

import json
import lzma
import os
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fairlead.pipeline import steps
from fairlead.pipeline.analysis.chapters import boundaries
from fairlead.pipeline.analysis.fallacies import fallacies_in
from fairlead.pipeline.documents import Block, Document, place
from fairlead.pipeline.text.reading import Sentence, read

DATA = Path(os.environ.get("FAIRLEAD_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
DRAWN = 60


def window_of(edges: Sequence[int], count: int) -> int:
    """Half of the mean length of a true stretch."""
    return max(2, round(count / (len(edges) + 1) / 2))


def pk(truth: Sequence[int], found: Sequence[int], count: int) -> float:
    """Share of pairs of sentences, half a stretch apart, that are wrongly put together or apart."""
    k = window_of(truth, count)
    wrong = sum(
        any(i < edge <= i + k for edge in truth) != any(i < edge <= i + k for edge in found) for i in range(count - k)
    )
    return wrong / (count - k)


def window_diff(truth: Sequence[int], found: Sequence[int], count: int) -> float:
    """Share of windows of half a stretch in which the number of joints is wrong."""
    k = window_of(truth, count)
    wrong = sum(
        sum(i < edge <= i + k for edge in truth) != sum(i < edge <= i + k for edge in found) for i in range(count - k)
    )
    return wrong / (count - k)


def sentences_of(texts: Sequence[str], kind: str = "prose") -> list[Sentence]:
    document = Document("d", "t", "text", "s", place([Block(text, kind) for text in texts]), "0" * 64, "en")
    return read(document).sentences


def articles() -> list[list[Sentence]]:
    path = DATA / "qa-xquad-en" / "xquad.en.json.xz"
    data: Any = json.loads(lzma.decompress(path.read_bytes()))["data"]
    return [sentences_of([p["context"] for p in article["paragraphs"]]) for article in data]


def talks() -> list[list[Sentence]]:
    refs = steps.discover_documents([str(DATA / "cap-w3c-ml-vtt")])
    documents = [Document.from_dict(d) for ref in refs if "error" not in (d := steps.parse_document(ref))]
    return [read(document).sentences for document in documents if document.kind == "vtt"]


def drawn(sources: Sequence[list[Sentence]], stretches: int, low: int, high: int, seed: int) -> list[Any]:
    """``DRAWN`` concatenations: the sentences, and the indexes at which a new stretch begins."""
    chance = random.Random(seed)
    found = []
    for _ in range(DRAWN):
        parts = []
        for source in chance.sample(list(sources), stretches):
            length = min(chance.randint(low, high), len(source))
            start = chance.randint(0, len(source) - length)
            parts.append(source[start : start + length])
        edges, at = [], 0
        for part in parts[:-1]:
            at += len(part)
            edges.append(at)
        found.append(([sentence for part in parts for sentence in part], edges))
    return found


def measure(name: str, cases: Sequence[Any]) -> None:
    rows: dict[str, list[tuple[float, float]]] = {"none": [], "evenly": [], "fairlead": []}
    spent = 0.0
    counted = []
    for sentences, truth in cases:
        count = len(sentences)
        start = time.process_time()
        found = boundaries([sentence.terms for sentence in sentences])
        spent += time.process_time() - start
        counted.append(len(found))
        even = [round(count * i / (len(truth) + 1)) for i in range(1, len(truth) + 1)]
        for system, edges in (("none", []), ("evenly", even), ("fairlead", found)):
            rows[system].append((pk(truth, edges, count), window_diff(truth, edges, count)))
    for system, values in rows.items():
        means = [sum(column) / len(values) for column in zip(*values, strict=True)]
        print(f"| {name} | {system} | {means[0]:.3f} | {means[1]:.3f} |")
    sizes = sum(len(truth) for _, truth in cases) / len(cases)
    print(
        f"| | | {sum(counted) / len(counted):.1f} joints found of {sizes:.1f} |"
        f" {1e3 * spent / len(cases):.0f} ms each |"
    )


def firing(name: str, sentences: Sequence[Sentence]) -> None:
    found = [
        finding
        for sentence in sentences
        if sum(token[0].isalnum() for token in sentence.tokens) >= 4
        for finding in fallacies_in(sentence.text, sentence.tokens, sentence.start)
    ]
    print(f"| {name} | {len(sentences):,} | {len(found)} | {', '.join(sorted({f.label for f in found})) or '-'} |")


def main(seed: int = 2) -> None:
    if not (DATA / "qa-xquad-en").is_dir():
        print(f"skipped: {DATA} is absent")
        return
    wiki, spoken = articles(), talks()
    print("| text | joints | Pk | WindowDiff |")
    print("|---|---|---|---|")
    measure("articles, 8 stretches of 10-25 sentences", drawn(wiki, 8, 10, 25, seed))
    measure("talks, 6 stretches of 15-40 sentences", drawn(spoken, 6, 15, 40, seed))
    print("\n| fallacy patterns on | sentences | fired | kinds |")
    print("|---|---|---|---|")
    firing("Wikipedia paragraphs", [sentence for article in wiki for sentence in article])
    firing("talks", [sentence for talk in spoken for sentence in talk])
    refs = steps.discover_documents([str(DATA / "cls-checkthat18-debates" / "task1")])
    debates = [Document.from_dict(steps.parse_document(ref)) for ref in refs]
    firing("debates", [sentence for debate in debates for sentence in read(debate).sentences])


if __name__ == "__main__":
    main()
