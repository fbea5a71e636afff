"""Quantities with their units, brought to one unit per dimension: money, shares, lengths, masses, times, data, counts.

One pattern runs over the text; a number without a unit is not a finding. Values are decimal and exact; conversions use
the defined factors (the international yard and pound of 1959, SI, IEC 80000-13 for binary prefixes). Money is not
converted between currencies.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from fairlead.pipeline.analysis.finding import Finding
from fairlead.pipeline.analysis.numerals import (
    DIGITS,
    NUMBER_WORDS,
    SCALES,
    SHORT_SCALES,
    WORDS,
    read_digits,
    read_words,
)

MODEL = "quantities/1"
_CURRENCIES = {"$": "USD", "US$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR"}
_CURRENCY_WORDS = {
    "dollars": "USD",
    "dollar": "USD",
    "bucks": "USD",
    "usd": "USD",
    "euros": "EUR",
    "euro": "EUR",
    "eur": "EUR",
    "pounds sterling": "GBP",
    "gbp": "GBP",
    "yen": "JPY",
    "rupees": "INR",
    "cents": "USD",
}


class Unit(NamedTuple):
    """``factor`` turns it into ``base``, the unit of its dimension."""

    dimension: str
    base: str
    factor: Decimal


def _units() -> dict[str, Unit]:
    table = """
    length m: m meter meters metre metres=1 km kilometer kilometers kilometre kilometres=1000
    length m: cm centimeter centimeters centimetre centimetres=0.01
    length m: mm millimeter millimeters millimetre millimetres=0.001
    length m: mile miles=1609.344 yard yards=0.9144 foot feet ft=0.3048 inch inches=0.0254 nm nanometers nanometres=1e-9
    length m: light-years=9460730472580800
    mass kg: kg kilogram kilograms kilo kilos=1 g gram grams=0.001 mg milligram milligrams=0.000001
    mass kg: tonne tonnes=1000 tons=907.18474 ton=907.18474
    mass kg: lb lbs pound pounds=0.45359237 ounce ounces oz=0.028349523125
    time s: second seconds sec secs=1 ms millisecond milliseconds=0.001
    time s: microsecond microseconds=0.000001
    time s: minute minutes=60 hour hours=3600 day days=86400 week weeks=604800 nanoseconds ns=1e-9
    months month: month months=1 year years=12 decade decades=120 century centuries=1200
    area m2: hectare hectares=10000 acre acres=4046.8564224 sq.mi=2589988.110336
    volume l: liter liters litre litres=1 ml milliliter milliliters=0.001 gallon gallons=3.785411784
    data byte: byte bytes=1 kb=1000 mb=1000000 gb=1000000000 tb=1000000000000 kib=1024 mib=1048576 gib=1073741824
    data byte: kilobytes=1000 megabyte megabytes=1000000 gigabyte gigabytes=1000000000 terabyte terabytes=1000000000000
    power W: w watt watts=1 kw kilowatt kilowatts=1000 mw megawatt megawatts=1000000 gw gigawatts=1000000000
    frequency Hz: hz hertz=1 khz=1000 mhz=1000000 ghz=1000000000
    speed m/s: mph=0.44704 km/h kph=0.2777777777777777778 m/s=1
    temperature °C: °c celsius=1
    count person: people persons voters americans workers employees users students patients=1
    count job: jobs=1
    """
    found: dict[str, Unit] = {}
    for line in table.strip().splitlines():
        head, _, rest = line.partition(":")
        dimension, base = head.split()
        for part in re.findall(r"([^=]+)=(\S+)", rest):
            for name in part[0].split():
                found[name] = Unit(dimension, base, Decimal(part[1]))
    return found


UNITS = _units()
_CASED = {"m": "m", "g": "g", "w": "W", "mw": "MW", "mb": "MB", "nm": "nm", "ms": "ms", "hz": "Hz"}
"""Abbreviations that mean something else in another case (``5 M`` is no length, ``mW`` no megawatt)."""

_UNIT_NAMES = "|".join(re.escape(name) for name in sorted(UNITS, key=len, reverse=True))
_MONEY_NAMES = "|".join(re.escape(name) for name in sorted(_CURRENCY_WORDS, key=len, reverse=True))
_SCALE = "thousand|million|billion|trillion"
QUANTITY = re.compile(
    rf"""(?<![\w.,$€£¥₹-])(?:
      (?P<sign>US\$|[$€£¥₹])\s?(?P<money>{DIGITS})(?:\s?(?P<mscale>{_SCALE})\b|(?P<mshort>bn|tn|mn|[kKmMbB])\b)?
    | (?P<digits>[-−+]?{DIGITS})(?:
        \s?(?P<percent>%|\bpercent(?:age\ points?)?\b|\bper\ cent\b)
      | (?:[ ](?P<scale>{_SCALE}))?(?:\s?|-)(?P<unit>{_UNIT_NAMES}|{_MONEY_NAMES})(?![\w/])
      )
    | (?P<words>\b{WORDS})(?:\s(?P<wpercent>percent|per\ cent)|[ -](?P<wunit>{_UNIT_NAMES}|{_MONEY_NAMES}))\b(?!/)
    )""",
    re.VERBOSE | re.IGNORECASE,
)


def may_hold(tokens: Sequence[str]) -> bool:
    """Whether a sentence of these tokens can hold a quantity: it has a digit or a number word."""
    return any(token[0].isdigit() or token.lower().partition("-")[0] in NUMBER_WORDS for token in tokens)


def quantities_in(text: str, offset: int = 0) -> Iterator[Finding]:
    """Quantities in order. ``value`` holds ``value`` and ``unit`` as written, ``amount`` and ``base`` brought to one
    unit of their ``dimension``; amounts are decimal numbers as strings, so nothing is lost.
    """
    for match in QUANTITY.finditer(text):
        found = _read(match)
        if found is not None:
            dimension, value, unit, amount, base = found
            yield Finding(
                dimension,
                match.group(),
                match.start() + offset,
                match.end() + offset,
                0.8 if match["words"] else 0.95,
                MODEL,
                {"value": plain(value), "unit": unit, "amount": plain(amount), "base": base},
            )


def _read(match: re.Match[str]) -> tuple[str, Decimal, str, Decimal, str] | None:
    if match["sign"]:
        scale = SCALES.get((match["mscale"] or "").lower()) or SHORT_SCALES.get((match["mshort"] or "").lower()) or 1
        value = read_digits(match["money"]) * scale
        currency = _CURRENCIES[match["sign"].upper()]
        return "money", value, currency, value, currency
    number = _number(match)
    if number is None:
        return None
    if match["percent"] or match["wpercent"]:
        return "share", number, "%", number / 100, "1"
    return _with_unit(number, match["unit"] or match["wunit"])


def _number(match: re.Match[str]) -> Decimal | None:
    if match["words"]:
        value = read_words(match["words"])
        return None if value is None else Decimal(value)
    digits = match["digits"].replace("−", "-")
    return read_digits(digits) * SCALES.get((match["scale"] or "").lower(), 1)


@lru_cache(maxsize=4096)
def _unit_of(written: str) -> Unit | None:
    low = written.lower()
    if len(low) <= 2 and low in _CASED and written != _CASED[low]:
        return None
    return UNITS.get(low)


def _with_unit(number: Decimal, written: str) -> tuple[str, Decimal, str, Decimal, str] | None:
    low = written.lower()
    if low in _CURRENCY_WORDS:
        value = number / 100 if low == "cents" else number
        return "money", number, "cent" if low == "cents" else _CURRENCY_WORDS[low], value, _CURRENCY_WORDS[low]
    unit = _unit_of(written)
    if unit is None:
        return None
    return unit.dimension, number, written, number * unit.factor, unit.base


def plain(value: Decimal) -> str:
    """The number without exponent or trailing zeros."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
