"""Forecasts of spending, and the watch over it: robust, seasonal, and backtested before they are believed.

Level and season are medians, so one runaway agent does not move the forecast of every day to come; the trend is the
median of all slopes (Theil, 1950; Sen, 1968), damped. Before a forecast is given it is made for the recent past, and
the method that would have been nearer then, seasonal or naive, is used and named.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]

_DAMPING = 0.9
_ANOMALY = 4.0
"""Robust standard deviations above the usual at which spending is called unusual."""
BURN_WINDOWS = ((3600.0, 14.4), (6 * 3600.0, 6.0))
"""(seconds, rate) at which a budget burns too fast: 2 % of a month in an hour, 5 % in six (Beyer et al., "The Site
Reliability Workbook", 2018, chapter 5)."""


class Forecast(NamedTuple):
    """Values for the intervals to come, with a band that held four of five past errors. ``method`` is ``seasonal`` or
    ``naive``; the errors are mean absolute errors of the backtest, None when there was too little to test on."""

    values: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    method: str
    seasonal_error: float | None
    naive_error: float | None

    @property
    def total(self) -> float:
        return sum(self.values)

    def to_dict(self) -> dict[str, Any]:
        return {
            "total": self.total,
            "low": sum(self.low),
            "high": sum(self.high),
            "method": self.method,
            "backtest": {"seasonal": self.seasonal_error, "naive": self.naive_error},
            "values": list(self.values),
        }


def forecast(history: Sequence[float], horizon: int, *, season: int = 24) -> Forecast:
    """The next ``horizon`` values of a series, such as dollars per hour with a season of a day."""
    series = np.asarray(history, float)
    if len(series) == 0:
        return Forecast((0.0,) * horizon, (0.0,) * horizon, (0.0,) * horizon, "naive", None, None)
    seasonal_errors, naive_errors = _backtest(series, horizon, season)
    seasonal_error = float(np.mean(seasonal_errors)) if len(seasonal_errors) else None
    naive_error = float(np.mean(naive_errors)) if len(naive_errors) else None
    better = seasonal_error is not None and naive_error is not None and seasonal_error <= naive_error
    values = seasonal(series, horizon, season) if better else naive(series, horizon)
    errors = seasonal_errors if better else naive_errors
    band = float(np.quantile(errors, 0.8)) if len(errors) else float(np.std(series))
    return Forecast(
        tuple(values.tolist()),
        tuple(np.maximum(0.0, values - band).tolist()),
        tuple((values + band).tolist()),
        "seasonal" if better else "naive",
        seasonal_error,
        naive_error,
    )


def seasonal(series: Array, horizon: int, season: int) -> Array:
    """Median level, damped median slope between seasons, and a median profile within the season."""
    whole = series[len(series) % season :].reshape(-1, season) if len(series) >= 2 * season else None
    if whole is None:
        return np.full(horizon, float(np.median(series)))
    # Newer seasons say more, but every one has a say.
    recent = whole[-8:]
    levels = np.mean(np.minimum(recent, np.quantile(recent, 0.98)), axis=1)
    slope = _median_slope(levels)
    usual = max(1e-12, float(np.median(levels)))
    shape = np.median(recent / np.maximum(1e-12, recent.mean(axis=1, keepdims=True)), axis=0)
    shape = shape / max(1e-12, float(shape.mean()))
    steps = np.arange(horizon)
    ahead = 1 + steps // season
    damped = _DAMPING * (1 - _DAMPING**ahead) / (1 - _DAMPING)
    center = (len(levels) - 1) / 2
    level = usual + slope * (len(levels) - 1 - center) + slope * damped
    values: Array = np.maximum(0.0, level * shape[steps % season])
    return values


def naive(series: Array, horizon: int) -> Array:
    """The last value, for ever."""
    return np.full(horizon, float(series[-1]))


def _median_slope(levels: Array) -> float:
    if len(levels) < 3:
        return 0.0
    i, j = np.triu_indices(len(levels), 1)
    return float(np.median((levels[j] - levels[i]) / (j - i)))


def _backtest(series: Array, horizon: int, season: int) -> tuple[Array, Array]:
    """Absolute errors of both methods over the recent past, each from what was known then."""
    seasonal_errors, naive_errors = [], []
    step = min(horizon, season)
    for end in range(len(series) - step, 2 * season - 1, -step):
        known, real = series[:end], series[end : end + step]
        seasonal_errors.append(np.abs(seasonal(known, step, season) - real))
        naive_errors.append(np.abs(naive(known, step) - real))
        if len(seasonal_errors) >= 10:
            break
    if not seasonal_errors:
        return np.zeros(0), np.zeros(0)
    return np.concatenate(seasonal_errors), np.concatenate(naive_errors)


def anomaly(history: Sequence[float], *, season: int = 24) -> float | None:
    """How far the last value is above what is usual at its place in the season, in robust standard deviations; None
    when there is too little history or it is not above :data:`_ANOMALY`."""
    series = np.asarray(history, float)
    if len(series) < 2 * season + 1:
        return None
    last, before = series[-1], series[:-1]
    same = before[(len(series) - 1) % season :: season]
    pool = same if len(same) >= 4 else before
    middle = float(np.median(pool))
    spread = 1.4826 * float(np.median(np.abs(pool - middle)))
    # A series that never moves has no spread; a tenth of its level keeps pennies from raising alarms.
    spread = max(spread, 0.1 * middle, 0.05 * float(np.mean(before)), 1e-9)
    score = (last - middle) / spread
    return float(score) if score >= _ANOMALY else None


def burn_rate(spent: float, limit: float, window: float, period: float) -> float:
    """How many times faster than evenly a budget is spent: 1.0 uses it up exactly at the period's end."""
    if limit <= 0 or window <= 0:
        return 0.0
    return (spent / limit) / (window / period)
