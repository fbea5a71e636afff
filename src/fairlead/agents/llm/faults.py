"""What went wrong with a model, in the words of Fairlead's error tree, so that retry and breaker know what to do."""

from __future__ import annotations

from typing import Any

from pydantic_ai import exceptions as ai

from fairlead.errors import (
    BudgetError,
    FairleadError,
    ForbiddenError,
    InvalidInputError,
    NetworkError,
    NotFoundError,
    RateLimitedError,
    RefusedError,
    StepTimeoutError,
    UnavailableError,
)


class AuthenticationFailedError(RefusedError):
    """A model provider does not accept the credentials."""

    category = "authentication"
    http_status = 401


class ModelMisbehavedError(FairleadError):
    """A model answered, but with nothing that can be used."""

    category = "processing"
    http_status = 502


class AgentConfigurationError(RefusedError):
    """An agent is set up in a way that cannot work."""

    category = "configuration"


_REACTIONS: tuple[tuple[type[BaseException], type[FairleadError], str], ...] = (
    (ai.ModelRateLimitError, RateLimitedError, ""),
    (ai.ModelQuotaExceededError, BudgetError, "Raise the quota or credit of the account, or use another model."),
    (ai.ModelAuthenticationError, AuthenticationFailedError, "Check the key of the provider."),
    (ai.ModelNotFoundError, NotFoundError, "Check the name of the model and the address of the provider."),
    (ai.ModelContextWindowExceededError, InvalidInputError, "Shorten the input or use a model with a larger window."),
    (ai.ModelTimeoutError, StepTimeoutError, ""),
    (ai.ModelRequestTimeout, StepTimeoutError, ""),
    (ai.ModelConnectionError, NetworkError, ""),
    (ai.ModelUnavailableError, UnavailableError, ""),
    (ai.ModelServerError, UnavailableError, ""),
    (ai.ModelRequestRejectedError, InvalidInputError, "See the provider's message."),
    (ai.RunTimedOut, StepTimeoutError, ""),
    (ai.UsageLimitExceeded, BudgetError, "Raise the agent's usage limits."),
    (ai.ConcurrencyLimitExceeded, UnavailableError, ""),
    (ai.UnexpectedModelBehavior, ModelMisbehavedError, ""),
    (ai.UserError, AgentConfigurationError, ""),
)
"""From the particular to the general; the first that fits decides."""


def explain(exc: Exception) -> FairleadError | None:
    """The error of the tree for an exception of pydantic-ai; None for one that is not its own.

    A plain HTTP error without a category is judged by its status. When several models were tried one after the other,
    the last one's fault decides.
    """
    if isinstance(exc, ai.FallbackExceptionGroup):
        inner = exc.exceptions[-1]
        return explain(inner) if isinstance(inner, Exception) else None
    kind, remedy = _reaction(exc)
    if kind is None:
        return None
    fields: dict[str, Any] = {}
    if isinstance(exc, ai.ModelAPIError):
        fields["model"] = exc.model_name
        if exc.retry_after is not None:
            fields["retry_after"] = exc.retry_after
    if isinstance(exc, ai.ModelHTTPError):
        fields["status"] = exc.status_code
    return kind(f"{type(exc).__name__}: {exc}", remedy=remedy, **fields)


def _reaction(exc: Exception) -> tuple[type[FairleadError] | None, str]:
    if isinstance(exc, ai.ModelHTTPError) and exc.status_code == 403:
        return ForbiddenError, "Check what the key of the provider may do."
    for kind, reaction, remedy in _REACTIONS:
        if isinstance(exc, kind):
            return reaction, remedy
    if isinstance(exc, ai.ModelHTTPError):
        return _of_status(exc.status_code), ""
    if isinstance(exc, ai.ModelAPIError):
        return UnavailableError, ""
    if isinstance(exc, ai.AgentRunError):
        return ModelMisbehavedError, ""
    return None, ""


def _of_status(status: int) -> type[FairleadError]:
    known: dict[int, type[FairleadError]] = {
        401: AuthenticationFailedError,
        402: BudgetError,
        404: NotFoundError,
        408: StepTimeoutError,
        429: RateLimitedError,
    }
    if status in known:
        return known[status]
    return UnavailableError if status >= 500 else InvalidInputError
