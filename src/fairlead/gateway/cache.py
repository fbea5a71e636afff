"""Kept answers: the same question is not paid for twice, and, where that is allowed, nearly the same one neither.

Answers are kept per tenant and workspace. Near prompts are compared by word and letter statistics, with a threshold
per kind of work, and never match when they differ in a number, a name or a negation.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
import orjson

from fairlead.clock import Clock
from fairlead.errors import NotInitialisedError
from fairlead.gateway.attribution import Attribution
from fairlead.gateway.config import Policy
from fairlead.gateway.local.text import STOPWORDS, content_stems
from fairlead.gateway.messages import GenerationRequest
from fairlead.gateway.prices import NANO, Usage
from fairlead.store import gateway_kept as rows
from fairlead.store.database import Database

THRESHOLDS = {"answer": 0.86, "classify": 0.84, "summarise": 0.95, "extract": 0.95, "code": 0.97, "reason": 0.93}
OTHER_THRESHOLD = 0.93
_VERSION = 1
_WIDTH = 512
_MOST_COMPARED = 500
_NEGATIONS = frozenset({"not", "no", "never", "without", "except", "cannot", "can't", "don't", "isn't", "non", "un"})
_OPPOSITES = (("most", "least"), ("max", "min"), ("before", "after"), ("first", "last"), ("highest", "lowest"))


class Kept(NamedTuple):
    """An answer that was kept. ``kind`` is ``exact`` or ``semantic``; ``similarity`` is 1.0 for an exact one;
    ``usage`` are the tokens it once took and now saves."""

    content: str
    model: str
    kind: str
    similarity: float
    usage: Usage


class AnswerCache:
    """Answers of a store that may be used again."""

    def __init__(self, database: Database, clock: Clock, policy: Policy) -> None:
        self._database = database
        self._clock = clock
        self._policy = policy

    def mode(self, request: GenerationRequest) -> str:
        """``off``, ``exact`` or ``semantic``. Requests whose answers are meant to vary are off unless they ask."""
        if request.cache != "auto":
            return request.cache
        return self._policy.cache if request.temperature == 0 or request.seed is not None else "off"

    def find(self, who: Attribution, request: GenerationRequest) -> Kept | None:
        """A kept answer to the request, or None. Counts the lookup."""
        mode = self.mode(request)
        if mode == "off":
            return None
        now = self._clock.now()
        key, family = _keys(request)
        found = self._read(lambda r: rows.kept_answer(r, who.tenant, who.workspace, key, now, _VERSION))
        kind, similarity = "exact", 1.0
        if found is None and mode == "semantic":
            near = self._near(who, request, family, now)
            if near is not None:
                key, similarity, kind = near[0], near[1], "semantic"
                found = self._read(lambda r: rows.kept_answer(r, who.tenant, who.workspace, key, now, _VERSION))
        self._count(who, request, "missed" if found is None else "exact" if kind == "exact" else "near", found, key)
        if found is None:
            return None
        content, tokens = orjson.loads(found[0])
        return Kept(content, found[1], kind, similarity, Usage(*tokens)._replace(label="kept"))

    async def keep(
        self,
        who: Attribution,
        request: GenerationRequest,
        content: str,
        model: str,
        cost_nano: int | None,
        usage: Usage,
    ) -> None:
        """Keeps an answer, if the request's mode says so."""
        if self.mode(request) == "off":
            return
        now = self._clock.now()
        key, family = _keys(request)
        prompt = _prompt(request)
        row = rows.KeptRow(
            who.tenant,
            who.workspace,
            key,
            family,
            request.task_type,
            prompt,
            embed(prompt).tobytes(),
            orjson.dumps([content, list(usage[:4])]),
            model,
            cost_nano,
            now,
            now + self._policy.cache_ttl,
            _VERSION,
        )
        # Awaited, so that whoever asks next finds it.
        await self._database.write(lambda tx: rows.keep_answer(tx, row))

    def statistics(self, who: Attribution) -> list[dict[str, Any]]:
        """Lookups by task type, with hit rates and US dollars saved."""
        found = self._read(lambda r: rows.lookups_of(r, who.tenant, who.workspace)) or []
        for row in found:
            asked = row["exact"] + row["near"] + row["missed"]
            row["hit_rate"] = (row["exact"] + row["near"]) / asked if asked else None
            row["saved"] = row.pop("saved_nano") / NANO
        return found

    def forget(self, who: Attribution) -> int:
        """Drops every kept answer of a workspace; returns how many."""
        return self._database.write_sync(lambda tx: rows.forget_answers(tx, who.tenant, who.workspace))

    def _near(self, who: Attribution, request: GenerationRequest, family: str, now: float) -> tuple[str, float] | None:
        candidates = self._read(
            lambda r: rows.kept_family(r, who.tenant, who.workspace, family, now, _VERSION, _MOST_COMPARED)
        )
        if not candidates:
            return None
        prompt = _prompt(request)
        table = np.frombuffer(b"".join(c[2] for c in candidates), np.float32).reshape(len(candidates), _WIDTH)
        likeness = table @ embed(prompt)
        threshold = THRESHOLDS.get(request.task_type, OTHER_THRESHOLD)
        decisive = decisive_words(prompt)
        for at in np.argsort(-likeness):
            if likeness[at] < threshold:
                return None
            if decisive_words(candidates[at][1]) == decisive:
                return candidates[at][0], float(likeness[at])
        return None

    def _read(self, reading: Any) -> Any:
        try:
            return self._database.read_sync(reading)
        except NotInitialisedError:
            # Nothing was ever written, so nothing was kept.
            return None

    def _count(self, who: Attribution, request: GenerationRequest, kind: str, found: Any, key: str) -> None:
        saved = found[2] or 0 if found is not None else 0
        hit = key if found is not None else ""
        self._database.later(
            lambda tx: rows.count_lookup(tx, who.tenant, who.workspace, request.task_type, kind, saved, hit)
        )


def embed(prompt: str) -> np.ndarray[Any, np.dtype[np.float32]]:
    """A unit vector of :data:`_WIDTH` over hashed stems, pairs and letter triples. It compares wording, not meaning."""
    stems = content_stems(prompt)
    terms = [(s, 2.0) for s in stems]
    terms += [(f"{a} {b}", 1.0) for a, b in itertools.pairwise(stems)]
    terms += [(w[i : i + 3], 0.5) for w in stems for i in range(max(1, len(w) - 2))]
    vector = np.zeros(_WIDTH, np.float32)
    for term, weight in terms:
        code = crc32(term.encode())
        vector[code % _WIDTH] += weight if code & 0x40000000 else -weight
    norm = float(np.linalg.norm(vector))
    return vector / norm if norm else vector


def decisive_words(prompt: str) -> frozenset[str]:
    """What must be the same for two prompts to have one answer: numbers, names, negations, and words of direction."""
    found = set(re.findall(r"\d+(?:[.,]\d+)*", prompt))
    lowered = prompt.lower()
    tokens = set(re.findall(r"[\w']+", lowered))
    found |= _NEGATIONS & tokens
    found |= {w for pair in _OPPOSITES for w in pair if w in tokens}
    for match in re.finditer(r"(?<![.!?]\s)(?<!^)\b[A-Z][\w'-]+", prompt):
        if match.group().lower() not in STOPWORDS:
            found.add(match.group().lower())
    return frozenset(found)


def _prompt(request: GenerationRequest) -> str:
    return request.prompt or request.messages[-1].content


def _keys(request: GenerationRequest) -> tuple[str, str]:
    """(key over everything that determines the answer, key over everything but the prompt)."""
    settings = [
        request.task_type,
        request.model_preference,
        request.max_tokens,
        request.temperature,
        request.seed,
        request.schema,
        request.labels,
        request.force_local,
        request.force_cloud,
        request.quality_floor,
        request.context,
        request.messages if request.prompt else request.messages[:-1],
    ]
    shared = json.dumps(settings, sort_keys=True, default=str)
    whole = json.dumps([shared, request.prompt, request.messages], default=str)
    return _digest(whole), _digest(shared)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
