"""How often the extractive answer holds the answer, and how often it rightly says no, on XQuAD (English).

    python bench/pipeline_answer.py [--questions 400]

Every question is asked twice over ten passages recalled by shared words from all 240 paragraphs: once with its own
paragraph among what can be recalled, and once with all paragraphs of its article taken away, so that no answer
exists. The set is used to measure only.
"""

from __future__ import annotations

import argparse
import json
import lzma
import math
import os
import time
from collections import Counter
from pathlib import Path

from fairlead.pipeline.answer import THRESHOLD, answer, stem
from fairlead.pipeline.text.words import STOP, WORD

DATA = Path(os.environ.get("FAIRLEAD_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--questions", type=int, default=400)
    arguments = parser.parse_args()
    file = DATA / "qa-xquad-en" / "xquad.en.json.xz"
    if not file.is_file():
        print(f"skipped: {file} is absent")
        return
    articles = json.loads(lzma.decompress(file.read_bytes()))["data"]
    passages = [
        {"text": p["context"], "source": f"{a['title']}/{i}", "article": a["title"], "qas": p["qas"]}
        for a in articles
        for i, p in enumerate(a["paragraphs"])
    ]
    terms = [Counter(stem(w) for w in WORD.findall(p["text"]) if w.lower() not in STOP) for p in passages]
    frequency = Counter(t for counts in terms for t in counts)
    lengths = [sum(counts.values()) for counts in terms]
    mean = sum(lengths) / len(lengths)

    def recall(question: str, without: str = "") -> list[dict[str, object]]:
        asked = {stem(w) for w in WORD.findall(question) if w.lower() not in STOP}
        scored = []
        for i, counts in enumerate(terms):
            if passages[i]["article"] == without:
                continue
            score = sum(
                math.log(1 + len(passages) / frequency[t])
                * counts[t]
                * 2.2
                / (counts[t] + 1.2 * (0.25 + 0.75 * lengths[i] / mean))
                for t in asked
                if t in counts
            )
            scored.append((score, i))
        return [
            {k: passages[i][k] for k in ("text", "source")}
            for score, i in sorted(scored, reverse=True)[:10]
            if score > 0
        ]

    questions = [(qa, p) for p in passages for qa in p["qas"]]
    step = max(1, len(questions) // arguments.questions)
    rows = []
    start = time.process_time()
    for qa, passage in questions[::step]:
        held = answer(qa["question"], recall(qa["question"]), threshold=0.0)
        absent = answer(qa["question"], recall(qa["question"], passage["article"]), threshold=0.0)
        best = held["statements"][0] if held["statements"] else {"score": 0.0, "text": "", "source": ""}
        gold = qa["answers"][0]["text"]
        rows.append(
            (
                best["score"],
                gold in best["text"],
                any(gold in s["text"] for s in held["statements"]),
                absent["statements"][0]["score"] if absent["statements"] else 0.0,
            )
        )
    print(f"{len(rows)} questions, {time.process_time() - start:.1f} s CPU; shipped threshold {THRESHOLD}")
    print("| threshold | answered of answerable | of those first right | right in any of three | no to unanswerable |")
    print("|---|---|---|---|---|")
    for threshold in (0.0, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75):
        answered = [row for row in rows if row[0] >= threshold]
        first = sum(row[1] for row in answered) / max(len(answered), 1)
        some = sum(row[2] for row in answered) / max(len(answered), 1)
        refused = sum(row[3] < threshold for row in rows) / len(rows)
        print(f"| {threshold:.2f} | {len(answered) / len(rows):.1%} | {first:.1%} | {some:.1%} | {refused:.1%} |")


if __name__ == "__main__":
    main()
