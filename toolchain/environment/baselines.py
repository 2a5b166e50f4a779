"""The baselines that every policy is compared with; all causal, all over the policy's own view."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from toolchain.environment.disposition import N_DISPOSITIONS, Disposition
from toolchain.environment.features import decode_capacity, decode_gains
from toolchain.environment.optimum import hindsight_optimum
from toolchain.environment.shift import regime_shift
from toolchain.environment.simulation import DayBatch, Policy
from toolchain.scenario import Basis, scenario_like

TRAINING_SCENARIOS = 3
"""Scenarios that bid prices are estimated from."""

_TRAINING_STREAM = 0xB1D


def always_dispose(basis: Basis, seed: int = 0) -> Policy:
    """The floor: everything leaves every loop."""
    return lambda batch: np.full(len(batch.products), Disposition.DISPOSE, dtype=np.int64)


def random(basis: Basis, seed: int = 0) -> Policy:
    """Any allowed disposition with equal odds; drawn from the seed and the day."""

    def decide(batch: DayBatch) -> np.ndarray:
        draw = np.random.default_rng([seed, batch.day]).random(batch.masks.shape)
        return np.where(batch.masks, draw, -1.0).argmax(axis=1)

    return decide


def all_recycle(basis: Basis, seed: int = 0) -> Policy:
    """Recycle whatever a recycler has a slot for; dispose of the rest."""

    def decide(batch: DayBatch) -> np.ndarray:
        open_slot = batch.masks[:, Disposition.RECYCLE]
        return np.where(open_slot, Disposition.RECYCLE, Disposition.DISPOSE).astype(np.int64)

    return decide


def unit_margin(basis: Basis, seed: int = 0) -> Policy:
    """Send each product where its unit margin is highest, ignoring capacity.

    What finds no slot there is disposed of, as it is whenever a facility is full.
    """

    def decide(batch: DayBatch) -> np.ndarray:
        wanted = batch.margins_eur.argmax(axis=1)
        open_slot = batch.masks[np.arange(len(wanted)), wanted]
        return np.where(open_slot, wanted, Disposition.DISPOSE).astype(np.int64)

    return decide


def greedy_capacity(basis: Basis, seed: int = 0) -> Policy:
    """Take the best free slot for each product, whatever it may be worth to a later one."""

    def decide(batch: DayBatch) -> np.ndarray:
        return _best(batch, np.zeros(N_DISPOSITIONS - 1))

    return decide


def bid_price(basis: Basis, seed: int = 0) -> Policy:
    """Take a slot only when it pays its bid price, which rises as the free capacity shrinks.

    The prices are mean duals of the slots in linear programs over the *expected* values of training
    scenarios, drawn from ``basis`` and ``seed`` alone. At a free share s the price is
    ``2 dual (1 - s)``, so that it is the mean dual at half load.

    Raises:
        ScenarioError: the basis allows no scenario.
    """
    return bid_price_from(mean_duals_eur(basis, seed))


def bid_price_after_shift(basis: Basis, shift_seed: int, seed: int = 0) -> Policy:
    """Bid prices that are estimated in the new regime of :func:`regime_shift` with ``shift_seed``.

    The reference for adaptability_rate: it knows the new regime's distribution, not the future.

    Raises:
        ScenarioError: the basis allows no scenario.
    """
    return bid_price_from(mean_duals_eur(basis, seed, shift_seed))


def bid_price_from(duals: np.ndarray) -> Policy:
    """The bid-price rule for given mean duals (4,) in EUR; see :func:`bid_price`."""

    def decide(batch: DayBatch) -> np.ndarray:
        return _best(batch, 2.0 * duals * (1.0 - decode_capacity(batch.states)))

    return decide


@lru_cache(maxsize=32)
def mean_duals_eur(basis: Basis, seed: int, shift_seed: int | None = None) -> np.ndarray:
    """Mean worth of one more slot of each limited disposition, (4,), from training scenarios.

    Args:
        basis: what the training scenarios are drawn like.
        seed: of the training scenarios.
        shift_seed: put them all under this new regime from day 0; None for the usual one.

    Raises:
        ScenarioError: the basis allows no scenario.
    """
    total = np.zeros(N_DISPOSITIONS - 1)
    weight = np.zeros(N_DISPOSITIONS - 1)
    for child in np.random.SeedSequence([_TRAINING_STREAM, seed]).spawn(TRAINING_SCENARIOS):
        training_seed = int(child.generate_state(1, np.uint64)[0])
        scenario = scenario_like(basis, training_seed)
        if shift_seed is not None:
            scenario = regime_shift(scenario, 0, shift_seed)
        optimum = hindsight_optimum(scenario, expected=True)
        np.add.at(total, optimum.slot_disposition, optimum.slot_dual_eur * optimum.slot_capacity)
        np.add.at(weight, optimum.slot_disposition, optimum.slot_capacity)
    duals: np.ndarray = total / np.maximum(weight, 1.0)
    duals.flags.writeable = False
    return duals


def _best(batch: DayBatch, price_eur: np.ndarray) -> np.ndarray:
    worth = np.zeros(batch.masks.shape)
    worth[:, : Disposition.DISPOSE] = decode_gains(batch.states) - price_eur
    return np.where(batch.masks, worth, -np.inf).argmax(axis=1)


BASELINES: dict[str, Callable[[Basis, int], Policy]] = {
    "always_dispose": always_dispose,
    "random": random,
    "all_recycle": all_recycle,
    "unit_margin": unit_margin,
    "greedy_capacity": greedy_capacity,
    "bid_price": bid_price,
}
"""Factories by name: ``BASELINES[name](basis, seed)`` is a policy."""
