"""What goes wrong when fetching, as errors of the tree: what may pass is told from what will not. No message holds a
secret: of an address only what cannot be one is shown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from urllib.parse import unquote, urlsplit

from fairlead.errors import (
    FairleadError,
    ForbiddenError,
    NotFoundError,
    RateLimitedError,
    RefusedError,
    RetryError,
    StepTimeoutError,
    UnavailableError,
)

LONGEST_RETRY_AFTER = 86_400.0
_SPOKEN = re.compile(
    r"(?i)tok|key|sig|secret|pass|pwd|auth|sess|jwt|code|access|cred|expire|policy|hash|hmac|signature|private"
)
_RANDOM = re.compile(r"(?=[^/]*\d)(?=[^/]*[A-Za-z])[A-Za-z0-9_\-+=.~%]{24,}")
_UNSHOWN = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def shown(address: str) -> str:
    """An address as messages and logs may hold it.

    Names and passwords before the host and the fragment are left out. Of a query, the values of parameters that are
    named like secrets, and all long values, become ``…``; so do long segments of the path that mix letters and digits:
    private feeds and webhooks keep their key there.
    """
    address = _UNSHOWN.sub("\ufffd", address.strip())
    if "//" not in address[:16]:
        return address if len(address) <= 200 else address[:199] + "…"
    try:
        parts = urlsplit(address)
        place = parts.netloc.rpartition("@")[2]
    except ValueError:
        return address.partition("?")[0].partition("@")[0][:200]
    path = "/".join("…" if _RANDOM.fullmatch(segment) else segment for segment in parts.path.split("/"))
    query = "&".join(_shown_pair(pair) for pair in parts.query.split("&")) if parts.query else ""
    text = f"{parts.scheme}://{place}{path}" + (f"?{query}" if query else "")
    return text if len(text) <= 300 else text[:299] + "…"


def _shown_pair(pair: str) -> str:
    name, equals, value = pair.partition("=")
    if not equals:
        return "…" if len(name) > 16 else name
    # A video's id is eleven characters; keys are longer, and short ones are named for what they are.
    return f"{name}=…" if _SPOKEN.search(unquote(name)) or len(value) > 16 else pair


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that an answer asks to wait (RFC 9110, 10.2.3), held to a day; None when it says nothing usable."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    if re.fullmatch(r"\d{1,9}(?:\.\d{1,3})?", text):
        return min(float(text), LONGEST_RETRY_AFTER)
    try:
        then = parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return min(max(0.0, then - now), LONGEST_RETRY_AFTER)


_REFUSALS: dict[int, tuple[type[RefusedError], str, str]] = {
    401: (ForbiddenError, "it asks for a login", "Give an address that is open, or the file itself."),
    402: (ForbiddenError, "it asks for payment", "Give an address that is open, or the file itself."),
    403: (ForbiddenError, "it does not allow this", "Give an address that is open, or the file itself."),
    404: (NotFoundError, "nothing is there", "Check the address."),
    410: (NotFoundError, "it was there and is gone", "Remove it from what is watched."),
    451: (ForbiddenError, "it may not be shown for legal reasons", "Use another source."),
}


def error_of_status(status: int, address: str, headers: Mapping[str, str], now: float) -> FairleadError:
    """The error that a status of 3xx to 5xx means."""
    where = shown(address)
    fields = {"status": status, "url": where}
    wait = retry_after(headers, now)
    if wait is not None:
        fields["retry_after"] = wait
    if status in (429, 425):
        asked = f" and asks to wait {wait:g} s" if wait is not None else ""
        return RateLimitedError(f"{where} answered {status}{asked}.", remedy="Try again later.", **fields)
    if status == 408:
        return StepTimeoutError(f"{where} answered 408: the request took too long.", remedy="Try again.", **fields)
    if status >= 500 and status not in (501, 505):
        return UnavailableError(f"{where} answered {status}.", remedy="Try again later.", **fields)
    kind, why, remedy = _REFUSALS.get(status, (RefusedError, "it refuses the request", "Check the address."))
    return kind(f"{where} answered {status}: {why}.", remedy=remedy, **fields)


def wait_before(attempt: int, error: RetryError, draw: float) -> float:
    """Seconds before the next attempt, after the ``attempt``-th failed: a half, one, two ... spread by ``draw`` (0 to
    1), and never less than the other side asked for."""
    wait = 0.5 * 2.0 ** min(attempt - 1, 10) * (0.5 + draw)
    return max(wait, float(error.fields.get("retry_after", 0.0)))
