"""The price rule: twelve numbers that the first teacher decides by, tuned on training scenarios.

It starts from the duals of the hindsight optimum over expected values and is then tuned by the
cross-entropy method (Rubinstein & Kroese 2004), so that it is the best rule of its form that needs
no knowledge of the future; the bid-price baseline is one of its members.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from toolchain.environment import (
    DayBatch,
    Disposition,
    decode_capacity,
    decode_gains,
    hindsight_optimum,
)
from toolchain.policy.choice import choose
from toolchain.policy.kernel import LIMITED, Decider, Packed, roll_out
from toolchain.scenario import Scenario

_LEAST_PRICE_EUR = 0.1
_SPREAD = np.array([0.7, 0.5, 0.7])
"""First standard deviations of log price, log exponent and slope."""
_LEAST_SPREAD = 0.02
_ELITE = 0.25


@dataclass(frozen=True)
class PriceRule:
    """Take the disposition whose gain exceeds its slot's price by most, or dispose.

    Attributes:
        prices: float64 (4, 3), by limited disposition ``p``, ``q``, ``r``: a slot costs
            ``p (1 - s)^q exp(r (t - 1/2))`` EUR at the free share s and the share t of the horizon.
        horizon_days: of the scenarios.
    """

    prices: np.ndarray
    horizon_days: int

    def __call__(self, batch: DayBatch) -> np.ndarray:
        """The rule as the environment's rollout wants it."""
        base, exponent, slope = self.prices.T
        used = 1.0 - decode_capacity(batch.states)
        price = base * used**exponent * np.exp(slope * (batch.day / self.horizon_days - 0.5))
        worth = np.zeros(batch.masks.shape)
        worth[:, : Disposition.DISPOSE] = decode_gains(batch.states) - price
        return choose(worth, batch.masks)

    def decider(self) -> Decider:
        """The rule as the kernel wants it."""
        blank = np.zeros((1, 1), dtype=np.float32)
        none = np.zeros(1, dtype=np.float32)
        return Decider(False, self.prices, (blank, blank, blank), (none, none, none))


def mean_dual_prices(scenarios: Sequence[Scenario]) -> PriceRule:
    """The bid-price rule: twice the mean dual of the scenarios' optima over expected values.

    Raises:
        ScenarioError: a loop of a scenario's graph is open.
    """
    total, weight = np.zeros(LIMITED), np.zeros(LIMITED)
    for scenario in scenarios:
        optimum = hindsight_optimum(scenario, expected=True)
        np.add.at(total, optimum.slot_disposition, optimum.slot_dual_eur * optimum.slot_capacity)
        np.add.at(weight, optimum.slot_disposition, optimum.slot_capacity)
    prices = np.stack([2.0 * total / np.maximum(weight, 1.0), np.ones(4), np.zeros(4)], axis=1)
    return PriceRule(prices, scenarios[0].parameters.horizon_days)


def tune_prices(
    start: PriceRule,
    scenarios: Sequence[Packed],
    rng: np.random.Generator,
    *,
    generations: int,
    population: int,
    pool: ThreadPoolExecutor,
) -> tuple[PriceRule, list[float]]:
    """Tune a rule to the highest mean expected value over the scenarios.

    Args:
        start: where the search begins; it is the first candidate.
        scenarios: at least one.
        rng: draws the candidates.
        generations: of the search.
        population: candidates of each.
        pool: its threads share the rollouts.

    Returns:
        the best candidate met, and the best mean value over disposal in EUR by generation.
    """
    centre = np.stack(
        [
            np.log(np.maximum(start.prices[:, 0], _LEAST_PRICE_EUR)),
            np.log(start.prices[:, 1]),
            start.prices[:, 2],
        ],
        axis=1,
    )
    spread = np.broadcast_to(_SPREAD, centre.shape)

    def rule(point: np.ndarray) -> PriceRule:
        prices = np.stack([np.exp(point[:, 0]), np.exp(point[:, 1]), point[:, 2]], axis=1)
        return PriceRule(prices, start.horizon_days)

    def mean_eur(point: np.ndarray) -> float:
        decider = rule(point).decider()
        return float(np.mean([roll_out(scenario, decider)[0] for scenario in scenarios]))

    best, best_eur, history = centre, mean_eur(centre), []
    for _ in range(generations):
        points = centre + spread * rng.standard_normal((population, *centre.shape))
        values = np.array(list(pool.map(mean_eur, points)))
        elite = points[np.argsort(-values, kind="stable")[: max(2, int(_ELITE * population))]]
        centre, spread = elite.mean(axis=0), elite.std(axis=0) + _LEAST_SPREAD
        if values.max() > best_eur:
            best, best_eur = points[values.argmax()], float(values.max())
        history.append(best_eur)
    centre_eur = mean_eur(centre)
    return (rule(centre) if centre_eur >= best_eur else rule(best)), history
