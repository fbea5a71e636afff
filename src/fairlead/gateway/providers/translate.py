"""Provider clients' errors in our tree, without secrets, and with what retrying and billing need to know."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fairlead.errors import (
    FairleadError,
    ForbiddenError,
    MissingDependencyError,
    NetworkError,
    NotFoundError,
    RateLimitedError,
    RefusedError,
    StepTimeoutError,
    UnavailableError,
)
from fairlead.gateway.redaction import redact


def translated(exc: Exception, model: str, secrets: Iterable[str] = ()) -> FairleadError:
    """The error that a failed model request becomes.

    ``fields['sent']`` is true when the provider may have worked on the request, so that it may have been billed;
    ``fields['retry_after']`` holds the seconds that the provider asked for.
    """
    from pydantic_ai import exceptions as theirs

    if isinstance(exc, FairleadError):
        return exc
    text = redact(str(exc) or type(exc).__name__, secrets)
    status = getattr(exc, "status_code", None)
    fields: dict[str, Any] = {"model": model, "status": status}
    if isinstance(exc, theirs.ModelAPIError):
        return _from_api(exc, model, text, fields)
    if isinstance(exc, TimeoutError):
        return StepTimeoutError(f"{model} did not answer in time.", sent=True, **fields)
    if isinstance(exc, (theirs.UnexpectedModelBehavior, ValueError)):
        # The answer came and could not be read: the provider did the work, and another try may go better.
        return UnavailableError(f"{model} answered with something that cannot be read: {text}", sent=True, **fields)
    if isinstance(exc, theirs.UserError):
        return RefusedError(f"{model} cannot be called: {text}", remedy="Check its configuration and key.", **fields)
    if isinstance(exc, ImportError):
        return MissingDependencyError(
            f"the client of {model} is not installed: {text}",
            remedy=f"Install it: pip install 'pydantic-ai-slim[{model.partition(':')[0]}]'.",
            **fields,
        )
    # Transport libraries raise their own kinds while a body is read; all of them are a connection that broke.
    return NetworkError(f"the connection to {model} failed: {text}", sent=True, **fields)


def _from_api(exc: Exception, model: str, text: str, fields: dict[str, Any]) -> FairleadError:
    from pydantic_ai import exceptions as theirs

    retry_after = getattr(exc, "retry_after", None)
    status = fields["status"]
    if isinstance(exc, theirs.ModelQuotaExceededError):
        return ForbiddenError(f"{model}: the account's quota is used up: {text}", remedy="Check its billing.", **fields)
    if isinstance(exc, theirs.ModelRateLimitError) or status == 429:
        return RateLimitedError(f"{model} asked for fewer calls: {text}", retry_after=retry_after, **fields)
    if isinstance(exc, theirs.ModelTimeoutError):
        sent = getattr(exc, "phase", None) not in ("pool", "connect")
        return StepTimeoutError(f"{model} did not answer in time: {text}", sent=sent, **fields)
    if isinstance(exc, theirs.ModelConnectionError):
        sent = getattr(exc, "phase", None) == "read"
        return NetworkError(f"the connection to {model} failed: {text}", sent=sent, **fields)
    if isinstance(exc, theirs.ModelAuthenticationError):
        return ForbiddenError(f"{model} refused the key: {text}", remedy="Check the provider's key.", **fields)
    if isinstance(exc, theirs.ModelNotFoundError):
        return NotFoundError(f"the provider has no {model}: {text}", remedy="See `fairlead model list`.", **fields)
    if isinstance(exc, theirs.ModelContextWindowExceededError):
        return RefusedError(f"the request is too long for {model}: {text}", remedy="Shorten it.", **fields)
    if isinstance(exc, theirs.ModelRequestRejectedError):
        return RefusedError(f"{model} rejected the request: {text}", remedy="Change the request.", **fields)
    # Without a status there was an answer, and it could not be read: the provider did the work.
    sent = bool(getattr(exc, "in_stream", False)) or status is None
    return UnavailableError(f"{model} failed: {text}", retry_after=retry_after, sent=sent, **fields)
