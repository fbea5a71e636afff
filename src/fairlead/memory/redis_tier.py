"""The second tier in Redis. Needs the extra ``redis``; when the server is gone, recall goes on without it."""

from __future__ import annotations

import hashlib
import logging
from typing import Any

from fairlead.errors import MissingDependencyError
from fairlead.memory.tiers import TierStats

_log = logging.getLogger(__name__)
_PREFIX = "fairlead:memory:"
_REST_SECONDS = 5.0


class RedisTier:
    """Answers under ``fairlead:memory:<digest of the namespace>:<digest of the question>``, each with its own expiry.

    ``monotonic`` gives seconds from any point. After a failure the server is left alone for five seconds, so that a
    dead one costs a recall nothing; each failure is counted and the first of a row is logged.
    """

    def __init__(self, url: str, monotonic: Any, *, timeout: float = 0.05) -> None:
        try:
            import redis
        except ImportError as exc:
            raise MissingDependencyError(
                "the redis client is not installed.", remedy="Install the extra: pip install 'fairlead[redis]'."
            ) from exc
        self._errors_of_client = redis.RedisError
        self._client: Any = redis.Redis.from_url(url, socket_timeout=timeout, socket_connect_timeout=timeout)
        self._monotonic = monotonic
        self._resting_until = float("-inf")
        self._hits = self._misses = self._errors = 0

    @property
    def serving(self) -> bool:
        """Whether the server answered the last time that it was asked."""
        return bool(self._monotonic() >= self._resting_until)

    def get(self, key: str) -> bytes | None:
        found = self._ask(lambda: self._client.get(_PREFIX + key))
        if found is None:
            self._misses += 1
            return None
        self._hits += 1
        return bytes(found)

    def put(self, key: str, namespace: str, value: bytes, seconds: float) -> None:
        self._ask(lambda: self._client.set(_PREFIX + key, value, px=max(1, int(seconds * 1000))))

    def invalidate(self, namespace: str) -> int:
        """Removes every answer of a namespace; what cannot be reached now runs out by itself and is never asked for,
        because keys carry the namespace's change counter."""

        def remove() -> int:
            keys = list(self._client.scan_iter(match=f"{_PREFIX}{namespace_digest(namespace)}:*", count=1000))
            return int(self._client.delete(*keys)) if keys else 0

        return self._ask(remove) or 0

    def stats(self) -> TierStats:
        entries = self._ask(lambda: sum(1 for _ in self._client.scan_iter(match=f"{_PREFIX}*", count=1000))) or 0
        return TierStats(self._hits, self._misses, 0, entries, 0, self._errors)

    def close(self) -> None:
        self._client.close()

    def _ask(self, work: Any) -> Any:
        if not self.serving:
            return None
        try:
            return work()
        except (self._errors_of_client, OSError) as exc:
            if self._errors == 0 or self._resting_until == float("-inf"):
                _log.warning("Redis does not answer (%s); memory is served without it.", exc)
            self._errors += 1
            self._resting_until = self._monotonic() + _REST_SECONDS
            return None


def namespace_digest(namespace: str) -> str:
    return hashlib.blake2b(namespace.encode(), digest_size=10).hexdigest()
