"""Trains the tagger of names over encoder states that ships.

    python -m fairlead.pipeline.training.names_encoded DATA [--out FOLDER] [--card] [--cache FOLDER]

One network over the frozen states of all-MiniLM-L6-v2 (Apache 2.0), trained on the openly licensed sets together, each
with its own labels; the file keeps the two heads that are used: WikiGold's for edited text and WNUT-17's for posts.
WNUT-17 is learned from its train part alone; its dev part chooses how far "no name" is discounted. The same libraries
give the same file. Scores of the model card come from networks that have not seen what they are measured on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairlead.pipeline.analysis.name_network import NameNetwork
from fairlead.pipeline.analysis.name_states import WordStates
from fairlead.pipeline.analysis.names_encoded import MODEL, STYLES, VERSION
from fairlead.pipeline.training.name_network import Plan, Task, labels_of, train
from fairlead.pipeline.training.names import FOLDS, SETS
from fairlead.pipeline.training.names_data import COMMON, Document, f1, read_columns, relabel, sentences_of

PLAN = Plan(layers=(1, 3), epochs=8, rate=4e-3, batch=400, least=5)
MEMBERS = 3
"""How many networks, from different random starts, are joined into one."""

FEATURES = 10_000
"""How many features of words the file keeps."""

FILES = {name: (style, files) for name, (style, files) in SETS.items()} | {
    "wnut17": ("noisy", ("ner-wnut17/train.conll.xz",))
}
OWN_LABELS = ("wnut17", "btc", "crossner")
"""Sets that keep their own labels, handles included; the others have the common four."""

BIASES = (0.5, 0.0, -0.5, -1.0, -1.5, -2.0)
"""What may be added to the score of no name."""


class States:
    """Reads sets with the states of their words, and keeps the states in ``cache``, in half precision."""

    def __init__(self, data: Path, cache: Path, layers: Sequence[int]) -> None:
        self._data = data
        self._cache = cache
        self._encoder = WordStates(cache, layers, threads=1)

    def task(self, style: str, files: Sequence[str], kinds: dict[str, str] | None) -> tuple[Task, list[int]]:
        """The set made ready, and for each sentence the number of its document."""
        documents = [d for file in files for d in relabel(read_columns(self._data / file), kinds)]
        numbers = [number for number, document in enumerate(documents) for _ in document]
        return Task(sentences_of(documents), self._states(style, files, documents)), numbers

    def _states(self, style: str, files: Sequence[str], documents: Sequence[Document]) -> NDArray[np.float16]:
        layers = "-".join(map(str, self._encoder.layers))
        name = "-".join(Path(file).parent.name + "." + Path(file).name.split(".")[0] for file in files)
        kept = self._cache / f"{name.replace('/', '.')}-{layers}.npy"
        if kept.is_file():
            return np.asarray(np.load(kept, mmap_mode="r"))
        window = STYLES[style][1]
        found: list[NDArray[np.float16]] = []
        for document in documents:
            for rows in self._encoder.of([[word for word, _ in sentence] for sentence in document], window):
                found.append(rows.astype(np.float16))
        states = np.concatenate(found)
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.save(kept, states)
        return states


def read_tasks(states: States, names: Sequence[str] = tuple(FILES)) -> dict[str, Task]:
    return {name: states.task(*FILES[name], None if name in OWN_LABELS else COMMON)[0] for name in names}


def best_bias(network: NameNetwork, task: Task, head: str) -> float:
    """The bias of no name with the best F1 on ``task``."""
    return max(BIASES, key=lambda bias: (score(network, task, head, bias)[2], -abs(bias)))


def score(network: NameNetwork, task: Task, head: str, bias: float = 0.0) -> tuple[float, float, float]:
    return f1([[label for _, label in s] for s in task.sentences], labels_of(network, task, head, bias))


def biased(network: NameNetwork, head: str, bias: float) -> NameNetwork:
    """The network with ``bias`` made part of what ``head`` says of no name."""
    held = network.heads[head]
    changed = held.bias.copy()
    changed[0] += bias
    return network._replace(heads={**network.heads, head: held._replace(bias=changed)})


def pruned(network: NameNetwork, tasks: Sequence[Task], most: int) -> NameNetwork:
    """The network with the ``most`` features that change most of what it was trained on, by frequency and size."""
    every = np.concatenate([row for task in tasks for row in task.keys])
    columns, counts = np.unique(every, return_counts=True)
    often = counts[np.searchsorted(columns, network.columns)]
    weight = np.square(network.embedded).sum(axis=1) * often
    kept = np.sort(np.argsort(-weight, kind="stable")[:most])
    return network._replace(columns=network.columns[kept], embedded=network.embedded[kept])


def train_joined(tasks: dict[str, Task]) -> NameNetwork:
    return NameNetwork.joined([train(tasks, PLAN._replace(seed=seed)) for seed in range(MEMBERS)])


def train_shipped(states: States, path: Path) -> None:
    """Writes the network to ``path``; its features are chosen as they are read from a file, already rounded."""
    tasks = read_tasks(states)
    network = train_joined(tasks)
    dev, _ = states.task("noisy", ["ner-wnut17/dev.conll"], None)
    network = biased(network, "wnut17", best_bias(network, dev, "wnut17"))
    kept = {head for head, _ in STYLES.values()}
    network._replace(heads={name: head for name, head in network.heads.items() if name in kept}).save(path)
    pruned(NameNetwork.load(path), list(tasks.values()), FEATURES).save(path)


def five_folds(states: States) -> tuple[float, float, float]:
    """Scores on WikiGold by folds of whole documents, which CrossNER, Wikipedia too, is beside in training.

    The shipped network has the other sets beside it as well; fifteen networks of all of them would take hours.
    """
    gold, numbers = states.task(*FILES["wikigold"], COMMON)
    others = read_tasks(states, ["crossner"])
    total = [0.0, 0.0, 0.0]
    for fold in range(FOLDS):
        seen = gold.part([i for i, number in enumerate(numbers) if number % FOLDS != fold])
        unseen = gold.part([i for i, number in enumerate(numbers) if number % FOLDS == fold])
        network = train_joined({"wikigold": seen, **others})
        total = [sum(pair) for pair in zip(total, score(network, unseen, "wikigold"), strict=True)]
    return total[0] / FOLDS, total[1] / FOLDS, total[2] / FOLDS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=MODEL.parent)
    parser.add_argument("--card", action="store_true", help="also measure and write the scores of the model card")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "fairlead-names")
    arguments = parser.parse_args()
    states = States(arguments.data, arguments.cache, PLAN.layers)
    train_shipped(states, arguments.out / MODEL.name)
    if arguments.card:
        card = card_of(states, NameNetwork.load(arguments.out / MODEL.name))
        text = json.dumps(card, indent=2) + "\n"
        (arguments.out / MODEL.with_suffix(".json").name).write_text(text, encoding="utf-8")


def card_of(states: States, network: NameNetwork) -> dict[str, Any]:
    test, _ = states.task("noisy", ["ner-wnut17/test.conll"], None)
    filings, _ = states.task("clean", ["ner-sec-filings/test.conll"], COMMON)
    scores = {
        "wnut17 test, six kinds": score(network, test, "wnut17"),
        "sec-filings test": score(network, filings, "wikigold"),
        "wikigold, five folds": five_folds(states),
    }
    return {
        "version": VERSION,
        "plan": PLAN._asdict(),
        "scores": {
            name: {part: round(value, 1) for part, value in zip(("precision", "recall", "f1"), row, strict=True)}
            for name, row in scores.items()
        },
    }


if __name__ == "__main__":
    main()
