"""What bounds decision quality: how much of the hindsight optimum needs knowledge nobody has.

    python tests/bench/bench_policy_bounds.py --generator article --products 600 --days 180

Prints the rungs between the hindsight optimum and a policy, as mean decision quality over
scenarios, and on instances small enough for dynamic programming the causal optimum itself. With
--imitate, also networks that imitate the hindsight optimum itself, in place of the teacher that
`toolchain.policy.imitation` uses.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from toolchain.environment import (
    BASELINES,
    N_DISPOSITIONS,
    N_FEATURES,
    Optimum,
    Policy,
    Simulation,
    causal_optimum_eur,
    hindsight_optimum,
    rollout,
)
from toolchain.environment.network import decay, slot_values_eur
from toolchain.policy.dense import DensePolicy
from toolchain.policy.imitation import dense_policy, network
from toolchain.policy.kernel import pack
from toolchain.policy.late_tensorflow import import_tensorflow
from toolchain.policy.prices import mean_dual_prices, tune_prices
from toolchain.scenario import CircularSupplyChainGenerator, Scenario, ScenarioParameters

FIRST_SEED = 500
TUNING_SEED = 9_000
IMITATION_SEED = 20_000
IMITATION_ROUNDS = 3
CAUSAL_BASELINES = ("unit_margin", "greedy_capacity", "bid_price")


def main() -> None:
    """Parse the command line and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--generator", choices=("article", "weee"), default="article")
    parser.add_argument("--products", type=int, default=600)
    parser.add_argument("--days", type=int, default=180)
    parser.add_argument("--scenarios", type=int, default=6)
    parser.add_argument("--policy", type=Path, help="a trained policy.npz")
    parser.add_argument("--small", type=int, default=10, help="instances of 7 products")
    parser.add_argument("--imitate", type=int, default=0, help="scenarios to imitate, such as 48")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    parameters = ScenarioParameters(
        generator=given.generator, n_products=given.products, horizon_days=given.days
    )
    networks: dict[str, Policy] = {}
    if given.policy is not None:
        networks["network"] = DensePolicy.load(given.policy)
    for expected in (False, True) if given.imitate else ():
        outcomes = "expected" if expected else "realised"
        networks[f"imitates the optimum over {outcomes} values"] = imitate(
            parameters, given.imitate, expected
        )
    figures = rungs(parameters, given.scenarios, networks) | small_instances(
        given.generator, given.small
    )
    if given.json:
        print(json.dumps(figures, indent=2))
        return
    for name, value in figures.items():
        print(f"{name:44s} {value:.4f}")


def rungs(
    parameters: ScenarioParameters, count: int, networks: Mapping[str, Policy]
) -> dict[str, float]:
    """Mean quality of each rung over ``count`` scenarios."""
    tuning = [drawn(parameters, TUNING_SEED + index) for index in range(12)]
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
        name: BASELINES[name](parameters, 0) for name in CAUSAL_BASELINES
    }
    policies["price rule, tuned"] = rule
    policies |= networks
    found: dict[str, list[float]] = {}
    for index in range(count):
        scenario = drawn(parameters, FIRST_SEED + index)
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


def imitate(parameters: ScenarioParameters, count: int, expected: bool) -> DensePolicy:
    """A network fitted to the dispositions of the hindsight optimum, with dataset aggregation.

    The optimum over realised values knows the latent outcomes, that over expected values only the
    arrivals. A state that the optimum's own course does not meet is labelled with the product's
    disposition in the optimum, or disposal where that is not allowed any more.
    """
    tensorflow = import_tensorflow()
    tensorflow.keras.utils.set_random_seed(TUNING_SEED)
    scenarios = [drawn(parameters, IMITATION_SEED + index) for index in range(count)]
    plans = [_plan(one, hindsight_optimum(one, expected=expected)) for one in scenarios]
    model = network(tensorflow, (N_FEATURES, 44, 22, N_DISPOSITIONS))
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    learner: DensePolicy | None = None
    for _ in range(1 + IMITATION_ROUNDS):
        for scenario, plan in zip(scenarios, plans, strict=True):
            parts += _labelled(scenario, plan, learner or plan)
        states, masks, labels = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        closed = (1.0 - masks.astype(np.float32)) * 1e9
        shown = tensorflow.keras.Input((N_FEATURES,))
        shut = tensorflow.keras.Input((N_DISPOSITIONS,))
        fitted = tensorflow.keras.Model([shown, shut], model(shown) - shut)
        fitted.compile(
            tensorflow.keras.optimizers.Adam(2e-3),
            tensorflow.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        fitted.fit([states, closed], labels, batch_size=256, epochs=20, verbose=0)
        learner = dense_policy(model)
    assert learner is not None
    return learner


def _labelled(
    scenario: Scenario, plan: Policy, decides: Policy
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """States and masks that one policy visits, with what the other would do."""
    simulation, parts = Simulation(scenario), []
    while not simulation.done:
        batch = simulation.observe()
        parts.append((batch.states, batch.masks, plan(batch)))
        simulation.execute(decides(batch))
    return parts


def drawn(parameters: ScenarioParameters, seed: int) -> Scenario:
    """One scenario."""
    return CircularSupplyChainGenerator(seed, parameters).generate()


def small_instances(generator: str, count: int) -> dict[str, float]:
    """Mean quality where eight draws of the latent outcomes are possible: the causal optimum by
    dynamic programming, and the baselines on the same instances."""
    if count == 0:
        return {}
    parameters = ScenarioParameters(generator=generator, n_products=7, horizon_days=7)
    found: dict[str, list[float]] = {}
    for index in range(count):
        scenario = drawn(parameters, FIRST_SEED + index)
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
        values = {"7 products: causal optimum": causal_optimum_eur(possible)}
        for name in CAUSAL_BASELINES:
            policy = BASELINES[name](parameters, 0)
            mean_eur = float(np.mean([_value_eur(one, policy) for one in possible]))
            values[f"7 products: {name}"] = mean_eur
        for name, value in values.items():
            found.setdefault(name, []).append((value - floor) / span)
    return {name: float(np.mean(values)) for name, values in found.items()}


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
