"""The model ``local/extractive``: summarises, answers, classifies and extracts by choosing from the text it is given.

It never writes a sentence of its own. What needs writing is refused with the remedy in the text; an answer that the
text does not hold is said to be absent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from fairlead.errors import RefusedError
from fairlead.gateway.local.answer import best_answer
from fairlead.gateway.local.classify import classify
from fairlead.gateway.local.extract import extract, extract_fields
from fairlead.gateway.local.summarise import summarise
from fairlead.gateway.messages import GenerationRequest

NO_ANSWER = "The text does not hold an answer."

_TASK_WORDS = (
    ("summarise", re.compile(r"\b(?:summari[sz]e|summary|tl;?dr|key points|shorten|condense|gist)\b", re.I)),
    (
        "classify",
        re.compile(
            r"\b(?:classify|categori[sz]e|which (?:category|class|label)|label (?:this|the)|sentiment of)\b", re.I
        ),
    ),
    (
        "extract",
        re.compile(
            r"\b(?:extract|list (?:all |the )?(?:names|dates|e-?mails|urls|links|amounts|entities|numbers)|find all)\b",
            re.I,
        ),
    ),
    (
        "code",
        re.compile(
            r"\b(?:implement|refactor|debug|unit tests?|function|class|python|javascript|sql|regex|code)\b", re.I
        ),
    ),
    ("write", re.compile(r"\b(?:write|draft|compose|translate|rewrite|story|poem|essay|e-?mail to)\b", re.I)),
    ("reason", re.compile(r"\b(?:prove|solve|calculate|derive|step by step|plan)\b", re.I)),
)
_LABELS = re.compile(
    r"(?:labels?|categories|classes|one of|either)\s*(?:are|is|:)?\s*[:\[(]?\s*([^\n\])]{3,300})", re.I
)


class LocalAnswer(NamedTuple):
    """What was chosen. ``confidence`` is 0 to 1 and comparable within one task; ``evidence`` are the sentences it
    comes from, ``span`` the part of it that a question asks for."""

    content: str
    confidence: float
    evidence: tuple[str, ...] = ()
    span: str = ""


def infer_task(prompt: str, *, labels: bool = False, context: bool = False) -> str:
    """The task type that a prompt asks for; ``other`` when its words do not say."""
    if labels:
        return "classify"
    opening = prompt[:300]
    for task, pattern in _TASK_WORDS[:3]:
        if pattern.search(opening):
            return task
    asks = opening.rstrip().endswith("?") or re.match(
        r"\s*(?:who|what|when|where|why|how|which|is|are|did|does)\b", opening, re.I
    )
    if asks and (context or "\n" in prompt.strip()):
        return "answer"
    for task, pattern in _TASK_WORDS[3:]:
        if pattern.search(opening):
            return task
    return "reason" if asks else "other"


def generate(request: GenerationRequest) -> LocalAnswer:
    """Answers a request from its own text.

    Raises :class:`RefusedError` for a task that needs free generation, or that lacks the text or labels it needs.
    """
    task = request.task_type or infer_task(_prompt(request), labels=bool(request.labels), context=bool(request.context))
    question, text = _split(request)
    if task == "summarise":
        chosen = summarise(_need(text, "text to summarise"), max_tokens=request.max_tokens)
        return LocalAnswer(" ".join(chosen), 1.0 if chosen else 0.0, tuple(chosen))
    if task == "answer":
        found = best_answer(question, _need(text, "text to answer from"))
        return LocalAnswer(found.text or NO_ANSWER, found.confidence, (found.text,) if found.text else (), found.span)
    if task == "classify":
        labels = request.labels or _labels_in(_prompt(request))
        label, confidence = classify(_need(text or question, "text to classify"), _need_labels(labels))
        return LocalAnswer(label, confidence)
    if task == "extract":
        import json

        source = _need(text, "text to extract from")
        found_values: Mapping[str, Any] = extract_fields(source, request.schema) if request.schema else extract(source)
        return LocalAnswer(json.dumps(found_values, ensure_ascii=False), 1.0 if found_values else 0.0)
    raise RefusedError(
        f"local/extractive cannot do {task!r}: it chooses from a given text and does not write text of its own.",
        remedy=(
            "Configure a provider (a key such as OPENAI_API_KEY and a model in FAIRLEAD_MODELS) or a local server "
            "(for example Ollama under [providers] in gateway.toml), or ask it to summarise, answer, classify or "
            "extract."
        ),
        task=task,
        model="local/extractive",
    )


def _prompt(request: GenerationRequest) -> str:
    if request.prompt:
        return request.prompt
    return next((m.content for m in reversed(request.messages) if m.role == "user"), "")


def _split(request: GenerationRequest) -> tuple[str, str]:
    """(instruction, text to work on). Without a context the text is what stands behind the instruction."""
    prompt = _prompt(request).strip()
    if request.context.strip():
        return prompt, request.context
    for separator in ("\n\n", "\n", ": "):
        head, found, tail = prompt.partition(separator)
        if found and tail.strip():
            # A question may also stand behind its text.
            last = tail.rstrip().rpartition("\n")[2]
            if separator != ": " and last.endswith("?") and not head.rstrip().endswith("?"):
                return last, prompt[: prompt.rindex(last)]
            return head, tail
    return prompt, ""


def _need(text: str, what: str) -> str:
    if not text.strip():
        raise RefusedError(
            f"there is no {what}.", remedy="Give it as `context`, or behind the instruction after an empty line."
        )
    return text


def _need_labels(labels: tuple[str, ...]) -> tuple[str, ...]:
    if len(labels) < 2:
        raise RefusedError("there are no labels to choose from.", remedy="Give two or more as `labels`.")
    return labels


def _labels_in(prompt: str) -> tuple[str, ...]:
    match = _LABELS.search(prompt)
    if match is None:
        return ()
    parts = re.split(r",|;|/|\bor\b|\band\b", match.group(1))
    return tuple(p.strip(" .'\"") for p in parts if p.strip(" .'\""))
