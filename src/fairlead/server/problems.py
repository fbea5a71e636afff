"""Failures as RFC 9457 problem documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from fairlead.errors import FairleadError, RateLimitedError, RefusedError, RetryError

MEDIA_TYPE = "application/problem+json"


class UnauthorisedError(RefusedError):
    """The caller is not known: no key, or one that is unknown, ended or expired."""

    category = "authentication"
    http_status = 401


class BadRequestError(RefusedError):
    """The request cannot be read."""

    http_status = 400


class TooLargeError(RefusedError):
    """The request has more bytes than are accepted."""

    http_status = 413


class TooSlowError(RefusedError):
    """The request was not sent in time."""

    category = "timeout"
    http_status = 408


class HeadTooLargeError(RefusedError):
    """The line and the headers of the request have more bytes than are accepted."""

    http_status = 431


class NotReadableError(RefusedError):
    """The body of the request is in a form that is not read."""

    http_status = 415


class ChangedError(RefusedError):
    """What the request names is not as the caller last saw it."""

    http_status = 412


class UnconditionalError(RefusedError):
    """The key may change things only as it has seen them, and the request does not say how that was."""

    http_status = 428


class NotOfferedError(RefusedError):
    """The interface exists and the part behind it does not."""

    category = "configuration"
    http_status = 501


def problem(exc: FairleadError, request_id: str) -> dict[str, Any]:
    """The document: ``type`` names the class, ``detail`` the facts, ``remedy`` what to do."""
    name = type(exc).__name__
    return {
        "type": f"urn:fairlead:error:{name}",
        "title": (type(exc).__doc__ or name).partition("\n")[0].rstrip("."),
        "status": exc.http_status,
        "detail": exc.message,
        "instance": f"urn:fairlead:request:{request_id}",
        "code": name,
        "category": exc.category,
        "remedy": exc.remedy,
        "fields": exc.fields,
    }


def problem_bytes(exc: FairleadError, request_id: str) -> bytes:
    return orjson.dumps(problem(exc, request_id), default=str, option=orjson.OPT_NON_STR_KEYS)


def problem_headers(exc: FairleadError) -> Mapping[str, str]:
    """Headers that belong to the status."""
    headers = {"content-type": MEDIA_TYPE}
    if exc.http_status == 401:
        headers["www-authenticate"] = 'Bearer realm="fairlead"'
    after = exc.fields.get("retry_after")
    if isinstance(exc, RateLimitedError) or exc.http_status == 503 or after is not None:
        headers["retry-after"] = str(max(1, round(float(after or 1))))
    if isinstance(exc, RetryError) and exc.http_status == 409:
        headers["retry-after"] = "1"
    return headers


PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code", "category"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "code": {"type": "string"},
        "category": {"type": "string"},
        "remedy": {"type": "string"},
        "fields": {"type": "object"},
    },
}
