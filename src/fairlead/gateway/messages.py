"""What goes in and what comes out: a request, its messages, and the answer with its bill."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from fairlead.errors import InvalidInputError
from fairlead.gateway.prices import Usage, dollars, to_nano

TASK_TYPES = ("summarise", "answer", "classify", "extract", "code", "write", "reason", "chat", "other")
"""Kinds of work that routing, caching and reports keep apart. Other words are allowed and form their own kind."""


class Message(NamedTuple):
    """One turn: ``role`` is ``system``, ``user`` or ``assistant``."""

    role: str
    content: str


class GenerationRequest(NamedTuple):
    """What is asked for.

    ``model_preference`` is ``auto`` or the id of a model. ``force_local`` and ``force_cloud`` narrow the choice;
    ``fallback_allowed`` lets another model answer when the chosen one fails. ``cost_limit`` is the most that this
    request may cost in US dollars. ``quality_floor`` is the least expected quality (0 to 1) that the router accepts,
    None for the policy's. ``schema`` is a JSON Schema that the answer must meet. ``labels`` are the classes of a
    classification and ``context`` the text that an answer or summary is made from. ``cache`` is ``auto``, ``off``,
    ``exact`` or ``semantic``; ``timeout`` is in seconds. ``compress`` shortens the context and asks for an answer no
    longer than the work needs. ``samples`` above 1 asks as many times and takes the answer that most agree with;
    ``least_probability`` turns an answer down whose tokens were less likely on average (providers that return
    log-probabilities only).
    """

    prompt: str = ""
    model_preference: str = "auto"
    max_tokens: int = 1000
    temperature: float = 0.7
    force_local: bool = False
    force_cloud: bool = False
    fallback_allowed: bool = True
    cost_limit: float | None = None
    task_type: str = ""
    messages: tuple[Message, ...] = ()
    context: str = ""
    labels: tuple[str, ...] = ()
    schema: Mapping[str, Any] | None = None
    quality_floor: float | None = None
    cache: str = "auto"
    compress: bool = False
    samples: int = 1
    least_probability: float | None = None
    seed: int | None = None
    timeout: float = 120.0

    def checked(self) -> GenerationRequest:
        """This request when its fields can be used; :class:`InvalidInputError` names the one that cannot."""
        if not self.prompt.strip() and not any(m.content.strip() for m in self.messages):
            raise _bad("prompt", self.prompt, "Give a prompt or messages with text.")
        if self.force_local and self.force_cloud:
            raise _bad("force_cloud", True, "Choose one of force_local and force_cloud.")
        if not 1 <= self.samples <= 20:
            raise _bad("samples", self.samples, "Give 1 to 20.")
        if self.least_probability is not None and not 0 < self.least_probability <= 1:
            raise _bad("least_probability", self.least_probability, "Give a number above 0, up to 1.")
        if self.max_tokens < 1:
            raise _bad("max_tokens", self.max_tokens, "Give 1 or more.")
        if not 0 <= self.temperature <= 2:
            raise _bad("temperature", self.temperature, "Give a number from 0 to 2.")
        if self.cost_limit is not None:
            to_nano(self.cost_limit)
        if self.quality_floor is not None and not 0 <= self.quality_floor <= 1:
            raise _bad("quality_floor", self.quality_floor, "Give a number from 0 to 1.")
        if self.cache not in ("auto", "off", "exact", "semantic"):
            raise _bad("cache", self.cache, "Choose auto, off, exact or semantic.")
        if self.timeout <= 0:
            raise _bad("timeout", self.timeout, "Give seconds above 0.")
        for message in self.messages:
            if message.role not in ("system", "user", "assistant"):
                raise _bad("messages", message.role, "Roles are system, user and assistant.")
        return self

    def turns(self) -> tuple[Message, ...]:
        """All messages, with context and prompt as the last turn of the user."""
        if not self.prompt:
            return self.messages
        text = f"{self.context}\n\n{self.prompt}" if self.context else self.prompt
        return (*self.messages, Message("user", text))

    def text(self) -> str:
        """Everything that is sent, for counting and for features."""
        return "\n".join(m.content for m in self.turns())


class Attempt(NamedTuple):
    """One call that was made for a request, good or not."""

    call_id: str
    model: str
    outcome: str
    cost_nano: int | None
    usage: Usage
    error: str = ""
    category: str = ""


class GenerationResponse(NamedTuple):
    """What came back. Failed attempts are in ``attempts`` and in ``cost``, which is None when a price is unknown.

    ``response_time`` is in seconds; ``model_type`` is ``local_opensource``, ``local_commercial`` or
    ``cloud_<provider>``; ``cached`` is empty, ``exact`` or ``semantic``; ``shortened`` reports what was left out of the
    context and the handle that brings it back.
    """

    content: str
    model_used: str
    model_type: str
    usage: Usage
    cost_nano: int | None
    response_time: float
    success: bool
    request_id: str
    error_message: str = ""
    error_category: str = ""
    fallback_used: bool = False
    cached: str = ""
    decision: Any = None
    attempts: tuple[Attempt, ...] = ()
    native: Any = None
    shortened: Any = None

    @property
    def tokens_saved(self) -> int:
        """Tokens that shortening the context saved."""
        return 0 if self.shortened is None else int(self.shortened.tokens_saved)

    @property
    def tokens_used(self) -> int:
        return self.usage.total_tokens

    @property
    def cost(self) -> float | None:
        """US dollars over all attempts; None when a price is unknown."""
        return dollars(self.cost_nano)

    def to_dict(self) -> dict[str, Any]:
        return {
            "content": self.content,
            "model_used": self.model_used,
            "model_type": self.model_type,
            "tokens_used": self.tokens_used,
            "usage": self.usage._asdict(),
            "cost": self.cost,
            "response_time": self.response_time,
            "success": self.success,
            "error_message": self.error_message,
            "error_category": self.error_category,
            "fallback_used": self.fallback_used,
            "cached": self.cached,
            "request_id": self.request_id,
            "tokens_saved": self.tokens_saved,
            "shortened": self.shortened.to_dict() if self.shortened is not None else None,
            "attempts": [{**a._asdict(), "usage": a.usage._asdict()} for a in self.attempts],
            "decision": self.decision.to_dict() if self.decision is not None else None,
        }


def _bad(field: str, value: Any, remedy: str) -> InvalidInputError:
    return InvalidInputError(f"{field} {value!r} cannot be used.", remedy=remedy, field=field, value=value)
