"""How long an answer should be: a limit on output tokens and a sentence that asks for it, by kind of work."""

from __future__ import annotations

from typing import NamedTuple

_SHARES = {"classify": 0.02, "extract": 0.25, "summarise": 0.3, "answer": 0.15}
_LEAST = {"classify": 12, "extract": 80, "summarise": 80, "answer": 60}
_ASK = {
    "classify": "Answer with the label only.",
    "extract": "Answer with the values only, without remarks.",
    "summarise": "Be brief: no opening, no closing remark.",
    "answer": "Answer in one or two sentences.",
}


class Verbosity(NamedTuple):
    """A limit in tokens and the words that ask for it, empty where length is the caller's business."""

    max_tokens: int
    instruction: str


def verbosity(task_type: str, input_tokens: int, max_tokens: int, *, budget_used: float = 0.0) -> Verbosity:
    """The length that a task deserves; tighter as the budget fills, never above what the caller allowed.

    Open work (code, writing, reasoning, chat) keeps the caller's limit until 80 % of a budget are used, and half of it
    from there.
    """
    share = _SHARES.get(task_type)
    if share is None:
        return Verbosity(max(1, max_tokens // 2) if budget_used >= 0.8 else max_tokens, "")
    wanted = max(_LEAST[task_type], round(input_tokens * share))
    if budget_used >= 0.8:
        wanted = max(_LEAST[task_type], wanted // 2)
    return Verbosity(min(max_tokens, wanted), _ASK[task_type])
