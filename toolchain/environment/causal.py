"""The causal optimum of small instances, by dynamic programming over what has been seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from toolchain.environment.simulation import Simulation
from toolchain.errors import InputError
from toolchain.scenario import Scenario

MAX_PRODUCTS = 8
"""Largest scenario that is solved; each product more may take five times the work."""


def causal_optimum_eur(scenarios: Sequence[Scenario]) -> float:
    """The best mean value that any policy can reach which does not know the future.

    One of the scenarios is real, all with equal odds. A policy sees each day's batch and knows the
    scenarios, so it may rule out those that would have looked different. Between the mean of
    greedy policies and that of the hindsight optima, it checks both.

    The program's state is the next product, the scenarios that are still possible, and the free
    slots of each.

    Args:
        scenarios: a few of at most :data:`MAX_PRODUCTS` products.

    Returns:
        EUR.

    Raises:
        InputError: no scenario, or one that is too large.
    """
    sizes = [len(scenario.returns) for scenario in scenarios]
    if not sizes or max(sizes) > MAX_PRODUCTS:
        raise InputError(
            f"scenarios of {sizes} products, must be at least one of at most {MAX_PRODUCTS} each",
            hint="use hindsight_optimum for large scenarios",
        )
    known: dict[tuple, float] = {}
    return _best_total(tuple(Simulation(s) for s in scenarios), known) / len(sizes)


def _best_total(possible: tuple[Simulation, ...], known: dict[tuple, float]) -> float:
    """The best sum over the possible scenarios of what is still to come."""
    going = tuple(simulation for simulation in possible if not simulation.done)
    groups: dict[tuple, list[Simulation]] = {}
    for simulation in going:
        groups.setdefault(_seen(simulation), []).append(simulation)
    return sum(_best_of_group(tuple(group), known) for group in groups.values())


def _best_of_group(group: tuple[Simulation, ...], known: dict[tuple, float]) -> float:
    """The same for scenarios that look alike so far: they must be decided alike."""
    state = tuple((s.scenario.sha256, s.pending, s.day, s.free_slots.tobytes()) for s in group)
    if state not in known:
        mask = group[0].observe().masks[len(group[0].observe().masks) - group[0].pending]
        totals = []
        for action in np.flatnonzero(mask):
            ahead = tuple(simulation.copy() for simulation in group)
            now = sum(simulation.execute_next(int(action)) for simulation in ahead)
            totals.append(now + _best_total(ahead, known))
        known[state] = max(totals)
    return known[state]


def _seen(simulation: Simulation) -> tuple:
    batch = simulation.observe()
    return batch.day, simulation.pending, batch.states.tobytes(), batch.masks.tobytes()
