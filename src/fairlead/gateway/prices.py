"""Prices: what tokens cost, where the figure comes from, and the state of not knowing.

Money is integer nano-dollars (10⁻⁹ US dollars) and prices are nano-dollars per million tokens, so sums are exact. A
price that is not known is ``None`` and never zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from fairlead.errors import InvalidInputError

NANO = 1_000_000_000
_MILLION = 1_000_000
_MOST_DOLLARS = 10**9


class Usage(NamedTuple):
    """Tokens of one call. ``input_tokens`` includes the cached and written ones.

    ``label`` says how far to trust the figures: ``reported`` by the provider, ``exact`` counted with the model's own
    vocabulary, ``calibrated`` or ``estimated``.
    """

    input_tokens: int = 0
    cached_tokens: int = 0
    written_tokens: int = 0
    output_tokens: int = 0
    label: str = "reported"

    @property
    def fresh_tokens(self) -> int:
        """Input tokens that were neither read from nor written to a provider's cache."""
        return max(0, self.input_tokens - self.cached_tokens - self.written_tokens)

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens


class Rates(NamedTuple):
    """Nano-dollars per million tokens of each kind, and per request."""

    fresh: int
    output: int
    cached: int
    written: int
    request: int = 0


class Price(NamedTuple):
    """A known price. ``state`` is ``known``, ``override`` or ``free``.

    ``tiers`` are (more than this many input tokens, rates), ascending: the dearest that applies replaces ``rates`` for
    the whole call, as providers bill it. ``as_of`` is the day the figures were taken.
    """

    state: str
    rates: Rates
    tiers: tuple[tuple[int, Rates], ...]
    source: str
    as_of: str

    def cost(self, usage: Usage) -> int:
        """Nano-dollars for a usage, rounded up."""
        rates = self.rates_for(usage.input_tokens)
        total = (
            usage.fresh_tokens * rates.fresh
            + usage.cached_tokens * rates.cached
            + usage.written_tokens * rates.written
            + usage.output_tokens * rates.output
        )
        return -(-total // _MILLION) + rates.request

    def ceiling(self, input_tokens: int, output_tokens: int) -> int:
        """Nano-dollars that a call with at most these tokens cannot pass, whatever is cached."""
        rates = [self.rates, *(r for start, r in self.tiers if input_tokens > start)]
        dearest = max(max(r.fresh, r.written, r.cached) for r in rates)
        total = input_tokens * dearest + output_tokens * max(r.output for r in rates)
        return -(-total // _MILLION) + max(r.request for r in rates)

    def rates_for(self, input_tokens: int) -> Rates:
        found = self.rates
        for start, rates in self.tiers:
            if input_tokens > start:
                found = rates
        return found

    @property
    def blended(self) -> float:
        """US dollars per million tokens at three input tokens to one output token."""
        return (3 * self.rates.fresh + self.rates.output) / 4 / NANO

    def to_dict(self) -> dict[str, Any]:
        """US dollars per million tokens, for people and JSON."""
        return {
            "state": self.state,
            "input_per_mtok": self.rates.fresh / NANO,
            "output_per_mtok": self.rates.output / NANO,
            "cached_per_mtok": self.rates.cached / NANO,
            "written_per_mtok": self.rates.written / NANO,
            "per_request": self.rates.request / NANO,
            "tiers": [{"above_input_tokens": s, "input_per_mtok": r.fresh / NANO} for s, r in self.tiers],
            "source": self.source,
            "as_of": self.as_of,
        }


FREE = Price("free", Rates(0, 0, 0, 0), (), "runs on this machine", "")
"""What runs here costs no money per token."""


def dollars(nano: int | None) -> float | None:
    """US dollars; None stays None, because unknown is not zero."""
    return None if nano is None else nano / NANO


def to_nano(value: float | str | Decimal) -> int:
    """Nano-dollars of an amount in US dollars; :class:`InvalidInputError` unless it is from 0 to a billion."""
    try:
        amount = Decimal(str(value))
    except ArithmeticError as exc:
        raise _bad_amount(value) from exc
    if not amount.is_finite() or not 0 <= amount <= _MOST_DOLLARS:
        raise _bad_amount(value)
    return int((amount * NANO).to_integral_value(rounding="ROUND_CEILING"))


def _bad_amount(value: Any) -> InvalidInputError:
    return InvalidInputError(
        f"amount {value!r} is not an amount of money.",
        remedy="Give US dollars as a number from 0 to a billion.",
        value=value,
    )


def override_price(table: Mapping[str, Any], source: str) -> Price | None:
    """A price stated in configuration as ``input_per_mtok``, ``output_per_mtok`` (US dollars) and, if they differ,
    ``cached_per_mtok`` and ``written_per_mtok``. None when the table states no price."""
    if "input_per_mtok" not in table and "output_per_mtok" not in table:
        return None
    fresh = to_nano(table.get("input_per_mtok", 0))
    rates = Rates(
        fresh,
        to_nano(table.get("output_per_mtok", 0)),
        to_nano(table["cached_per_mtok"]) if "cached_per_mtok" in table else fresh,
        to_nano(table["written_per_mtok"]) if "written_per_mtok" in table else fresh,
    )
    return Price("override", rates, (), source, str(table.get("as_of", "")))


def book_price(prices: Any, *, source: str, as_of: str) -> Price | None:
    """The price in a ``genai_prices`` price record, or None when it holds no token price."""
    values = {name: getattr(prices, name) for name in _BOOK_FIELDS}
    if values["input_mtok"] is None and values["output_mtok"] is None and values["requests_kcount"] is None:
        return None
    starts = sorted({t.start for v in values.values() for t in getattr(v, "tiers", ())})
    tiers = tuple((start, _rates(values, start)) for start in starts)
    return Price("known", _rates(values, None), tiers, source, as_of)


_BOOK_FIELDS = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok", "requests_kcount")


def _rates(values: Mapping[str, Any], start: int | None) -> Rates:
    def at(name: str) -> Decimal | None:
        value = values[name]
        if not hasattr(value, "tiers"):
            return value  # type: ignore[no-any-return]
        price: Decimal = value.base
        for tier in sorted(value.tiers, key=lambda t: t.start):
            if start is not None and start >= tier.start:
                price = tier.price
        return price

    fresh = at("input_mtok") or Decimal(0)
    cached, written = at("cache_read_mtok"), at("cache_write_mtok")
    request = at("requests_kcount") or Decimal(0)
    return Rates(
        to_nano(fresh),
        to_nano(at("output_mtok") or Decimal(0)),
        to_nano(fresh if cached is None else cached),
        to_nano(fresh if written is None else written),
        to_nano(request / 1000),
    )


def today(now: float) -> datetime:
    """The moment that price records with a start date or time of day are asked for."""
    return datetime.fromtimestamp(now, UTC)
