"""What bounds decision quality: how much of the hindsight optimum needs knowledge nobody has.

    python tests/bench/bench_policy_bounds.py --generator article --products 600 --days 180

Prints the rungs between the hindsight optimum and a policy, as mean decision quality over
scenarios, and on instances small enough for dynamic programming the causal optimum itself.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from toolchain.environment import (
    BASELINES,
    Optimum,
    Policy,
    Simulation,
    causal_optimum_eur,
    hindsight_optimum,
    rollout,
)
from toolchain.environment.network import decay, slot_values_eur
from toolchain.policy.dense import DensePolicy
from toolchain.policy.kernel import pack
from toolchain.policy.prices import mean_dual_prices, tune_prices
from toolchain.scenario import CircularSupplyChainGenerator, Scenario, ScenarioParameters

FIRST_SEED = 500
TUNING_SEED = 9_000


def main() -> None:
    """Parse the command line and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--generator", choices=("article", "weee"), default="article")
    parser.add_argument("--products", type=int, default=600)
    parser.add_argument("--days", type=int, default=180)
    parser.add_argument("--scenarios", type=int, default=6)
    parser.add_argument("--policy", type=Path, help="a trained policy.npz")
    parser.add_argument("--small", type=int, default=20, help="instances of 7 products")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    parameters = ScenarioParameters(
        generator=given.generator, n_products=given.products, horizon_days=given.days
    )
    figures = rungs(parameters, given.scenarios, given.policy) | small_instances(
        given.generator, given.small
    )
    if given.json:
        print(json.dumps(figures, indent=2))
        return
    for name, value in figures.items():
        print(f"{name:44s} {value:.4f}")


def rungs(parameters: ScenarioParameters, count: int, policy_file: Path | None) -> dict[str, float]:
    """Mean quality of each rung over ``count`` scenarios."""

    def drawn(seed: int) -> Scenario:
        return CircularSupplyChainGenerator(seed, parameters).generate()

    tuning = [drawn(TUNING_SEED + index) for index in range(12)]
    with ThreadPoolExecutor(2) as pool:
        rule, _ = tune_prices(
            mean_dual_prices(tuning[:3]),
            [pack(scenario) for scenario in tuning],
            np.random.default_rng(1),
            generations=20,
            population=40,
            pool=pool,
        )
    policies: dict[str, Policy] = {
        name: BASELINES[name](parameters, 0) for name in ("greedy_capacity", "bid_price")
    }
    policies["price rule, tuned"] = rule
    if policy_file is not None:
        policies["network"] = DensePolicy.load(policy_file)
    found: dict[str, list[float]] = {}
    for index in range(count):
        scenario = drawn(FIRST_SEED + index)
        best, planned = hindsight_optimum(scenario), hindsight_optimum(scenario, expected=True)
        values = {
            "all arrivals known, exact slots": _exact_eur(scenario, planned),
            "the same plan through the dispatch rule": _value_eur(
                scenario, _plan(scenario, planned)
            ),
            "hindsight plan through the dispatch rule": _value_eur(scenario, _plan(scenario, best)),
        }
        values |= {name: _value_eur(scenario, policy) for name, policy in policies.items()}
        for name, value in values.items():
            quality = (value - best.floor_eur) / (best.value_eur - best.floor_eur)
            found.setdefault(name, []).append(quality)
    return {name: float(np.mean(values)) for name, values in found.items()}


def small_instances(generator: str, count: int) -> dict[str, float]:
    """Quality of the causal optimum where eight draws of the latent outcomes are possible."""
    parameters = ScenarioParameters(generator=generator, n_products=7, horizon_days=7)
    ratios = []
    for index in range(count):
        scenario = CircularSupplyChainGenerator(FIRST_SEED + index, parameters).generate()
        rng = np.random.default_rng([TUNING_SEED, index])
        possible = [
            replace(
                scenario,
                returns=replace(
                    scenario.returns,
                    remanufacture_draw=rng.random(len(scenario.returns)),
                    harvest_draw=rng.random(len(scenario.returns)),
                ),
            )
            for _ in range(8)
        ]
        optima = [hindsight_optimum(one) for one in possible]
        floor = float(np.mean([optimum.floor_eur for optimum in optima]))
        span = float(np.mean([optimum.value_eur for optimum in optima])) - floor
        ratios.append((causal_optimum_eur(possible) - floor) / span)
    return {"causal optimum of 7 products, latents unknown": float(np.mean(ratios))}


def _value_eur(scenario: Scenario, policy: Policy) -> float:
    return float(rollout(scenario, policy)["value_eur"].to_numpy().sum())


def _plan(scenario: Scenario, optimum: Optimum) -> Policy:
    place = {int(product): i for i, product in enumerate(scenario.returns.product)}

    def decide(batch):  # type: ignore[no-untyped-def]
        wanted = optimum.disposition[[place[int(product)] for product in batch.products]]
        return np.where(batch.masks[np.arange(len(wanted)), wanted], wanted, 4)

    return decide


def _exact_eur(scenario: Scenario, optimum: Optimum) -> float:
    """Realised value of an assignment in its own slots."""
    simulation = Simulation(scenario)
    net = simulation.network
    index = {
        (int(node), int(kind)): i
        for i, (node, kind) in enumerate(zip(net.node, net.disposition, strict=True))
    }
    facility = np.array(
        [
            index[int(node), int(kind)]
            for node, kind in zip(optimum.facility, optimum.disposition, strict=True)
        ]
    )
    returns = scenario.returns
    values = slot_values_eur(
        simulation.outcomes.realised,
        net,
        returns.mass_kg,
        np.arange(len(returns)),
        facility,
        optimum.processing_day - returns.return_day,
        decay(scenario.parameters.max_wait_days),
    )
    return float(values.sum())


if __name__ == "__main__":
    main()
