"""What a model's faults are in Fairlead's words, so that retry, breaker and people react rightly."""

from __future__ import annotations

import pytest
from pydantic_ai import exceptions as ai

from fairlead.agents.llm import explain
from fairlead.errors import FairleadError
from fairlead.result import ErrorCategory as Category
from fairlead.result import StepResult


def http(status: int, category: type[ai.ModelAPIError] | None = None) -> Exception:
    return ai.ModelHTTPError.for_category(category, status_code=status, model_name="m")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("exc", "category", "retryable"),
    [
        (http(429, ai.ModelRateLimitError), Category.RATE_LIMIT, True),
        (http(429), Category.RATE_LIMIT, True),
        (http(402, ai.ModelQuotaExceededError), Category.INSUFFICIENT_RESOURCES, False),
        (http(500, ai.ModelServerError), Category.SERVICE_UNAVAILABLE, True),
        (http(503, ai.ModelUnavailableError), Category.SERVICE_UNAVAILABLE, True),
        (http(529, ai.ModelOverloadedError), Category.SERVICE_UNAVAILABLE, True),
        (http(502), Category.SERVICE_UNAVAILABLE, True),
        (http(408), Category.TIMEOUT, True),
        (http(401, ai.ModelAuthenticationError), Category.AUTHENTICATION, False),
        (http(401), Category.AUTHENTICATION, False),
        (http(403), Category.AUTHORIZATION, False),
        (http(403, ai.ModelAuthenticationError), Category.AUTHORIZATION, False),
        (http(404, ai.ModelNotFoundError), Category.NOT_FOUND, False),
        (http(400, ai.ModelContextWindowExceededError), Category.VALIDATION, False),
        (http(400), Category.VALIDATION, False),
        (ai.ModelConnectionError("m", "reset"), Category.NETWORK, True),
        (ai.ModelTimeoutError("m", "slow"), Category.TIMEOUT, True),
        (ai.ModelRequestTimeout("m", 3.0), Category.TIMEOUT, True),
        (ai.ModelAPIError("m", "something"), Category.SERVICE_UNAVAILABLE, True),
        (ai.UnexpectedModelBehavior("no output"), Category.PROCESSING, False),
        (ai.ContentFilterError("filtered"), Category.PROCESSING, False),
        (ai.UsageLimitExceeded("too much"), Category.INSUFFICIENT_RESOURCES, False),
        (ai.UserError("set up wrongly"), Category.CONFIGURATION, False),
        (ai.FallbackExceptionGroup("all", [http(401), http(429)]), Category.RATE_LIMIT, True),
    ],
)
def test_faults_have_the_category_that_decides_what_happens_next(
    exc: Exception, category: Category, retryable: bool
) -> None:
    explained = explain(exc)
    assert isinstance(explained, FairleadError)
    result = StepResult.from_exception(explained)
    assert (result.error_category, result.retryable) == (category, retryable)


def test_how_long_to_wait_is_kept() -> None:
    limited = ai.ModelHTTPError(429, "m", headers={"Retry-After": "7"})
    explained = explain(limited)
    assert explained is not None
    assert StepResult.from_exception(explained).metadata["retry_after"] == 7.0


def test_faults_of_others_are_left_alone() -> None:
    assert explain(ValueError("mine")) is None
