"""Prices and capacities over time: regimes, outages and the price process."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from toolchain.scenario.factors import factors


class Regime(BaseModel):
    """Factors that hold from one day until the next regime; 1 leaves a quantity as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    from_day: int = Field(ge=0)
    resale: float = Field(default=1.0, ge=0)
    """On the prices of reused and remanufactured products."""
    component: float = Field(default=1.0, ge=0)
    """On the prices of harvested components."""
    scrap: float = Field(default=1.0, ge=0)
    """On the prices of recycled materials."""
    disposal: float = Field(default=1.0, ge=0)
    """On the cost of disposal."""
    reuse_slots: float = Field(default=1.0, ge=0)
    """On the demand for reused products."""
    remanufacture_slots: float = Field(default=1.0, ge=0)
    """On the capacity of remanufacturing."""
    harvest_slots: float = Field(default=1.0, ge=0)
    """On the capacity of disassembly."""
    recycle_slots: float = Field(default=1.0, ge=0)
    """On the capacity of recycling."""


class Outage(BaseModel):
    """One facility offers no slots from ``from_day`` up to, not including, ``to_day``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    node: int = Field(ge=0)
    from_day: int = Field(ge=0)
    to_day: int = Field(ge=0)


def price_regimes(
    rng: np.random.Generator, horizon_days: int, volatility: float
) -> tuple[Regime, ...]:
    """One regime every ``regime_days``, with log prices that revert to the mean.

    Each of resale, component and scrap prices is an AR(1) process in the logarithm that starts in
    its stationary law.
    """
    regime_days = int(factors().prices.regime_days.value)
    persistence = factors().prices.persistence.value
    steps = -(-horizon_days // regime_days)
    shocks = rng.standard_normal((steps, 3)) * volatility
    level = shocks[0] / np.sqrt(1 - persistence**2)
    regimes = []
    for step in range(steps):
        if step:
            level = persistence * level + shocks[step]
        resale, component, scrap = (float(x) for x in np.exp(level))
        regimes.append(
            Regime(from_day=step * regime_days, resale=resale, component=component, scrap=scrap)
        )
    return tuple(regimes)


def daily(regimes: Sequence[Regime], field: str, days: int) -> np.ndarray:
    """One factor of the regimes on every day.

    Args:
        regimes: sorted by ``from_day``, the first from day 0.
        field: a factor of :class:`Regime`.
        days: number of days.

    Returns:
        float64 (days,).
    """
    starts = np.array([regime.from_day for regime in regimes])
    values = np.array([getattr(regime, field) for regime in regimes], dtype=np.float64)
    chosen: np.ndarray = values[np.searchsorted(starts, np.arange(days), side="right") - 1]
    return chosen
