"""The vectorised twin equals the simulation step for step."""

import numpy as np
import pytest

import toolchain.environment.vector as vector_module
from toolchain.environment import (
    CAPACITY_FEATURES,
    Disposition,
    Simulation,
    VectorSimulation,
    regime_shift,
)
from toolchain.errors import InputError
from toolchain.scenario import (
    CircularSupplyChainGenerator,
    NodeParameters,
    ScenarioParameters,
    nodes_of_type,
)


def _scenarios():
    """Different sizes, graphs, generators and budgets; some nodes die."""
    scarce = NodeParameters(message_budget_per_day=0.4)
    dead = NodeParameters(battery_j=0.01, harvest_j_per_day=0.0)
    given = [
        {"n_nodes": 8, "n_products": 40},
        {"n_nodes": 25, "n_products": 70, "generator": "weee"},
        {"n_nodes": 12, "n_products": 60, "node": scarce},
        {"n_nodes": 9, "n_products": 5, "node": dead},
        {"n_nodes": 12, "n_products": 1},
    ]
    made = [
        CircularSupplyChainGenerator(i, ScenarioParameters(horizon_days=40, **g)).generate()
        for i, g in enumerate(given)
    ]
    return [*made, regime_shift(made[1], 20, 0)]


@pytest.mark.parametrize("scenarios_per_thread", [1, 512])
def test_equal_step_for_step(monkeypatch, scenarios_per_thread):
    monkeypatch.setattr(vector_module, "_CORES", 2)
    monkeypatch.setattr(vector_module, "_SCENARIOS_PER_THREAD", scenarios_per_thread)
    scenarios = _scenarios()
    vector = VectorSimulation(scenarios)
    singles = [Simulation(scenario) for scenario in scenarios]
    rng = np.random.default_rng(0)
    for _ in range(2):
        while not vector.done.all():
            batch = vector.observe()
            assert vector.observe() is batch
            floors = vector.floor_eur()
            actions = np.where(batch.masks, rng.random(batch.masks.shape), -1).argmax(axis=1)
            values = vector.execute(actions)
            for env, single in enumerate(singles):
                assert batch.active[env] == (not single.done)
                if single.done:
                    assert values[env] == floors[env] == 0.0
                    assert not batch.states[env].any()
                    continue
                seen = single.observe()
                k = len(seen.masks) - single.pending
                assert batch.products[env] == seen.products[k]
                assert np.array_equal(batch.states[env], seen.states[k])
                assert np.array_equal(batch.masks[env], seen.masks[k])
                assert floors[env] == pytest.approx(single.next_floor_eur(), abs=1e-12)
                assert values[env] == single.execute_next(int(actions[env]))
        for env, single in enumerate(singles):
            assert single.done
            assert vector.rows(env).equals(single.rows())
        vector.reset()
        singles = [Simulation(scenario) for scenario in scenarios]


def test_facilities_that_are_as_good_as_unlimited():
    """Slots of all facilities and days together are more than 32 bits hold."""
    parameters = ScenarioParameters(n_nodes=40, n_products=5, horizon_days=20)
    scenario = CircularSupplyChainGenerator(3, parameters).generate()
    for node in nodes_of_type(scenario.graph, "use"):
        scenario.graph.nodes[node]["slots_per_day"] = 1e8
    vector, single = VectorSimulation([scenario]), Simulation(scenario)
    assert single.observe().states[0, CAPACITY_FEATURES][0] == 1.0
    assert np.array_equal(vector.observe().states[0], single.observe().states[0])


def test_masked_and_malformed_actions_execute_nothing():
    vector = VectorSimulation(_scenarios())
    batch = vector.observe()
    n = len(batch.active)
    with pytest.raises(InputError, match="shape"):
        vector.execute(np.zeros(n + 1, dtype=np.int64))
    with pytest.raises(InputError, match="float64"):
        vector.execute(np.zeros(n))
    with pytest.raises(InputError, match=r"scenario 0.*action 7 is masked or out of range"):
        vector.execute(np.full(n, 7))
    while batch.masks[batch.active].all():
        vector.execute(np.full(n, Disposition.RECYCLE))
        batch = vector.observe()
    env, action = np.argwhere(batch.active[:, None] & ~batch.masks)[0]
    actions = np.full(n, Disposition.DISPOSE)
    actions[env] = action
    before = [vector.rows(i) for i in range(n)]
    with pytest.raises(InputError, match=f"scenario {env}, product.*masked"):
        vector.execute(actions)
    assert all(vector.rows(i).equals(before[i]) for i in range(n))


def test_different_horizons_are_refused():
    scenarios = [
        CircularSupplyChainGenerator(
            0, ScenarioParameters(n_nodes=8, n_products=5, horizon_days=days)
        ).generate()
        for days in (20, 30)
    ]
    with pytest.raises(InputError, match=r"\(20, 14\), \(30, 14\)"):
        VectorSimulation(scenarios)
    with pytest.raises(InputError, match="0 scenarios"):
        VectorSimulation([])
