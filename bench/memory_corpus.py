"""Real texts and vectors for the memory benchmarks, and the collections with relevance judgements."""

from __future__ import annotations

import ast
import csv
import io
import json
import lzma
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

DATA = Path(os.environ.get("FAIRLEAD_DATA") or Path(__file__).parents[2] / "shared/data")
CACHE = Path(os.environ.get("FAIRLEAD_BENCH_CACHE") or Path.home() / ".cache/fairlead-bench")

csv.field_size_limit(10**9)


class Collection(NamedTuple):
    """Documents and queries by id, the relevant documents of each query, and documents to leave out of its result."""

    documents: dict[str, str]
    queries: dict[str, str]
    relevant: dict[str, set[str]]
    left_out: dict[str, set[str]]


class Turn(NamedTuple):
    """One turn of a conversation."""

    id: str
    speaker: str
    text: str
    session: int
    time: str


class Conversation(NamedTuple):
    """Turns, and questions as (question, ids of the evidence, category)."""

    turns: list[Turn]
    questions: list[tuple[str, set[str], int]]


def _text(path: Path) -> str:
    return lzma.open(path, "rt").read() if path.suffix == ".xz" else path.read_text("utf-8")


def _strings(cell: str) -> list[str]:
    """The strings of a printed array of strings."""
    return [ast.literal_eval(m) for m in re.findall(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", cell)]


def scifact() -> Collection:
    """The 300 claims of the validation split, each with the abstracts that it cites."""
    folder = DATA / "ir-scifact"
    rows = csv.DictReader(io.StringIO(_text(folder / "corpus_train.csv.xz")))
    documents = {r["doc_id"]: " ".join([r["title"], *_strings(r["abstract"])]) for r in rows}
    queries, relevant = {}, {}
    for row in csv.DictReader(io.StringIO(_text(folder / "claims_validation.csv"))):
        queries[row["id"]] = row["claim"]
        relevant[row["id"]] = set(re.findall(r"\d+", row["cited_doc_ids"]))
    return Collection(documents, queries, relevant, {})


def cranfield() -> Collection:
    """225 questions in the order of the file. The one document per question that is graded 0 is the paper whose author
    asked it: it is neither relevant nor a fair miss, so it is left out of the result."""
    folder = DATA / "ir-cranfield-trec"
    found = re.findall(r"<docno>(.*?)</docno>.*?<text>(.*?)</text>", _text(folder / "cran.all.1400.xml.xz"), re.DOTALL)
    documents = {number.strip(): text for number, text in found if text.strip()}
    titles = re.findall(r"<title>(.*?)</title>", _text(folder / "cran.qry.xml"), re.DOTALL)
    queries = {str(at): title.strip() for at, title in enumerate(titles, start=1)}
    relevant: dict[str, set[str]] = {q: set() for q in queries}
    left_out: dict[str, set[str]] = {q: set() for q in queries}
    for line in _text(folder / "cranqrel.trec.txt").splitlines():
        query, _, document, grade = line.split()
        (relevant if int(grade) > 0 else left_out)[query].add(document)
    return Collection(documents, queries, relevant, left_out)


def locomo() -> list[Conversation]:
    conversations = []
    for one in json.loads(_text(DATA / "mem-locomo-dev/locomo4.json.xz")):
        said, turns, session = one["conversation"], [], 1
        while f"session_{session}_date_time" in said:
            time = said[f"session_{session}_date_time"]
            for turn in said.get(f"session_{session}", []):
                text = f"{turn['text']} {turn.get('blip_caption', '')}".strip()
                turns.append(Turn(turn["dia_id"], turn["speaker"], text, session, time))
            session += 1
        known = {turn.id for turn in turns}
        questions = []
        for question in one["qa"]:
            named = {e for text in question.get("evidence", []) for e in re.findall(r"D\d+:\d+", text)}
            if named & known:
                questions.append((question["question"], named & known, question["category"]))
        conversations.append(Conversation(turns, questions))
    return conversations


def short_texts(most: int) -> list[str]:
    """Distinct real sentences, posts and questions, at most ``most``."""
    texts: list[str] = []
    for document in [*scifact().documents.values(), *cranfield().documents.values()]:
        texts += re.split(r"(?<=[.!?])\s+", " ".join(document.split()))
    for path in sorted((DATA / "cls-tweeteval").rglob("*_text.txt*")):
        texts += _text(path).splitlines()
    clinc = json.loads(_text(DATA / "cls-clinc150/data_full.json.xz"))
    texts += [row[0] for part in clinc.values() for row in part]
    for name in ("train.csv.xz", "test.csv"):
        texts += [row["text"] for row in csv.DictReader(io.StringIO(_text(DATA / "cls-banking77" / name)))]
    texts += [turn.text for conversation in locomo() for turn in conversation.turns]
    for path in sorted((DATA / "tix-jira-storypoints").glob("*.csv*")):
        for row in csv.DictReader(io.StringIO(_text(path))):
            texts += [row["title"], *re.split(r"(?<=[.!?])\s+", row["description"] or "")]
    for article in json.loads(_text(DATA / "qa-xquad-en/xquad.en.json.xz"))["data"]:
        for paragraph in article["paragraphs"]:
            texts += re.split(r"(?<=[.!?])\s+", paragraph["context"]) + [qa["question"] for qa in paragraph["qas"]]
    kept = dict.fromkeys(t.strip() for t in texts if 20 <= len(t.strip()) <= 400)
    return list(kept)[:most]


def real_vectors(most: int) -> tuple[list[str], Any]:
    """Texts and their MiniLM vectors, float32 [n, 384]; computed once and kept in the cache folder."""
    import numpy as np

    from fairlead.memory.minilm import MiniLM

    texts = short_texts(most)
    path = CACHE / f"minilm-{len(texts)}.npy"
    if not path.is_file():
        CACHE.mkdir(parents=True, exist_ok=True)
        np.save(path, MiniLM(CACHE).embed(texts))
    return texts, np.load(path)
