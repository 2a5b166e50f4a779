"""The teacher's lessons against the simulation itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from toolchain.environment import Simulation
from toolchain.environment.network import slot_values_eur
from toolchain.policy.kernel import pack, roll_out
from toolchain.policy.lookahead import action_values, teach
from toolchain.policy.prices import PriceRule


def a_rule(scenario) -> PriceRule:
    prices = np.array([[30.0, 1.0, 0.4], [12.0, 0.8, 0.2], [8.0, 1.1, -0.3], [3.0, 0.9, 0.6]])
    return PriceRule(prices, scenario.parameters.horizon_days)


def expected_gain_eur(simulation: Simulation) -> float:
    """Expected value over disposal of what a simulation has done, by its own books."""
    n = len(simulation.scenario.returns)
    products = np.arange(n)
    net, gains = simulation.network, simulation.outcomes.expected
    rows = simulation.rows()
    value = 0.0
    node = rows["facility"].to_numpy()
    kinds = rows["realised"].to_numpy()
    index = {
        (int(a), int(b)): i for i, (a, b) in enumerate(zip(net.node, net.disposition, strict=True))
    }
    facility = np.array([index[int(a), int(b)] for a, b in zip(node, kinds, strict=True)])
    wait = rows["processing_day"].to_numpy() - rows["day"].to_numpy()
    left = simulation._decay
    mass = simulation.scenario.returns.mass_kg
    values = slot_values_eur(gains, net, mass, products, facility, wait, left)
    disposals = np.arange(net.first[4], len(net.node))
    floor = slot_values_eur(
        gains, net, mass, products[:, None], disposals[None], np.zeros((1, 1), int), left
    ).max(axis=1)
    value = float((values - floor).sum())
    return value


def test_action_values_are_what_the_simulation_gives(scenarios):
    scenario = scenarios[1]
    rule, packed = a_rule(scenario), pack(scenario)
    course = roll_out(packed, rule.decider())[1]
    product = 70
    values = np.full((1, 5), -np.inf)
    action_values(packed, rule.decider(), course, np.array([product]), 10_000, values)
    position = {int(p): i for i, p in enumerate(scenario.returns.product)}
    totals = {}
    for action in np.flatnonzero(course.masks[product]):
        simulation = Simulation(scenario)
        while not simulation.done:
            batch = simulation.observe()
            where = [position[int(p)] for p in batch.products]
            chosen = rule(batch) if min(where) > product else course.action[where].copy()
            if product in where:
                after = rule(batch)
                chosen = np.where(np.array(where) > product, after, chosen)
                chosen[where.index(product)] = action
            simulation.execute(chosen)
        totals[int(action)] = expected_gain_eur(simulation)
    for action, total in totals.items():
        before = totals[4] - values[0, 4]
        assert values[0, action] + before == pytest.approx(total, abs=1e-6)
    assert len({round(total, 6) for total in totals.values()}) > 1


def test_lessons_do_not_depend_on_the_threads(scenarios):
    packed = [pack(scenario) for scenario in scenarios[:3]]
    decider = a_rule(scenarios[0]).decider()
    results = []
    for threads in (1, 2):
        with ThreadPoolExecutor(threads) as pool:
            results.append(
                teach(
                    packed,
                    decider,
                    np.random.default_rng(4),
                    states_per_scenario=20,
                    lookahead_days=20,
                    pool=pool,
                )
            )
    for name in ("states", "masks", "regret_eur", "actions"):
        np.testing.assert_array_equal(getattr(results[0], name), getattr(results[1], name))
    regret = results[0].regret_eur
    assert (regret >= 0).all() and (regret.min(axis=1) == 0).all() and regret.max() > 0
