"""Trains a :class:`fairlead.pipeline.analysis.name_network.NameNetwork`: gradients by hand, in numpy and scipy.

Every set is a task with labels of its own over shared layers (Caruana, "Multitask Learning", Machine Learning 28,
1997). The loss is the CRF's negative log likelihood; steps are Adam's (Kingma and Ba, ICLR 2015) with decoupled weight
decay (Loshchilov and Hutter, ICLR 2019) and a rate that rises for a while and then falls to nothing; inputs, features
and hidden values are dropped at random (Srivastava et al., JMLR 15, 2014). The same seed and libraries give the same
network.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fairlead.errors import MissingDependencyError
from fairlead.pipeline.analysis.name_network import Head, NameNetwork, best_labels, hashed_features
from fairlead.pipeline.training.names_data import Sentence

Floats = NDArray[np.float32]
Arrays = dict[str, Floats]


class Plan(NamedTuple):
    """How to train. ``batch`` is in words; ``drop_*`` are shares; ``least`` is how often a feature occurs at least."""

    layers: tuple[int, ...] = (1, 2, 3, 4)
    hidden: int = 128
    epochs: int = 16
    rate: float = 3e-3
    batch: int = 1000
    drop_states: float = 0.2
    drop_features: float = 0.3
    drop_hidden: float = 0.3
    decay: float = 1e-2
    least: int = 3
    seed: int = 0


class Task:
    """One set made ready: ``states`` are [words, 384 * layers] in half precision, sentences one after the other."""

    def __init__(self, sentences: Sequence[Sentence], states: NDArray[np.float16]) -> None:
        self.sentences = list(sentences)
        self.states = states
        self.keys = [row for s in sentences for row in hashed_features([word for word, _ in s])]
        kinds = {label[2:] for s in sentences for _, label in s if label != "O"}
        self.labels = ("O", *sorted(f"{mark}-{kind}" for mark in "BI" for kind in kinds))
        self.lengths = np.array([len(s) for s in sentences])
        self.starts = np.concatenate([[0], np.cumsum(self.lengths)])
        places = {label: i for i, label in enumerate(self.labels)}
        self.gold = [np.array([places[label] for _, label in s]) for s in sentences]
        self.features: Any = None

    def part(self, chosen: Sequence[int]) -> Task:
        """The sentences at ``chosen``; the labels stay those of the whole set."""
        rows = np.concatenate([np.arange(self.starts[i], self.starts[i + 1]) for i in chosen])
        other = object.__new__(Task)
        other.sentences, other.labels = [self.sentences[i] for i in chosen], self.labels
        other.states, other.keys = self.states[rows], [self.keys[row] for row in rows]
        other.lengths = self.lengths[list(chosen)]
        other.starts = np.concatenate([[0], np.cumsum(other.lengths)])
        other.gold = [self.gold[i] for i in chosen]
        other.features = None
        return other


class Batch(NamedTuple):
    """Sentences side by side, padded: rows of ``states`` and ``features`` are sentence by sentence.

    ``features`` has a column for each feature that occurs here; ``rows`` are their places among all.
    """

    states: Floats
    features: Any
    rows: NDArray[np.intp]
    gold: NDArray[np.intp]
    lengths: NDArray[np.intp]
    mask: Floats


def train(tasks: dict[str, Task], plan: Plan) -> NameNetwork:
    """The network of ``tasks``, with a head for each."""
    random = np.random.default_rng(plan.seed)
    columns = _vocabulary(list(tasks.values()), plan.least)
    mean, spread = _scales(list(tasks.values()))
    for task in tasks.values():
        task.features = _sparse(task.keys, columns)
    arrays = _initial(len(mean), len(columns), plan.hidden, {name: t.labels for name, t in tasks.items()}, random)
    steps = Steps(arrays, plan)
    total = sum(len(_batches(t.lengths, plan.batch, np.random.default_rng(0))) for t in tasks.values()) * plan.epochs
    done = 0
    for _ in range(plan.epochs):
        items = [(name, b) for name, task in tasks.items() for b in _batches(task.lengths, plan.batch, random)]
        random.shuffle(items)
        for name, chosen in items:
            done += 1
            batch = _gather(tasks[name], chosen, mean, spread)
            gradients = _gradients(arrays, batch, name, plan, random)
            steps.take(gradients, batch.rows, plan.rate * min(1.0, done / 200) * max(0.0, 1 - done / total))
    return _finished(arrays, columns, mean, spread, {name: task.labels for name, task in tasks.items()}, plan)


def labels_of(network: NameNetwork, task: Task, head: str, bias: float = 0.0) -> list[list[str]]:
    """Labels by ``head`` for the sentences of ``task``; ``bias`` is added to the score of no name."""
    found = []
    for sentence, start in zip(task.sentences, task.starts, strict=False):
        states = task.states[start : start + len(sentence)].astype(np.float32)
        scores = network.scores([word for word, _ in sentence], states, head)
        scores[:, 0] += bias
        found.append([network.heads[head].labels[i] for i in best_labels(scores, network.heads[head])])
    return found


def _vocabulary(tasks: Sequence[Task], least: int) -> NDArray[np.uint32]:
    counts = Counter(int(key) for task in tasks for row in task.keys for key in row)
    return np.array(sorted(key for key, count in counts.items() if count >= least), dtype=np.uint32)


def _scales(tasks: Sequence[Task]) -> tuple[Floats, Floats]:
    """Mean and spread of each column of the states, over every set."""
    count = sum(len(task.states) for task in tasks)
    mean = sum(task.states.sum(axis=0, dtype=np.float64) for task in tasks) / count
    squares = sum(np.square(task.states, dtype=np.float32).sum(axis=0, dtype=np.float64) for task in tasks) / count
    spread = np.sqrt(np.maximum(squares - np.square(mean), 0)) + 1e-3
    return np.asarray(mean, dtype=np.float32), np.asarray(spread, dtype=np.float32)


def _sparse(keys: Sequence[NDArray[np.uint32]], columns: NDArray[np.uint32]) -> Any:
    try:
        from scipy.sparse import csr_matrix
    except ImportError as exc:
        raise MissingDependencyError(
            "training needs scipy, which is not installed.", remedy="Install it with: pip install 'fairlead[train]'"
        ) from exc
    every = np.concatenate(keys)
    places = np.minimum(np.searchsorted(columns, every), len(columns) - 1)
    held = columns[places] == every
    ends = np.cumsum([0, *map(len, keys)])
    kept = np.concatenate([[0], np.cumsum(held)])[ends]
    return csr_matrix((np.ones(int(held.sum()), np.float32), places[held], kept), shape=(len(keys), len(columns)))


FORBIDDEN = -1e4
"""The score of a move that IOB2 does not know; nothing that is learned changes it."""


def legal_moves(labels: Sequence[str]) -> tuple[Floats, Floats]:
    """Scores to begin with, of moves between labels and of opening labels: an entity goes on only where it began."""
    moves = np.zeros((len(labels), len(labels)), np.float32)
    opening = np.zeros(len(labels), np.float32)
    for i, label in enumerate(labels):
        if label[0] == "I":
            opening[i] = FORBIDDEN
            moves[[j for j, before in enumerate(labels) if before[2:] != label[2:]], i] = FORBIDDEN
    return moves, opening


def _initial(
    width: int, features: int, hidden: int, heads: dict[str, tuple[str, ...]], random: np.random.Generator
) -> Arrays:
    def drawn(spread: float, *shape: int) -> Floats:
        return random.normal(0, spread, shape).astype(np.float32)

    arrays = {
        "states": drawn(max(width, 1) ** -0.5, width, hidden),
        "embedded": drawn(0.05, features, hidden),
        "bias": np.zeros(hidden, np.float32),
        "beside": drawn((3 * hidden) ** -0.5, 3 * hidden, hidden),
        "beside_bias": np.zeros(hidden, np.float32),
    }
    for name, labels in heads.items():
        moves, opening = legal_moves(labels)
        arrays |= {
            f"{name}.weights": drawn(0.05, hidden, len(labels)),
            f"{name}.bias": np.zeros(len(labels), np.float32),
            f"{name}.moves": moves,
            f"{name}.opening": opening,
        }
    return arrays


def _batches(lengths: NDArray[np.intp], most: int, random: np.random.Generator) -> list[list[int]]:
    """Sentences of like length together, at most ``most`` words with the padding."""
    batches: list[list[int]] = []
    for i in np.argsort(lengths + random.random(len(lengths)) * 4, kind="stable"):
        if not batches or (len(batches[-1]) + 1) * lengths[i] > most:
            batches.append([])
        batches[-1].append(int(i))
    return batches


def _gather(task: Task, chosen: Sequence[int], mean: Floats, spread: Floats) -> Batch:
    lengths = task.lengths[list(chosen)]
    longest = int(lengths.max())
    places = np.zeros((len(chosen), longest), np.intp)
    gold, mask = np.zeros_like(places), np.zeros(places.shape, np.float32)
    for row, i in enumerate(chosen):
        places[row, : lengths[row]] = np.arange(task.starts[i], task.starts[i + 1])
        gold[row, : lengths[row]] = task.gold[i]
        mask[row, : lengths[row]] = 1
    flat = places.ravel()
    states = (task.states[flat].astype(np.float32) - mean) / spread * mask.reshape(-1, 1)
    features = task.features[flat]
    rows, places_here = np.unique(features.indices, return_inverse=True)
    here = type(features)((features.data, places_here, features.indptr), shape=(len(flat), len(rows)))
    return Batch(states, here, rows, gold, lengths, mask)


def _dropped(values: Floats, share: float, random: np.random.Generator) -> Floats:
    """What to multiply with: 0 for a share of places, and more than 1 for the others."""
    return ((random.random(values.shape, dtype=np.float32) > share) / np.float32(1 - share)).astype(np.float32)


def _gradients(arrays: Arrays, batch: Batch, name: str, plan: Plan, random: np.random.Generator) -> Arrays:
    """One pass forward and back."""
    count, longest = batch.gold.shape
    mask = batch.mask.reshape(-1, 1)
    states = batch.states * _dropped(batch.states, plan.drop_states, random)
    features = batch.features
    features.data *= _dropped(features.data, plan.drop_features, random)
    first = states @ arrays["states"] + features @ arrays["embedded"][batch.rows] + arrays["bias"]
    keep_first = _dropped(first, plan.drop_hidden, random) * (first > 0)
    hidden = first * keep_first
    around = _around((hidden * mask).reshape(count, longest, -1))
    second = around @ arrays["beside"] + arrays["beside_bias"]
    keep_second = _dropped(second, plan.drop_hidden, random) * (second > 0)
    top = hidden + second * keep_second
    scores = (top @ arrays[f"{name}.weights"] + arrays[f"{name}.bias"]).reshape(count, longest, -1)
    found = crf_gradients(scores, batch.gold, batch.lengths, arrays[f"{name}.moves"], arrays[f"{name}.opening"])
    scale = np.float32(10 / batch.lengths.sum())
    over = found.scores.reshape(count * longest, -1) * scale
    gradients = {
        f"{name}.weights": top.T @ over,
        f"{name}.bias": over.sum(axis=0),
        f"{name}.moves": found.moves * scale,
        f"{name}.opening": found.opening * scale,
    }
    back = over @ arrays[f"{name}.weights"].T
    beside = back * keep_second
    gradients |= {"beside": around.T @ beside, "beside_bias": beside.sum(axis=0)}
    spread = _spread_back(np.asarray(beside @ arrays["beside"].T, np.float32), count, longest)
    back = (back + spread * mask) * keep_first
    return gradients | {
        "states": states.T @ back,
        "bias": back.sum(axis=0),
        "embedded": np.asarray(features.T @ back),
    }


def _around(hidden: Floats) -> Floats:
    """The word before, the word and the word after, side by side: [sentences * words, 3 * hidden]."""
    edge = np.zeros((len(hidden), 1, hidden.shape[2]), np.float32)
    before, after = np.concatenate([edge, hidden[:, :-1]], axis=1), np.concatenate([hidden[:, 1:], edge], axis=1)
    wide: Floats = np.concatenate([before, hidden, after], axis=2).reshape(-1, 3 * hidden.shape[2])
    return wide


def _spread_back(gradient: Floats, count: int, longest: int) -> Floats:
    """The way back through :func:`_around`."""
    before, own, after = np.split(gradient.reshape(count, longest, -1), 3, axis=2)
    own = own.copy()
    own[:, :-1] += before[:, 1:]
    own[:, 1:] += after[:, :-1]
    return own.reshape(count * longest, -1)


class CrfGradients(NamedTuple):
    """The loss in nats, and how it changes with each input."""

    loss: float
    scores: Floats
    moves: Floats
    opening: Floats


def crf_gradients(
    scores: Floats, gold: NDArray[np.intp], lengths: NDArray[np.intp], moves: Floats, opening: Floats
) -> CrfGradients:
    """Negative log likelihood of ``gold`` [sentences, words] under ``scores`` [sentences, words, labels]."""
    count, longest, labels = scores.shape
    inside = np.arange(longest)[:, None] < lengths[None]
    forward = np.zeros((longest, count, labels), np.float32)
    backward = np.zeros_like(forward)
    forward[0] = scores[:, 0] + opening
    for t in range(1, longest):
        after = _log_sum(forward[t - 1][:, :, None] + moves, 1) + scores[:, t]
        forward[t] = np.where(inside[t][:, None], after, forward[t - 1])
    for t in range(longest - 2, -1, -1):
        before = _log_sum(moves[None] + (scores[:, t + 1] + backward[t + 1])[:, None, :], 2)
        backward[t] = np.where(inside[t + 1][:, None], before, 0)
    whole = _log_sum(forward[-1], 1)
    over = (np.exp(forward + backward - whole[:, None]) * inside[:, :, None]).transpose(1, 0, 2).copy()
    rows = np.arange(count)
    said = scores[rows, 0, gold[:, 0]] + opening[gold[:, 0]]
    over[rows, 0, gold[:, 0]] -= 1
    change = np.zeros_like(moves)
    for t in range(1, longest):
        at = np.flatnonzero(inside[t])
        joint = forward[t - 1][at][:, :, None] + moves + (scores[at, t] + backward[t][at])[:, None, :]
        change += np.exp(joint - whole[at, None, None]).sum(axis=0)
        one, two = gold[at, t - 1], gold[at, t]
        np.add.at(change, (one, two), -1)
        over[at, t, two] -= 1
        said[at] += scores[at, t, two] + moves[one, two]
    return CrfGradients(float((whole - said).sum()), over, change, over[:, 0].sum(axis=0))


def _log_sum(values: Floats, axis: int) -> Floats:
    most = values.max(axis=axis, keepdims=True)
    return np.asarray((most + np.log(np.exp(values - most).sum(axis=axis, keepdims=True))).squeeze(axis))


class Steps:
    """Adam over named arrays, which it changes in place.

    What a batch says nothing of stays as it is: the heads of other sets, and the rows of ``embedded`` of features that
    do not occur in it.
    """

    def __init__(self, arrays: Arrays, plan: Plan) -> None:
        self._arrays = arrays
        self._decay = plan.decay
        self._mean = {name: np.zeros_like(array) for name, array in arrays.items()}
        self._square = {name: np.zeros_like(array) for name, array in arrays.items()}
        self._count: Counter[str] = Counter()

    def take(self, gradients: Arrays, rows: NDArray[np.intp], rate: float) -> None:
        for name, gradient in gradients.items():
            self._count[name] += 1
            place: Any = rows if name == "embedded" else slice(None)
            mean = self._mean[name][place] * np.float32(0.9) + np.float32(0.1) * gradient
            square = self._square[name][place] * np.float32(0.999) + np.float32(0.001) * np.square(gradient)
            self._mean[name][place], self._square[name][place] = mean, square
            count = self._count[name]
            change = mean / (np.sqrt(square) * np.float32((1 - 0.999**count) ** -0.5) + np.float32(1e-8))
            array = self._arrays[name][place]
            if array.ndim == 2 and not name.endswith("moves"):
                array = array * np.float32(1 - rate * self._decay)
            self._arrays[name][place] = array - change * np.float32(rate / (1 - 0.9**count))


def _finished(
    arrays: Arrays,
    columns: NDArray[np.uint32],
    mean: Floats,
    spread: Floats,
    labels: dict[str, tuple[str, ...]],
    plan: Plan,
) -> NameNetwork:
    """The scaling of the states goes into the first weights, so that use needs none."""
    states = arrays["states"] / spread[:, None]
    return NameNetwork(
        plan.layers,
        columns,
        arrays["embedded"],
        states,
        arrays["bias"] - mean @ states,
        arrays["beside"][None],
        arrays["beside_bias"],
        {name: Head(labels[name], *(arrays[f"{name}.{part}"] for part in Head._fields[1:])) for name in labels},
    )
