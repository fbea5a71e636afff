"""The door that HTTP requests and WebSocket connections come in by: who it is, and how often they may."""

from __future__ import annotations

from fairlead.app import Fairlead
from fairlead.errors import RateLimitedError
from fairlead.server.access import Caller
from fairlead.server.auth import Authority
from fairlead.server.problems import UnauthorisedError
from fairlead.server.rates import Buckets, Rates


class Door:
    """Names callers, counts what they ask, and slows down addresses that keep naming nobody.

    The rates of callers hold over all processes of the store. Those of addresses hold for each process: they protect
    it from being kept busy, and a key of 256 random bits is not guessed sooner by asking several.
    """

    def __init__(self, lead: Fairlead) -> None:
        settings, clock = lead.settings, lead.clock
        self.rates = Rates(settings.rate_limit, settings.rate_burst, clock, lead.database)
        self._authority = Authority(lead.database, settings, clock)
        self._failures = Buckets(1.0, 30, clock)
        self._glances = Buckets(50.0, 200, clock)

    def glance(self, address: str) -> None:
        """Counts a request that anybody may make; some of them write to the store to see whether that is well."""
        taken = self._glances.take(address)
        if not taken.allowed:
            raise RateLimitedError("too many requests without a key.", remedy="Wait.", retry_after=taken.wait)

    def stays(self, caller: Caller, authorization: str | None) -> bool:
        """Whether who came in is still who may: for connections that outlive the key that opened them."""
        try:
            return self._authority.identify(authorization)[:5] == caller[:5]
        except UnauthorisedError:
            return False

    def identify(self, address: str, authorization: str | None) -> Caller:
        """The caller that an ``Authorization`` header names; :class:`UnauthorisedError` or, for an address that has
        failed too often, :class:`RateLimitedError`."""
        try:
            return self._authority.identify(authorization)
        except UnauthorisedError:
            taken = self._failures.take(address)
            if not taken.allowed:
                raise RateLimitedError(
                    "too many requests without a valid key.", remedy="Wait.", retry_after=taken.wait
                ) from None
            raise
