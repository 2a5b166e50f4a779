"""Regime shifts: what changes in a scenario from one day on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum

import numpy as np

from toolchain.errors import InputError, ScenarioError
from toolchain.scenario import (
    FAMILIES,
    Outage,
    Regime,
    Scenario,
    draw_products,
    factors,
    nodes_of_type,
    whole_number,
)


class Shift(StrEnum):
    """What can shift."""

    PRICE_SHOCK = "price_shock"
    """Second-hand prices fall, components get cheaper, scrap gets dearer."""
    DEMAND_COLLAPSE = "demand_collapse"
    """The second-hand market takes far fewer products."""
    FACILITY_OUTAGE = "facility_outage"
    """The largest remanufacturer and the largest disassembler stand still for a while."""
    NEW_FAMILY = "new_family"
    """A share of the returns is of a family that was never seen before."""


NEW_FAMILY = "e_bike"
"""The family that is new."""

_PRICES = ("resale", "component", "scrap")
_DEMAND = ("reuse_slots",)


def regime_shift(scenario: Scenario, day: int, seed: int) -> Scenario:
    """The shift of adaptability_rate: a price shock and a collapse of demand on the same day.

    The sizes are drawn from the seed alone, out of the ranges in ``factors.toml``, so that day 0
    gives the new regime from the start. Returns and latent outcomes stay as they are.

    Args:
        scenario: what is decided.
        day: first day of the new regime, inside of the horizon.
        seed: of the sizes, at least 0.

    Raises:
        ScenarioError: the day is not inside of the horizon.
    """
    return shifted(
        shifted(scenario, Shift.PRICE_SHOCK, day, seed), Shift.DEMAND_COLLAPSE, day, seed
    )


def shifted(scenario: Scenario, name: str, day: int, seed: int) -> Scenario:
    """Apply one shift.

    Args:
        scenario: what is decided.
        name: one of :class:`Shift`.
        day: first day that is changed, inside of the horizon.
        seed: of the shift's size, at least 0.

    Raises:
        InputError: an unknown name.
        ScenarioError: the day is not inside of the horizon, or the seed is negative.
    """
    horizon = scenario.parameters.horizon_days
    if not 0 <= day < horizon:
        raise ScenarioError(
            f"shift on day {day}, must be 0 to {horizon - 1}",
            hint="choose a day inside of the horizon",
        )
    day, seed = whole_number("day", day, 0), whole_number("seed", seed, 0)
    apply: dict[str, Callable[[Scenario, int, np.random.Generator], Scenario]] = {
        Shift.PRICE_SHOCK: _price_shock,
        Shift.DEMAND_COLLAPSE: _demand_collapse,
        Shift.FACILITY_OUTAGE: _facility_outage,
        Shift.NEW_FAMILY: _new_family,
    }
    if name not in apply:
        raise InputError(f"unknown shift {name!r}", hint=f"use one of {', '.join(Shift)}")
    index = list(Shift).index(Shift(name))
    return apply[name](scenario, day, np.random.default_rng([seed, index]))


def _price_shock(scenario: Scenario, day: int, rng: np.random.Generator) -> Scenario:
    return _scaled_from(scenario, day, _drawn(rng, _PRICES))


def _demand_collapse(scenario: Scenario, day: int, rng: np.random.Generator) -> Scenario:
    return _scaled_from(scenario, day, _drawn(rng, _DEMAND))


def _facility_outage(scenario: Scenario, day: int, rng: np.random.Generator) -> Scenario:
    days = factors().shift.outage_days
    until = day + int(rng.integers(int(days.low), int(days.high), endpoint=True))
    graph = scenario.graph
    largest = [
        max(nodes_of_type(graph, kind), key=lambda node: graph.nodes[node]["slots_per_day"])
        for kind in ("remanufacturing", "disassembly")
    ]
    outages = tuple(Outage(node=node, from_day=day, to_day=until) for node in largest)
    return replace(scenario, outages=scenario.outages + outages)


def _new_family(scenario: Scenario, day: int, rng: np.random.Generator) -> Scenario:
    returns = scenario.returns
    sizes = factors().shift.new_family_share
    share = rng.uniform(sizes.low, sizes.high)
    replaced = (rng.random(len(returns)) < share) & (returns.return_day >= day)
    code = FAMILIES.index(NEW_FAMILY)
    n = len(returns)
    drawn = draw_products(rng, np.full(n, code), np.zeros(n, dtype=np.int8))
    drawn |= {"family": np.full(n, code), "stream": np.zeros(n)}
    columns = {
        name: np.where(replaced, column, getattr(returns, name)) for name, column in drawn.items()
    }
    return replace(scenario, returns=replace(returns, **columns))


def _drawn(rng: np.random.Generator, names: tuple[str, ...]) -> dict[str, float]:
    sizes = [getattr(factors().shift, name) for name in names]
    return {n: float(rng.uniform(s.low, s.high)) for n, s in zip(names, sizes, strict=True)}


def _scaled_from(scenario: Scenario, day: int, factors: dict[str, float]) -> Scenario:
    before = [regime for regime in scenario.regimes if regime.from_day < day]
    current = [regime for regime in scenario.regimes if regime.from_day <= day][-1]
    after = [regime for regime in scenario.regimes if regime.from_day > day]
    scaled = [_scaled(current, factors, day), *(_scaled(r, factors, r.from_day) for r in after)]
    return replace(scenario, regimes=(*before, *scaled))


def _scaled(regime: Regime, factors: dict[str, float], from_day: int) -> Regime:
    values = {name: getattr(regime, name) * factor for name, factor in factors.items()}
    return regime.model_copy(update={**values, "from_day": from_day})
