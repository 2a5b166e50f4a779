"""Days of arrival: how many returns come on each day of the horizon."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from toolchain.scenario.factors import factors

_YEAR_DAYS = 365.0
_LAST_YEAR = 5
"""Years after which no return of an unmended Weibull law is left: the odds are below 1e-24."""


@dataclass(frozen=True, eq=False)
class Arrivals:
    """The day of every one of n returns, in order of arrival, without an array of length n.

    Attributes:
        until: int64 (days,), returns that have arrived by the end of each day.
    """

    until: np.ndarray

    def days(self, first: int, stop: int) -> np.ndarray:
        """The days of the returns ``first`` to ``stop - 1``, int32, sorted."""
        return np.searchsorted(self.until, np.arange(first, stop), side="right").astype(np.int32)


def draw_arrivals(rng: np.random.Generator, n: int, law: np.ndarray) -> Arrivals:
    """Draw the days of n independent returns, sorted.

    The counts by day of independent draws are multinomial, and sorted days are nothing but
    their counts, so that this needs memory for the days only.

    Args:
        rng: draws the counts.
        n: number of returns.
        law: float64 (days,), odds of each day, adding up to 1.
    """
    return Arrivals(np.cumsum(rng.multinomial(n, law)))


def weibull_law(horizon_days: int, truncated: bool) -> np.ndarray:
    """The article's law of the return day: floor of Weibull(2.5) x 365.

    Args:
        horizon_days: days of the scenario.
        truncated: condition the law on the horizon; otherwise days reach beyond it.

    Returns:
        float64 (days,), adding up to 1.
    """
    a = factors().article
    days = horizon_days if truncated else max(horizon_days, int(_LAST_YEAR * _YEAR_DAYS))
    edges = np.arange(days + 1) / a.return_scale_days.value
    return _scaled(np.diff(-np.expm1(-(edges**a.return_shape.value))))


def season_law(horizon_days: int, swing: float, peak_day: float) -> np.ndarray:
    """An intensity of ``1 + swing cos(2 pi (day - peak_day) / 365)``, as odds by day.

    Returns:
        float64 (horizon_days,), adding up to 1.
    """
    day = np.arange(horizon_days)
    return _scaled(1.0 + swing * np.cos(2 * np.pi * (day - peak_day) / _YEAR_DAYS))


def _scaled(weights: np.ndarray) -> np.ndarray:
    law: np.ndarray = weights / weights.sum()
    return law
