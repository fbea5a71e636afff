"""Keeping secrets out of errors, events and logs: what a provider says is cleaned before anybody sees it."""

from __future__ import annotations

import re
from collections.abc import Iterable

_MASK = "[redacted]"
_PATTERNS = (
    re.compile(r"\b(?:sk|pk|rk|xai|gsk|key|ghp|gho|hf|pplx|r8|AIza)[-_]?[A-Za-z0-9_-]{12,}"),
    re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"),
    re.compile(
        r"(?i)(\"?(?:api[-_]?key|authorization|x-api-key|access[-_]?token|secret|password)\"?\s*[:=]\s*\"?)[^\s\",}]{4,}"
    ),
    re.compile(r"(?i)(https?://)[^\s/@:]+:[^\s/@]+@"),
    re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{4,}"),
)
_LONGEST = 600


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """``text`` without the given secrets and without anything shaped like one, cut to a readable length."""
    for secret in secrets:
        if len(secret) >= 6:
            text = text.replace(secret, _MASK)
    for pattern in _PATTERNS:
        text = pattern.sub(lambda m: (m.group(1) if m.lastindex else "") + _MASK, text)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " …"
