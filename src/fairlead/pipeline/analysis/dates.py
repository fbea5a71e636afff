"""Dates and times as they are written, normalised to ISO 8601 as far as the text goes.

``12 March 2019`` is ``2019-03-12``, ``March 2019`` is ``2019-03``, ``the 1990s`` ``199X`` (ISO 8601-2, Extended
Date/Time Format), ``Q3 2020`` ``2020-Q3``. A date relative to when something was said (``last year``, ``two weeks
ago``) is resolved only when that day is known (``anchor``); else its value is the distance, as a duration. A date in
figures that two countries read differently (``03/04/2019``) has both readings and a low confidence. Nothing is
completed from today's date: what the text leaves open stays open.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from typing import Any

from fairlead.pipeline.analysis.finding import Finding
from fairlead.pipeline.analysis.numerals import read_words

MODEL = "dates/1"
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan",
            "february feb",
            "march mar",
            "april apr",
            "may",
            "june jun",
            "july jul",
            "august aug",
            "september sept sep",
            "october oct",
            "november nov",
            "december dec",
        ),
        1,
    )
    for name in names.split()
}
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_YEAR = r"(?:1[0-9]|20)\d\d"
_COUNT = (
    r"\d{1,4}|an?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty|fifty"
    r"|hundred"
)
_SPAN = r"minutes?|hours?|days?|weeks?|months?|years?|decades?|centuries|century"
_TURNS = "|".join(("week", "month", "year", "decade", "century", *_DAYS))
_BEFORE_YEAR = "in|since|by|until|before|after|from|of|during|year|circa|around|early|late|mid"
DATE = re.compile(
    rf"""(?<![\w$€£.,/-])(?:
      (?P<iso>(?P<iy>{_YEAR})-(?P<im>0[1-9]|1[0-2])-(?P<id>0[1-9]|[12]\d|3[01])
        (?:[T ](?P<ih>[01]\d|2[0-3]):(?P<imin>[0-5]\d)(?::(?P<is>[0-5]\d))?(?P<iz>Z|[+-]\d\d:?\d\d)?)?)
    | (?P<dmy>(?P<d1>{_DAY})(?:st|nd|rd|th)?(?:\ of)?\ (?P<m1>{_MONTH})\.?,?\ (?P<y1>{_YEAR}))
    | (?P<mdy>(?P<m2>{_MONTH})\.?\ (?P<d2>{_DAY})(?:st|nd|rd|th)?,?\ (?P<y2>{_YEAR}))
    | (?P<my>(?P<m3>{_MONTH})\.?,?\ (?:of\ )?(?P<y3>{_YEAR}))
    | (?P<md>(?P<m4>{_MONTH})\.?\ (?P<d4>{_DAY})(?:st|nd|rd|th)?)
    | (?P<dm>(?P<d5>{_DAY})(?:st|nd|rd|th)?(?:\ of)?\ (?P<m5>{_MONTH}))
    | (?P<figures>(?P<f1>\d{{1,2}})[/.](?P<f2>\d{{1,2}})[/.](?P<fy>{_YEAR}))
    | (?P<quarter>(?:Q(?P<q1>[1-4])|(?P<q2>first|second|third|fourth)\ quarter(?:\ of)?)[ ,-]{{1,2}}(?P<qy>{_YEAR}))
    | (?P<decade>(?:the\ )?(?P<dy>(?:1[0-9]|20)\d)0['’]?s)
    | (?P<century>(?P<c>\d{{1,2}})(?:st|nd|rd|th)[ -]century(?P<bc>\ BCE?)?)
    | (?P<ago>(?P<n1>{_COUNT})\ (?P<u1>{_SPAN})\ (?P<side>ago|earlier|from\ now|later))
    | (?P<turn>(?P<which>last|next|this|past|coming)\ (?P<unit>{_TURNS}))
    | (?P<near>yesterday|today|tonight|tomorrow)
    | (?P<bare>(?P<lead>{_BEFORE_YEAR})\ (?P<y6>{_YEAR}))
    | (?P<clock>(?P<h>1[0-2]|0?[1-9])(?::(?P<min>[0-5]\d))?\ ?(?P<half>[ap])\.?m\b\.?
        |(?P<h24>[01]?\d|2[0-3]):(?P<min24>[0-5]\d)(?!\d|:))
    )(?![\w-]*\w)""",
    re.VERBOSE | re.IGNORECASE,
)
_QUARTERS = {"first": 1, "second": 2, "third": 3, "fourth": 4}
_LETTERS = {"minute": "M", "hour": "H", "day": "D", "week": "W", "month": "M", "year": "Y"}
_MANY_YEARS = {"decade": 10, "centurie": 100, "century": 100}

_CUES = (
    frozenset(
        (
            *_MONTHS,
            *_DAYS,
            *(f"q{i}" for i in range(1, 5)),
            *re.findall(r"\w+", "yesterday today tonight tomorrow quarter"),
        )
    )
    | frozenset(name + end for name in (*_LETTERS, "decade", "century") for end in ("", "s"))
    | {"centuries"}
)

Read = tuple[str, str, float, dict[str, Any]]
"""Kind, normalised value, confidence, and what else is known."""


def may_hold(tokens: Sequence[str]) -> bool:
    """Whether a sentence of these tokens can hold a date: it has a digit or a word of the calendar."""
    return any(token[0].isdigit() or token.lower() in _CUES for token in tokens)


def dates_in(text: str, offset: int = 0, anchor: dt.date | None = None) -> Iterator[Finding]:
    """Dates in order. The label is ``date``, ``month``, ``year``, ``period``, ``relative``, ``recurring`` or ``time``;
    ``value`` holds ``value``, its normal form. ``anchor`` is the day on which the text was said or written.
    """
    for match in DATE.finditer(text):
        read = _read(match, anchor)
        if read is not None:
            label, value, sure, extra = read
            lead = len(match["lead"]) + 1 if match["bare"] else 0
            start = match.start() + lead
            yield Finding(
                label,
                text[start : match.end()],
                start + offset,
                match.end() + offset,
                sure,
                MODEL,
                {"value": value, **extra},
            )


def _read(match: re.Match[str], anchor: dt.date | None) -> Read | None:
    return next(reader(match, anchor) for name, reader in _READERS.items() if match[name])


def _iso(match: re.Match[str], _: dt.date | None) -> Read | None:
    read = _full(int(match["iy"]), int(match["im"]), int(match["id"]), 0.99)
    if read is None or not match["ih"]:
        return read
    clock = f"T{match['ih']}:{match['imin']}" + (f":{match['is']}" if match["is"] else "") + (match["iz"] or "")
    return "date", read[1] + clock, 0.99, {}


def _full(year: int, month: int, day: int, sure: float) -> Read | None:
    try:
        return "date", dt.date(year, month, day).isoformat(), sure, {}
    except ValueError:
        return None


def _day_month_year(match: re.Match[str], _: dt.date | None) -> Read | None:
    if match["dmy"]:
        return _full(int(match["y1"]), _MONTHS[match["m1"].lower()], int(match["d1"]), 0.98)
    return _full(int(match["y2"]), _MONTHS[match["m2"].lower()], int(match["d2"]), 0.98)


def _month_year(match: re.Match[str], _: dt.date | None) -> Read | None:
    return "month", f"{match['y3']}-{_MONTHS[match['m3'].lower()]:02d}", 0.97, {}


def _month_day(match: re.Match[str], _: dt.date | None) -> Read | None:
    """A day of every year. ``may 5`` and ``march 5`` in lower case are verbs as often as months."""
    written, day = (match["m4"], match["d4"]) if match["md"] else (match["m5"], match["d5"])
    month = _MONTHS[written.lower()]
    if written.islower() or int(day) > (29 if month == 2 else 30 if month in (4, 6, 9, 11) else 31):
        return None
    return "recurring", f"--{month:02d}-{int(day):02d}", 0.85, {}


def _figures(match: re.Match[str], _: dt.date | None) -> Read | None:
    one, two, year = int(match["f1"]), int(match["f2"]), int(match["fy"])
    readings = [read[1] for month, day in ((two, one), (one, two)) if (read := _full(year, month, day, 0.9))]
    distinct = list(dict.fromkeys(readings))
    if not distinct:
        return None
    return ("date", distinct[0], 0.9, {}) if len(distinct) == 1 else ("date", distinct[0], 0.5, {"or": distinct[1]})


def _quarter(match: re.Match[str], _: dt.date | None) -> Read:
    number = int(match["q1"]) if match["q1"] else _QUARTERS[match["q2"].lower()]
    return "period", f"{match['qy']}-Q{number}", 0.97, {}


def _decade(match: re.Match[str], _: dt.date | None) -> Read:
    return "period", f"{match['dy']}X", 0.95, {}


def _century(match: re.Match[str], _: dt.date | None) -> Read | None:
    number = int(match["c"])
    if not 1 <= number <= 21:
        return None
    return "period", f"{'-' if match['bc'] else ''}{number - 1:02d}XX", 0.95, {}


def _bare(match: re.Match[str], _: dt.date | None) -> Read:
    return "year", match["y6"], 0.9, {}


def _clock(match: re.Match[str], _: dt.date | None) -> Read:
    if match["h24"]:
        return "time", f"{int(match['h24']):02d}:{match['min24']}", 0.75, {}
    hour = int(match["h"]) % 12 + (12 if match["half"].lower() == "p" else 0)
    return "time", f"{hour:02d}:{match['min'] or '00'}", 0.95, {}


def _near(match: re.Match[str], anchor: dt.date | None) -> Read:
    word = match["near"].lower()
    return _relative({"yesterday": -1, "tomorrow": 1}.get(word, 0), "day", anchor, 0.9)


def _ago(match: re.Match[str], anchor: dt.date | None) -> Read | None:
    written = match["n1"].lower()
    count = int(written) if written.isdigit() else 1 if written in ("a", "an") else read_words(written)
    if count is None:
        return None
    back = match["side"].lower() in ("ago", "earlier")
    # What is earlier or later than something else is not counted from the day of speaking.
    known = anchor if match["side"].lower() in ("ago", "from now") else None
    return _relative(-count if back else count, match["u1"].lower().removesuffix("s"), known, 0.9)


def _turn(match: re.Match[str], anchor: dt.date | None) -> Read:
    steps = {"last": -1, "past": -1, "this": 0}.get(match["which"].lower(), 1)
    unit = match["unit"].lower()
    if unit not in _DAYS:
        return _relative(steps, unit, anchor, 0.85)
    if anchor is None:
        return "relative", f"{'-' if steps < 0 else ''}P1W", 0.6, {"weekday": _DAYS.index(unit) + 1}
    ahead = (_DAYS.index(unit) - anchor.weekday()) % 7
    days = ahead - 7 if steps < 0 else ahead or (7 if steps else 0)
    return _relative(days, "day", anchor, 0.7)


def _relative(count: int, unit: str, anchor: dt.date | None, sure: float) -> Read:
    """A distance, and with an anchor the date it leads to, as exact as its unit is."""
    years = _MANY_YEARS.get(unit)
    letter, amount = ("Y", count * years) if years else (_LETTERS[unit], count)
    timed = "T" if unit in ("minute", "hour") else ""
    distance = f"{'-' if amount < 0 else ''}P{timed}{abs(amount)}{letter}"
    if anchor is None or timed:
        return "relative", distance, sure, {}
    try:
        return "relative", _moved(anchor, amount, letter), sure, {"distance": distance}
    except (ValueError, OverflowError):
        return "relative", distance, sure, {}


def _moved(anchor: dt.date, amount: int, letter: str) -> str:
    if letter == "Y":
        return f"{dt.date(anchor.year + amount, 1, 1).year:04d}"
    if letter == "M":
        months = anchor.year * 12 + anchor.month - 1 + amount
        return dt.date(months // 12, months % 12 + 1, 1).isoformat()[:7]
    moved = anchor + dt.timedelta(days=amount * (7 if letter == "W" else 1))
    if letter == "W":
        year, week, _ = moved.isocalendar()
        return f"{year:04d}-W{week:02d}"
    return moved.isoformat()


_READERS = {
    "iso": _iso,
    "dmy": _day_month_year,
    "mdy": _day_month_year,
    "my": _month_year,
    "md": _month_day,
    "dm": _month_day,
    "figures": _figures,
    "quarter": _quarter,
    "decade": _decade,
    "century": _century,
    "ago": _ago,
    "turn": _turn,
    "near": _near,
    "bare": _bare,
    "clock": _clock,
}
"""Group of the pattern -> what reads it."""
