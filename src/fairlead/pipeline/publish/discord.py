"""Posting to a Discord webhook, each message once.

A message's start is written down before it is sent and its end after, so that a crash in between is known as such and
nothing is posted twice by accident. The webhook's token is a password: it is in no message, event or error.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol
from urllib.parse import parse_qs, urlsplit

from fairlead.clock import Clock
from fairlead.errors import (
    EffectUnknownError,
    FairleadError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    RateLimitedError,
    RefusedError,
    UnavailableError,
)
from fairlead.pipeline.fetch import Fetched, Fetcher
from fairlead.pipeline.fetch.failures import retry_after

LONGEST_WAIT_SECONDS = 120.0
_MOST_TRIES = 5
_PATH = re.compile(r"/api(?:/v\d{1,2})?/webhooks/(\d{1,24})/([A-Za-z0-9_-]{8,128})/?")


class Webhook(NamedTuple):
    """A webhook's address. What may be shown of it is ``id``; ``url`` holds the token."""

    id: str
    url: str

    def __repr__(self) -> str:
        return f"Webhook(id={self.id!r})"


class Publications(Protocol):
    """What was posted of a run, durably."""

    def begin(self, digest: str, facts: Mapping[str, Any], *, again: bool) -> str:
        """Notes that a message is about to be posted and returns ``""``; where it was posted before ``completed``, and
        where it was begun and nobody knows how it ended ``started``. With ``again`` it is always noted."""

    def end(self, digest: str, facts: Mapping[str, Any], *, posted: bool) -> None:
        """Notes that the message was posted, or that it was refused and was not."""


def parse_webhook(address: str) -> Webhook:
    """The webhook of an address as Discord shows it; a thread may be named with ``?thread_id=``."""
    parts = urlsplit(address.strip())
    found = _PATH.fullmatch(parts.path)
    if parts.scheme not in ("http", "https") or not found or "@" in parts.netloc:
        # What was given is left out: it may be a webhook all the same, with its token.
        raise InvalidInputError(
            "the webhook's address cannot be used.",
            remedy="Copy it in Discord: https://discord.com/api/webhooks/ID/TOKEN.",
            field="webhook",
        )
    thread = parse_qs(parts.query).get("thread_id", [""])[0]
    more = f"&thread_id={thread}" if thread.isascii() and thread.isdigit() and len(thread) < 25 else ""
    return Webhook(found[1], f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}?wait=true{more}")


async def publish(
    payloads: Sequence[Mapping[str, Any]],
    webhook: Webhook,
    fetcher: Fetcher,
    publications: Publications,
    clock: Clock,
    *,
    again: bool = False,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> list[dict[str, Any]]:
    """Posts what was not posted yet; for each payload ``{number, posted, id}``, ``posted`` false for those of before.

    :class:`EffectUnknownError` where a message was begun and never ended: a person looks whether it is there. With
    ``again`` it is posted all the same, and so is what was posted before.
    """
    outcomes: list[dict[str, Any]] = []
    for number, payload in enumerate(payloads, 1):
        body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
        facts = {"place": "discord", "webhook": webhook.id, "number": number, "of": len(payloads)}
        digest = hashlib.sha256(webhook.id.encode() + b"\n" + str(number).encode() + b"\n" + body).hexdigest()[:32]
        known = await asyncio.to_thread(publications.begin, digest, facts, again=again)
        if known == "started":
            raise EffectUnknownError(
                f"message {number} of {len(payloads)} was begun before and nobody knows whether it was posted.",
                remedy="Look in the channel; --again posts what is missing or repeats it.",
                number=number,
            )
        if known == "completed":
            outcomes.append({"number": number, "posted": False, "id": ""})
            continue
        try:
            answer = await _post(body, webhook, fetcher, clock, sleep)
        except FairleadError as exc:
            if isinstance(exc, (RefusedError, RateLimitedError)) or exc.fields.get("reached") is False:
                await asyncio.to_thread(publications.end, digest, facts, posted=False)
            raise
        identity = _id_of(answer)
        await asyncio.to_thread(publications.end, digest, {**facts, "message": identity}, posted=True)
        outcomes.append({"number": number, "posted": True, "id": identity})
    return outcomes


async def _post(
    body: bytes, webhook: Webhook, fetcher: Fetcher, clock: Clock, sleep: Callable[[float], Awaitable[None]]
) -> Fetched:
    """Posts until it is taken. Only a refusal for the rate is tried again: it alone says that nothing was done."""
    waited = 0.0
    for _ in range(_MOST_TRIES):
        answer = await fetcher.post(webhook.url, body, content_type="application/json")
        if answer.status != 429:
            break
        wait = _wait_of(answer, clock.now())
        waited += wait
        if waited > LONGEST_WAIT_SECONDS:
            raise RateLimitedError(
                f"webhook {webhook.id} asks to wait {wait:g} s.", remedy="Publish again later.", retry_after=wait
            )
        await sleep(wait)
    if answer.status == 429:
        raise RateLimitedError(f"webhook {webhook.id} is called too often.", remedy="Publish again later.")
    if 200 <= answer.status < 300:
        return answer
    raise _refusal(answer, webhook)


def _wait_of(answer: Fetched, now: float) -> float:
    """Seconds to wait: the longer of what the body and the headers say, and a second when neither says anything."""
    waits = [retry_after(answer.headers, now) or 0.0]
    stated = _json(answer).get("retry_after")
    if isinstance(stated, (int, float)) and not isinstance(stated, bool) and 0 <= stated < 1e6:
        waits.append(float(stated))
    return max(waits) or 1.0


def _refusal(answer: Fetched, webhook: Webhook) -> RefusedError | UnavailableError:
    said = _json(answer).get("message")
    why = f": {said[:200].rstrip('.')}" if isinstance(said, str) and said else ""
    fields = {"status": answer.status, "webhook": webhook.id}
    message = f"Discord answered {answer.status} for webhook {webhook.id}{why}."
    if answer.status == 404:
        return NotFoundError(message, remedy="Make a new webhook in the channel's settings.", **fields)
    if answer.status in (401, 403):
        return ForbiddenError(message, remedy="Check the webhook's address.", **fields)
    if answer.status >= 500:
        return UnavailableError(message, remedy="Look whether it was posted, then use --again.", **fields)
    return RefusedError(message, remedy="Nothing was posted.", **fields)


def _json(answer: Fetched) -> Mapping[str, Any]:
    try:
        value = json.loads(answer.body[:100_000])
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _id_of(answer: Fetched) -> str:
    found = _json(answer).get("id")
    return found if isinstance(found, str) and re.fullmatch(r"\d{1,24}", found) else ""
