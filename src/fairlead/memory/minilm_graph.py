"""The ONNX graph of a small BERT sentence encoder, built from safetensors weights.

The network is BERT (Devlin et al., 2019) as all-MiniLM-L6-v2 lays it out; its sentence vector is the mean of the token
vectors that are not padding, scaled to length one (Reimers and Gurevych, "Sentence-BERT", 2019).
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple


class Shape(NamedTuple):
    """The sizes of the network, as its ``config.json`` states them."""

    layers: int
    heads: int
    hidden: int
    epsilon: float


def read_safetensors(path: Path) -> dict[str, Any]:
    """The float32 tensors of a safetensors file by name; other types are left out."""
    import numpy as np

    raw = np.memmap(path, dtype=np.uint8, mode="r")
    (length,) = struct.unpack("<Q", raw[:8].tobytes())
    header = json.loads(raw[8 : 8 + length].tobytes())
    start = 8 + length
    tensors = {}
    for name, info in header.items():
        if name != "__metadata__" and info["dtype"] == "F32":
            begin, end = info["data_offsets"]
            tensors[name] = raw[start + begin : start + end].view(np.float32).reshape(info["shape"])
    return tensors


def build_graph(weights: dict[str, Any], shape: Shape, layers: Sequence[int] = ()) -> Any:
    """An ``onnx.ModelProto``: (ids, mask, both int64 of [batch, tokens]) -> vectors, float32 of [batch, hidden].

    With ``layers`` the output is instead ``states``, what those layers make of each token (0 is what goes into the
    first), side by side: float32 of [batch, tokens, hidden * layers]. Layers after the last of them are left out.
    """
    return _Graph(weights, shape).model(layers)


class _Graph:
    """Collects nodes and constants of one graph. Opset 17 is the first with LayerNormalization."""

    def __init__(self, weights: dict[str, Any], shape: Shape) -> None:
        from onnx import helper, numpy_helper

        self._helper = helper
        self._from_array = numpy_helper.from_array
        self._weights = weights
        self._shape = shape
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}

    def model(self, layers: Sequence[int]) -> Any:
        from onnx import TensorProto

        helper = self._helper
        hidden = [self._embeddings()]
        bias = self._attention_bias()
        for layer in range(max(layers) if layers else self._shape.layers):
            hidden.append(self._layer(hidden[-1], bias, f"encoder.layer.{layer}."))
        if layers:
            self._op("Concat", *(hidden[layer] for layer in layers), out="states", axis=-1)
            output: tuple[str, list[str | int]] = ("states", ["batch", "tokens", self._shape.hidden * len(layers)])
        else:
            self._pool(hidden[-1])
            output = ("vectors", ["batch", self._shape.hidden])
        ints = [helper.make_tensor_value_info(n, TensorProto.INT64, ["batch", "tokens"]) for n in ("ids", "mask")]
        out = [helper.make_tensor_value_info(output[0], TensorProto.FLOAT, output[1])]
        graph = helper.make_graph(self._nodes, "sentence-encoder", ints, out, list(self._constants.values()))
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)

    def _op(self, kind: str, *inputs: str, out: str | None = None, **attributes: Any) -> str:
        name = out or f"t{len(self._nodes)}"
        self._nodes.append(self._helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def _constant(self, name: str, value: Any, kind: str = "float32") -> str:
        import numpy as np

        if name not in self._constants:
            self._constants[name] = self._from_array(np.array(value, dtype=kind, order="C"), name)
        return name

    def _weight(self, name: str) -> str:
        return self._constant(name, self._weights[name])

    def _linear(self, x: str, name: str) -> str:
        matrix = self._constant(name + ".transposed", self._weights[name + ".weight"].T)
        return self._op("Add", self._op("MatMul", x, matrix), self._weight(name + ".bias"))

    def _norm(self, x: str, name: str) -> str:
        scale, bias = self._weight(name + ".weight"), self._weight(name + ".bias")
        return self._op("LayerNormalization", x, scale, bias, axis=-1, epsilon=self._shape.epsilon)

    def _embeddings(self) -> str:
        words = self._op("Gather", self._weight("embeddings.word_embeddings.weight"), "ids")
        length = self._op("Gather", self._op("Shape", "ids"), self._constant("one", 1, "int64"))
        zero, step = self._constant("zero", 0, "int64"), self._constant("one", 1, "int64")
        positions = self._op("Range", zero, length, step)
        places = self._op("Gather", self._weight("embeddings.position_embeddings.weight"), positions)
        kind = self._constant("kind", self._weights["embeddings.token_type_embeddings.weight"][0])
        total = self._op("Add", self._op("Add", words, places), kind)
        return self._norm(total, "embeddings.LayerNorm")

    def _attention_bias(self) -> str:
        mask = self._op("Cast", "mask", to=1, out="mask_float")
        wide = self._op("Unsqueeze", mask, self._constant("axes_1_2", [1, 2], "int64"))
        inverted = self._op("Sub", self._constant("one_float", 1.0), wide)
        return self._op("Mul", inverted, self._constant("minus_large", -1e4))

    def _layer(self, x: str, bias: str, prefix: str) -> str:
        attended = self._linear(self._attention(x, bias, prefix), prefix + "attention.output.dense")
        x = self._norm(self._op("Add", attended, x), prefix + "attention.output.LayerNorm")
        inner = self._gelu(self._linear(x, prefix + "intermediate.dense"))
        return self._norm(self._op("Add", self._linear(inner, prefix + "output.dense"), x), prefix + "output.LayerNorm")

    def _attention(self, x: str, bias: str, prefix: str) -> str:
        size = self._shape.hidden // self._shape.heads
        split = self._constant("split", [0, 0, self._shape.heads, size], "int64")
        heads = {}
        for part, order in (("query", [0, 2, 1, 3]), ("key", [0, 2, 3, 1]), ("value", [0, 2, 1, 3])):
            linear = self._linear(x, f"{prefix}attention.self.{part}")
            heads[part] = self._op("Transpose", self._op("Reshape", linear, split), perm=order)
        scores = self._op("MatMul", heads["query"], heads["key"])
        scaled = self._op("Div", scores, self._constant("root", math.sqrt(size)))
        shares = self._op("Softmax", self._op("Add", scaled, bias), axis=-1)
        mixed = self._op("Transpose", self._op("MatMul", shares, heads["value"]), perm=[0, 2, 1, 3])
        return self._op("Reshape", mixed, self._constant("join", [0, 0, self._shape.hidden], "int64"))

    def _gelu(self, x: str) -> str:
        scaled = self._op("Div", x, self._constant("root_two", math.sqrt(2)))
        grown = self._op("Add", self._op("Erf", scaled), self._constant("one_float", 1.0))
        return self._op("Mul", self._op("Mul", x, grown), self._constant("half", 0.5))

    def _pool(self, hidden: str) -> None:
        wide = self._op("Unsqueeze", "mask_float", self._constant("axis_2", [2], "int64"))
        total = self._op("ReduceSum", self._op("Mul", hidden, wide), self._constant("axis_1", [1], "int64"), keepdims=0)
        count = self._op("ReduceSum", "mask_float", self._constant("axis_1", [1], "int64"), keepdims=1)
        mean = self._op("Div", total, self._op("Max", count, self._constant("one_float", 1.0)))
        squares = self._op("ReduceSum", self._op("Mul", mean, mean), self._constant("axis_1", [1], "int64"), keepdims=1)
        length = self._op("Max", self._op("Sqrt", squares), self._constant("tiny", 1e-12))
        self._op("Div", mean, length, out="vectors")
