"""A real language model small enough for a test: a Llama-2 of 260,000 parameters, in numpy.

Reads the checkpoint and vocabulary of stories260K (llama2.c legacy format: 7 int32, then float32 weights). The files
are not part of the distribution. Architecture: RMS norm, rotary positions, grouped-query attention, SwiGLU (Touvron et
al., "Llama 2", 2023).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float32]]
BOS, EOS = 1, 2


class Token(NamedTuple):
    """One generated piece: its text and the natural log of its probability."""

    text: str
    logprob: float


class Stories:
    """The model. ``folder`` holds ``checkpoint_legacy.bin`` and ``tokenizer.bin``."""

    def __init__(self, folder: Path) -> None:
        raw = (folder / "checkpoint_legacy.bin").read_bytes()
        self.dim, hidden, self.layers, self.heads, self.kv_heads, vocabulary, self.longest = struct.unpack(
            "7i", raw[:28]
        )
        weights = np.frombuffer(raw, np.float32, offset=28)
        at = 0

        def take(*shape: int) -> Array:
            nonlocal at
            size = math.prod(shape)
            part = weights[at : at + size].reshape(shape)
            at += size
            return part

        n, d, kv = self.layers, self.dim, self.dim * self.kv_heads // self.heads
        self.embedding = take(vocabulary, d)
        self.norm1, self.wq, self.wk, self.wv = take(n, d), take(n, d, d), take(n, kv, d), take(n, kv, d)
        self.wo, self.norm2 = take(n, d, d), take(n, d)
        self.w1, self.w2, self.w3 = take(n, hidden, d), take(n, d, hidden), take(n, hidden, d)
        self.norm = take(d)
        self.pieces, self._scores = _vocabulary(folder / "tokenizer.bin", vocabulary)
        self._ids = {piece: i for i, piece in enumerate(self.pieces)}

    def encode(self, text: str) -> list[int]:
        """Token ids of a text: characters or bytes, merged pairwise by the best score."""
        ids: list[int] = []
        for character in f" {text}" if text else "":
            found = self._ids.get(character.encode())
            ids += [found] if found is not None else [b + 3 for b in character.encode()]
        while True:
            best, at = -1e9, -1
            for i in range(len(ids) - 1):
                merged = self._ids.get(self.pieces[ids[i]] + self.pieces[ids[i + 1]])
                if merged is not None and self._scores[merged] > best:
                    best, at = self._scores[merged], i
            if at < 0:
                return ids
            ids[at : at + 2] = [self._ids[self.pieces[ids[at]] + self.pieces[ids[at + 1]]]]

    def generate(
        self, prompt: str, most: int, *, temperature: float = 0.0, rng: np.random.Generator | None = None
    ) -> Iterator[Token]:
        """Continues ``prompt`` by at most ``most`` tokens, stopping at the end mark."""
        prompt_ids = [BOS, *self.encode(prompt)][-(self.longest - most - 1) :]
        cache: list[tuple[list[Array], list[Array]]] = [([], []) for _ in range(self.layers)]
        logits = np.zeros(0, np.float32)
        for position, token in enumerate(prompt_ids):
            logits = self._step(token, position, cache)
        for position in range(len(prompt_ids), min(self.longest, len(prompt_ids) + most)):
            shifted = logits - logits.max()
            logprobs = shifted - math.log(float(np.exp(shifted).sum()))
            token = int(logprobs.argmax())
            if temperature > 0 and rng is not None:
                weights = np.exp(logprobs / temperature, dtype=np.float64)
                token = int(rng.choice(len(weights), p=weights / weights.sum()))
            if token in (BOS, EOS):
                return
            yield Token(self._text(token), float(logprobs[token]))
            logits = self._step(token, position, cache)

    def _step(self, token: int, position: int, cache: list[tuple[list[Array], list[Array]]]) -> Array:
        size = self.dim // self.heads
        x = self.embedding[token].copy()
        angles = position / 10000.0 ** (np.arange(0, size, 2) / size)
        cos, sin = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
        for layer in range(self.layers):
            h = _rms(x, self.norm1[layer])
            q = _rotate((self.wq[layer] @ h).reshape(self.heads, size), cos, sin)
            k = _rotate((self.wk[layer] @ h).reshape(self.kv_heads, size), cos, sin)
            keys, values = cache[layer]
            keys.append(k)
            values.append((self.wv[layer] @ h).reshape(self.kv_heads, size))
            group = self.heads // self.kv_heads
            stacked_k = np.repeat(np.stack(keys, 1), group, 0)
            stacked_v = np.repeat(np.stack(values, 1), group, 0)
            scores = np.einsum("hd,htd->ht", q, stacked_k) / math.sqrt(size)
            scores = np.exp(scores - scores.max(1, keepdims=True))
            mixed = np.einsum("ht,htd->hd", scores / scores.sum(1, keepdims=True), stacked_v)
            x = x + self.wo[layer] @ mixed.reshape(-1)
            h = _rms(x, self.norm2[layer])
            gate = self.w1[layer] @ h
            x = x + self.w2[layer] @ (gate / (1 + np.exp(-gate)) * (self.w3[layer] @ h))
        logits: Array = self.embedding @ _rms(x, self.norm)
        return logits

    def _text(self, token: int) -> str:
        piece = self.pieces[token]
        if len(piece) == 6 and piece.startswith(b"<0x"):
            piece = bytes([int(piece[3:5], 16)])
        return piece.decode("utf-8", "replace")


def _rms(x: Array, weight: Array) -> Array:
    scaled: Array = x / np.sqrt(np.mean(x * x) + 1e-5) * weight
    return scaled


def _rotate(x: Array, cos: Array, sin: Array) -> Array:
    out = np.empty_like(x)
    out[:, 0::2] = x[:, 0::2] * cos - x[:, 1::2] * sin
    out[:, 1::2] = x[:, 0::2] * sin + x[:, 1::2] * cos
    return out


def _vocabulary(path: Path, size: int) -> tuple[list[bytes], list[float]]:
    raw = path.read_bytes()
    at = 4
    pieces, scores = [], []
    for _ in range(size):
        score, length = struct.unpack_from("fi", raw, at)
        at += 8
        pieces.append(raw[at : at + length])
        scores.append(score)
        at += length
    return pieces, scores
