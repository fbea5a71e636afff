"""Verifiers: whether an answer is good enough, or the next model should be asked. Each is a plain function.

A cascade (Chen, Zaharia and Zou, "FrugalGPT", 2023) asks a cheap model first and pays for a better one only when the
answer does not pass. What is rejected was still paid for and is billed as such.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from fairlead.gateway.local.text import content_stems
from fairlead.gateway.messages import GenerationRequest


class Verdict(NamedTuple):
    """``score`` from 0 to 1 where the verifier has one; ``reason`` when the answer did not pass."""

    passed: bool
    reason: str = ""
    score: float = 1.0


Verifier = Callable[[GenerationRequest, str], Verdict]

_REFUSALS = re.compile(
    r"^\W*(?:i(?:'m| am) (?:sorry|unable|not able)|i can(?:'t|not)|as an ai\b|sorry, (?:but )?i)", re.IGNORECASE
)


def not_empty(request: GenerationRequest, content: str) -> Verdict:
    """The answer has text in it and does not open by declining."""
    if not content.strip():
        return Verdict(False, "the answer is empty", 0.0)
    if _REFUSALS.match(content):
        return Verdict(False, "the model declined", 0.0)
    return Verdict(True)


def meets_schema(request: GenerationRequest, content: str) -> Verdict:
    """The answer is JSON that meets the request's schema; passes when there is none."""
    if request.schema is None:
        return Verdict(True)
    import json

    try:
        value = json.loads(unfenced(content))
    except ValueError as exc:
        return Verdict(False, f"the answer is not JSON: {exc}", 0.0)
    fault = schema_fault(value, request.schema)
    return Verdict(not fault, fault, 0.0 if fault else 1.0)


def names_a_label(request: GenerationRequest, content: str) -> Verdict:
    """A classification names exactly one of the labels; passes when there are none."""
    if not request.labels:
        return Verdict(True)
    names = [label.split(":", 1)[0].strip().lower() for label in request.labels]
    text = content.lower()
    hits = [name for name in names if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text)]
    if len(hits) == 1:
        return Verdict(True)
    return Verdict(False, f"the answer names {len(hits)} of the labels instead of one", 0.0)


def usual(request: GenerationRequest, content: str) -> Verdict:
    """What is always checked: text, schema and labels."""
    return all_of(not_empty, meets_schema, names_a_label)(request, content)


def all_of(*verifiers: Verifier) -> Verifier:
    """Passes when all pass; the first failure speaks."""

    def check(request: GenerationRequest, content: str) -> Verdict:
        score = 1.0
        for verifier in verifiers:
            verdict = verifier(request, content)
            if not verdict.passed:
                return verdict
            score = min(score, verdict.score)
        return Verdict(True, "", score)

    return check


def agreement(answers: Sequence[str], *, least: float = 0.6) -> Verdict:
    """Self-consistency (Wang et al., ICLR 2023): the share of sampled answers that agree with the commonest one.

    Short answers must be alike after normalising; longer ones agree when half of their content words are shared.
    """
    if len(answers) < 2:
        return Verdict(False, "agreement needs two answers or more", 0.0)
    share = max(_supporters(answers)) / len(answers)
    return Verdict(share >= least, "" if share >= least else f"only {share:.0%} of the answers agree", share)


def closest(answers: Sequence[str]) -> int:
    """Which answer most of the others agree with; the first of several."""
    counts = _supporters(answers)
    return counts.index(max(counts))


def _supporters(answers: Sequence[str]) -> list[int]:
    forms = [" ".join(sorted(set(content_stems(a)))) for a in answers]
    return [sum(_alike(a, b) for b in forms) for a in forms]


def likely(logprobs: Sequence[float], *, least: float = 0.5) -> Verdict:
    """The geometric mean of the tokens' probabilities reaches ``least``."""
    if not logprobs:
        return Verdict(False, "the model returned no log-probabilities", 0.0)
    mean = math.exp(sum(logprobs) / len(logprobs))
    return Verdict(mean >= least, "" if mean >= least else f"mean token probability {mean:.2f} is low", mean)


def _alike(a: str, b: str) -> bool:
    if a == b:
        return True
    left, right = Counter(a.split()), Counter(b.split())
    if max(left.total(), right.total()) <= 3:
        return False
    return 2 * (left & right).total() >= max(left.total(), right.total())


def unfenced(content: str) -> str:
    """An answer without the fence that models like to put around JSON."""
    match = re.match(r"\s*```(?:json)?\s*\n(.*?)\n?\s*```\s*\Z", content, re.DOTALL)
    return match.group(1) if match else content


_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def schema_fault(value: Any, schema: Mapping[str, Any], where: str = "$") -> str:
    """The first way in which a value breaks a JSON Schema, or an empty string.

    Knows type, enum, const, required, properties, additionalProperties, items, minItems, minLength, minimum, maximum,
    pattern and anyOf: what models are asked for. Other keywords are not checked.
    """
    kinds = schema.get("type")
    if kinds is not None:
        allowed = [kinds] if isinstance(kinds, str) else list(kinds)
        if not any(_is(value, kind) for kind in allowed):
            return f"{where} is {type(value).__name__}, not {' or '.join(allowed)}"
    if "enum" in schema and value not in schema["enum"]:
        return f"{where} is not one of {schema['enum']!r}"
    if "const" in schema and value != schema["const"]:
        return f"{where} is not {schema['const']!r}"
    if "anyOf" in schema and all(schema_fault(value, s, where) for s in schema["anyOf"]):
        return f"{where} meets none of the alternatives"
    return _within(value, schema, where) or _bounds(value, schema, where)


def _within(value: Any, schema: Mapping[str, Any], where: str) -> str:
    if isinstance(value, dict):
        for name in schema.get("required", ()):
            if name not in value:
                return f"{where}.{name} is missing"
        properties = schema.get("properties", {})
        for name, part in value.items():
            if name in properties:
                fault = schema_fault(part, properties[name], f"{where}.{name}")
                if fault:
                    return fault
            elif schema.get("additionalProperties") is False:
                return f"{where}.{name} is not allowed"
    if isinstance(value, list) and "items" in schema:
        for n, part in enumerate(value):
            fault = schema_fault(part, schema["items"], f"{where}[{n}]")
            if fault:
                return fault
    return ""


def _bounds(value: Any, schema: Mapping[str, Any], where: str) -> str:
    if isinstance(value, list) and len(value) < schema.get("minItems", 0):
        return f"{where} has fewer than {schema['minItems']} items"
    if isinstance(value, str):
        if len(value) < schema.get("minLength", 0):
            return f"{where} is shorter than {schema['minLength']}"
        if "pattern" in schema and not re.search(schema["pattern"], value):
            return f"{where} does not match {schema['pattern']!r}"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if value < schema.get("minimum", value):
            return f"{where} is below {schema['minimum']}"
        if value > schema.get("maximum", value):
            return f"{where} is above {schema['maximum']}"
    return ""


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES.get(kind, (object,)))
