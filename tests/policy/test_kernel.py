"""The compiled simulation against the real one, row by row."""

from __future__ import annotations

import numpy as np
import pytest

from toolchain.environment import UNDECIDED, Simulation, rollout
from toolchain.policy.dense import DensePolicy
from toolchain.policy.imitation import _decider
from toolchain.policy.kernel import NO_SLOT, pack, roll_out
from toolchain.policy.prices import PriceRule, mean_dual_prices, tune_prices


def a_rule(scenario) -> PriceRule:
    prices = np.array([[30.0, 1.0, 0.4], [12.0, 0.8, 0.2], [8.0, 1.1, -0.3], [3.0, 0.9, 0.6]])
    return PriceRule(prices, scenario.parameters.horizon_days)


def a_network(seed: int) -> DensePolicy:
    rng = np.random.default_rng(seed)
    shapes = ((24, 16), (16, 8), (8, 5))
    return DensePolicy(
        tuple(rng.standard_normal(shape).astype(np.float32) for shape in shapes),
        tuple(rng.standard_normal(shape[1]).astype(np.float32) for shape in shapes),
    )


@pytest.mark.parametrize("name", ["article", "weee", "failing"])
def test_states_masks_and_dispatch_equal_the_simulation(name, scenarios, weee, failing_node):
    scenario = {"article": scenarios[0], "weee": weee, "failing": failing_node}[name]
    value_eur, course = roll_out(pack(scenario), a_rule(scenario).decider())
    simulation = Simulation(scenario)
    position = {int(product): i for i, product in enumerate(scenario.returns.product)}
    seen = []
    while not simulation.done:
        batch = simulation.observe()
        where = [position[int(product)] for product in batch.products]
        seen += where
        np.testing.assert_array_equal(batch.masks, course.masks[where])
        np.testing.assert_array_equal(batch.states, course.states[where])
        simulation.execute(course.action[where])
    rows = simulation.rows()
    action = rows["action"].to_numpy()
    decided = np.zeros(len(action), dtype=bool)
    decided[seen] = True
    np.testing.assert_array_equal(action == UNDECIDED, ~decided)
    assert (name == "failing") == bool((~decided).any())
    np.testing.assert_array_equal(
        (rows["processing_day"].to_numpy() - rows["day"].to_numpy())[decided], course.wait[decided]
    )
    realised = rows["realised"].to_numpy()
    np.testing.assert_array_equal(realised == 4, course.facility == NO_SLOT)
    assert value_eur > 0


def test_the_rule_decides_alike_in_both(scenarios):
    rule = a_rule(scenarios[0])
    for scenario in scenarios[:3]:
        course = roll_out(pack(scenario), rule.decider())[1]
        rows = rollout(scenario, rule)
        assert np.mean(rows["action"].to_numpy() == course.action) > 0.99


def test_a_network_decides_alike_in_both(scenarios):
    policy = a_network(1)
    decider = _decider(policy, a_rule(scenarios[0]))
    for scenario in scenarios[:3]:
        course = roll_out(pack(scenario), decider)[1]
        rows = rollout(scenario, policy)
        assert np.mean(rows["action"].to_numpy() == course.action) > 0.99
        assert len(np.unique(course.action)) > 1


def test_tuned_prices_are_worth_more_than_the_duals(scenarios, pool):
    packed = [pack(scenario) for scenario in scenarios]
    start = mean_dual_prices(scenarios[:2])
    tuned, history = tune_prices(
        start, packed, np.random.default_rng(1), generations=5, population=12, pool=pool
    )

    def mean_eur(rule):
        return np.mean([roll_out(p, rule.decider())[0] for p in packed])

    assert mean_eur(tuned) > mean_eur(start)
    assert mean_eur(tuned) >= history[-1] - 1e-9
    assert np.all(np.diff(history) >= 0)
