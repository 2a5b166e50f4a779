"""The simulation's semantics: batches, dispatch, masks, the node's budgets, conservation."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolchain.environment import (
    BASELINES,
    CAPACITY_FEATURES,
    FEATURE_NAMES,
    N_FEATURES,
    ROW_COLUMNS,
    UNDECIDED,
    Disposition,
    Simulation,
    decode_gains,
    rollout,
)
from toolchain.environment.network import network
from toolchain.environment.outcomes import success_odds
from toolchain.errors import InputError, ScenarioError
from toolchain.scenario import (
    CircularSupplyChainGenerator,
    NodeParameters,
    Outage,
    Regime,
    ScenarioParameters,
    factors,
    nodes_of_type,
)

SMALL = ScenarioParameters(n_nodes=12, n_products=60, horizon_days=40)


def _random(seed):
    return BASELINES["random"](SMALL, seed)


def test_a_day_is_observed_before_any_of_it_is_executed(make_scenario):
    scenario = make_scenario([{}, {}, {"return_day": 1}], max_wait_days=1)
    simulation = Simulation(scenario)
    batch = simulation.observe()
    assert batch.day == 0
    assert batch.products.tolist() == [0, 1]
    assert np.array_equal(batch.states[0], batch.states[1])
    assert simulation.observe() is batch
    simulation.execute(np.array([0, 0]))
    later = simulation.observe()
    # Both reuse slots within the wait are gone; the one of day 2 is left.
    assert later.day == 1
    free = later.states[0, CAPACITY_FEATURES]
    assert free[0] == pytest.approx(0.0)
    assert free[1:] == pytest.approx(1.0)


def test_last_slot_goes_to_the_first_and_the_rest_is_disposed_of(make_scenario):
    scenario = make_scenario([{}, {}, {}, {"return_day": 1}], max_wait_days=1)
    simulation = Simulation(scenario)
    simulation.execute(np.array([0, 0, 0]))
    rows = simulation.rows()
    assert rows["action"].to_pylist() == [0, 0, 0]
    assert rows["realised"].to_pylist() == [0, 0, int(Disposition.DISPOSE)]
    assert rows["processing_day"].to_pylist() == [0, 1, 0]
    assert rows["facility"].to_pylist() == [2, 2, 7]


def test_full_facility_is_masked_and_refused(make_scenario):
    slots = {"use": 0.0, "disassembly": 1.0, "remanufacturing": 1.0, "recycling": 1.0}
    simulation = Simulation(make_scenario([{}], slots))
    assert simulation.observe().masks[0].tolist() == [False, True, True, True, True]
    assert simulation.observe().states[0, FEATURE_NAMES.index("reuse_gain")] == -1.0
    with pytest.raises(InputError, match="product 0: REUSE is masked on day 0") as caught:
        simulation.execute(np.array([0]))
    assert "REMANUFACTURE, HARVEST, RECYCLE, DISPOSE" in caught.value.hint
    assert simulation.rows().num_rows == 0
    with pytest.raises(InputError, match="REUSE is masked"):
        simulation.execute_next(0)


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        (np.array([0]), r"shape \(1,\)"),
        (np.array([0.0, 1.0]), "float64"),
        (np.array([[0, 1]]), r"shape \(1, 2\)"),
        (np.array([0, 5]), "product 1: action 5, must be 0 to 4"),
        (np.array([0, -1]), "product 1: action -1"),
    ],
)
def test_impossible_actions_execute_nothing(make_scenario, actions, message):
    simulation = Simulation(make_scenario([{}, {}]))
    with pytest.raises(InputError, match=message):
        simulation.execute(actions)
    assert simulation.rows().num_rows == 0
    simulation.execute(np.array([0, 0]))
    assert simulation.done
    with pytest.raises(InputError, match="all 2 returns are decided"):
        simulation.observe()


def test_dispatch_takes_the_slot_worth_most_after_transport_and_delay(make_scenario):
    scenario = make_scenario([{}, {}], max_wait_days=5)
    graph = scenario.graph
    # A second market, 22 km away: 0.04 EUR dearer than the first, but a day there costs 0.12 EUR.
    graph.add_node(
        8, type="use", capacity=1.0, energy_per_unit=1.0, co2_per_unit=1.0, slots_per_day=1.0
    )
    graph.add_edge(3, 8, flow_type="link", distance=22.0)
    graph.add_edge(8, 3, flow_type="link", distance=1.0)
    simulation = Simulation(scenario)
    simulation.execute(np.array([0, 0]))
    rows = simulation.rows()
    assert rows["facility"].to_pylist() == [2, 8]
    assert rows["processing_day"].to_pylist() == [0, 0]


def test_dead_node_disposes_of_what_it_cannot_decide(make_scenario):
    node = NodeParameters(message_budget_per_day=0.5, battery_j=100.0)
    products = [{"return_day": day} for day in range(12)]
    simulation = Simulation(make_scenario(products, node=node))
    days = []
    while not simulation.done:
        days.append(simulation.day)
        simulation.execute(np.array([Disposition.RECYCLE]))
    rows = simulation.rows()
    # 3.5 messages are kept and half a message a day comes in: the sixth day is the last in a row.
    assert days == [0, 1, 2, 3, 4, 5, 7, 9, 11]
    alive = [day in days for day in range(12)]
    assert rows["node_alive"].to_pylist() == alive
    assert rows["action"].to_pylist() == [3 if a else UNDECIDED for a in alive]
    assert rows["realised"].to_pylist() == [3 if a else 4 for a in alive]


def test_empty_battery_ends_the_decisions(make_scenario):
    node = NodeParameters(
        battery_j=1.0, harvest_j_per_day=0.0, energy_per_message_j=0.3, energy_per_decision_j=0.01
    )
    products = [{"return_day": day} for day in (0, 1, 2, 3, 4) for _ in range(2)]
    simulation = Simulation(make_scenario(products, node=node))
    batteries = []
    while not simulation.done:
        batteries.append(simulation.observe().states[0, FEATURE_NAMES.index("node_battery")])
        simulation.execute(np.array([4, 4]))
    # Each day costs 0.3 + 2 * 0.01 J: three days, then 0.04 J are left.
    assert batteries == pytest.approx([1.0, 2 * 0.68 - 1, 2 * 0.36 - 1], abs=1e-6)
    assert rows_alive(simulation) == [True] * 6 + [False] * 4


def rows_alive(simulation):
    return simulation.rows()["node_alive"].to_pylist()


def test_gain_features_hold_the_expected_gain_of_the_best_slot(make_scenario):
    batch = Simulation(make_scenario([{"mechanical_wear": 0.3}])).observe()
    gains = decode_gains(batch.states)[0]
    dispose = -0.4 - 0.2
    assert gains[0] == pytest.approx(50 - 4 - 0.4 - dispose, abs=1e-3)
    odds = 1 / (1 + np.exp(-1.5))
    failed = 2 * 0.9 * 0.25 - 0.9 - 0.02 * 5
    expected = odds * 65 + (1 - odds) * failed - 25 - 0.8 - dispose
    assert gains[1] == pytest.approx(expected, abs=1e-3)
    assert gains[3] == pytest.approx(-0.45 - 1.0 - dispose, abs=1e-3)
    margins = batch.margins_eur[0]
    assert margins[:4] - margins[4] == pytest.approx(gains, abs=1e-3)


@pytest.mark.parametrize(
    ("node", "kind"), [(7, "disposal"), (1, "manufacturing"), (99, "no node of the graph")]
)
def test_an_outage_is_of_a_limited_facility(make_scenario, node, kind):
    scenario = make_scenario([{}], outages=(Outage(node=node, from_day=1, to_day=3),))
    with pytest.raises(ScenarioError, match=f"node {node}, which is {kind}"):
        Simulation(scenario)


def test_outage_and_regime_close_slots(make_scenario):
    outages = (Outage(node=2, from_day=1, to_day=3),)
    regimes = (Regime(from_day=0), Regime(from_day=4, recycle_slots=0.0))
    scenario = make_scenario([{}], outages=outages, regimes=regimes, horizon_days=6)
    net = Simulation(scenario).network
    by_node = dict(zip(net.node.tolist(), net.slots, strict=True))
    assert by_node[2].tolist() == [1, 0, 0, 1, 1, 1, 1, 1]
    assert by_node[6].tolist() == [1, 1, 1, 1, 0, 0, 0, 0]


def _slots(rate):
    parameters = ScenarioParameters(n_nodes=8, n_products=1, horizon_days=200)
    scenario = CircularSupplyChainGenerator(0, parameters).generate()
    node = nodes_of_type(scenario.graph, "recycling")[0]
    scenario.graph.nodes[node]["slots_per_day"] = rate
    net = network(scenario)
    return net.slots[net.node.tolist().index(node)]


@settings(max_examples=30, deadline=None)
@given(rate=st.floats(0, 4), extra=st.floats(0, 2))
def test_slots_are_even_right_on_average_and_never_fewer_at_a_higher_rate(rate, extra):
    slots, more = _slots(rate), _slots(rate + extra)
    assert abs(slots.sum() - rate * len(slots)) < 5
    assert slots.max() - slots.min() <= 1
    assert (more >= slots).all()


def _wasted_kg(scenario, realised, components_reused):
    """What leaves every loop (n,), material by material and station by station."""
    f, returns = factors(), scenario.returns
    lost_kg = returns.materials_kg @ (1 - f.per_material("recycling_yield"))
    restored = returns.remanufacture_draw < success_odds(returns.mechanical_wear, returns.corrosion)
    replaced_kg = f.remanufacture.replaced_mass_share.value * returns.mass_kg
    hulk = 1 - f.harvest.component_mass_share.value * components_reused / returns.components
    by_disposition = {
        Disposition.REUSE: 0.0,
        Disposition.REMANUFACTURE: np.where(restored, replaced_kg, lost_kg),
        Disposition.HARVEST: hulk * lost_kg,
        Disposition.RECYCLE: lost_kg,
        Disposition.DISPOSE: returns.mass_kg,
    }
    return np.select([realised == kind for kind in by_disposition], list(by_disposition.values()))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), policy=st.integers(0, 10_000))
def test_mass_balance_closes_and_masks_hold(seed, policy):
    scenario = CircularSupplyChainGenerator(seed, SMALL).generate()
    simulation = Simulation(scenario)
    decide = _random(policy)
    values = []
    while not simulation.done:
        batch = simulation.observe()
        assert batch.masks[:, Disposition.DISPOSE].all()
        assert batch.states.shape == (len(batch.products), N_FEATURES)
        assert batch.states.dtype == np.float32
        assert np.abs(batch.states).max() <= 1.0
        actions = decide(batch)
        assert batch.masks[np.arange(len(actions)), actions].all()
        values.append(simulation.execute(actions))
    rows = simulation.rows()
    assert rows.column_names == list(ROW_COLUMNS)
    assert [field.type for field in rows.schema] == list(ROW_COLUMNS.values())
    assert rows.num_rows == SMALL.n_products
    get = {name: rows[name].to_numpy() for name in rows.column_names}
    wasted = _wasted_kg(scenario, get["realised"], get["components_reused"])
    assert np.abs(get["mass_kg"] - get["mass_reentered_kg"] - wasted).max() < 1e-9
    assert np.abs(get["mass_wasted_kg"] - wasted).max() < 1e-9
    assert get["mass_reentered_kg"].min() >= 0
    assert get["mass_wasted_kg"].min() >= -1e-12
    assert np.array_equal(get["mass_kg"], scenario.returns.mass_kg)
    assert (get["components_reused"] <= get["components"]).all()
    wait = get["processing_day"] - get["day"]
    assert 0 <= wait.min() <= wait.max() <= SMALL.max_wait_days
    assert np.allclose(np.concatenate(values), get["value_eur"])
    moved = get["realised"] != get["action"]
    assert (get["realised"][moved] == Disposition.DISPOSE).all()


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_no_slot_is_used_twice(seed):
    scenario = CircularSupplyChainGenerator(seed, SMALL).generate()
    simulation = Simulation(scenario)
    decide = BASELINES["greedy_capacity"](SMALL, 0)
    while not simulation.done:
        simulation.execute(decide(simulation.observe()))
    rows = simulation.rows()
    net = simulation.network
    used = np.zeros_like(net.slots)
    column = {int(node): index for index, node in enumerate(net.node)}
    for node, day in zip(
        rows["facility"].to_pylist(), rows["processing_day"].to_pylist(), strict=True
    ):
        used[column[node], day] += 1
    assert (used <= net.slots).all()
    limited = net.disposition != Disposition.DISPOSE
    assert used[limited].max() >= 1


def test_product_by_product_equals_day_by_day():
    scenario = CircularSupplyChainGenerator(3, SMALL).generate()
    whole, single = Simulation(scenario), Simulation(scenario)
    decide = _random(5)
    while not whole.done:
        actions = decide(whole.observe())
        values = whole.execute(actions)
        assert [single.execute_next(int(a)) for a in actions] == pytest.approx(values.tolist())
    assert single.done
    assert single.rows().equals(whole.rows())


def test_half_a_day_by_product_then_the_rest_as_a_batch():
    scenario = CircularSupplyChainGenerator(3, SMALL).generate()
    whole, mixed = Simulation(scenario), Simulation(scenario)
    decide = _random(5)
    split = 0
    while not whole.done:
        actions = decide(whole.observe())
        whole.execute(actions)
        if len(actions) > 1:
            split += 1
            mixed.execute_next(int(actions[0]))
            mixed.execute(actions[1:])
        else:
            mixed.execute(actions)
    assert split > 3
    assert mixed.rows().equals(whole.rows())


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), label_seed=st.integers(0, 10_000))
def test_relabelling_products_changes_nothing(seed, label_seed):
    scenario = CircularSupplyChainGenerator(seed, SMALL).generate()
    labels = np.random.default_rng(label_seed).permutation(1_000)[: SMALL.n_products]
    other = replace(scenario, returns=replace(scenario.returns, product=labels))
    decide = BASELINES["greedy_capacity"](SMALL, 0)
    mine, theirs = rollout(scenario, decide), rollout(other, decide)
    assert theirs["product"].to_pylist() == labels.tolist()
    assert theirs.drop_columns(["product"]).equals(mine.drop_columns(["product"]))


def test_rollout_refuses_a_policy_that_ignores_masks(make_scenario):
    scenario = make_scenario([{"electronic_health": 0.0}])
    with pytest.raises(InputError, match="REUSE is masked"):
        rollout(scenario, lambda batch: np.zeros(len(batch.products), dtype=np.int64))


def test_perturbation_changes_the_states_only(make_scenario):
    scenario = make_scenario([{}])
    plain = Simulation(scenario).observe()
    seen = Simulation(scenario, lambda states, day: states * 3.0 + day).observe()
    assert np.array_equal(seen.states, np.clip(plain.states * 3.0, -1, 1))
    assert np.array_equal(seen.masks, plain.masks)


@pytest.mark.parametrize(("n_nodes", "kind"), [(8, "article"), (8, "weee"), (5_000, "article")])
def test_the_smallest_and_the_largest_chain_can_be_decided(n_nodes, kind):
    parameters = ScenarioParameters(generator=kind, n_nodes=n_nodes, n_products=40, horizon_days=20)
    scenario = CircularSupplyChainGenerator(2, parameters).generate()
    rows = rollout(scenario, BASELINES["greedy_capacity"](parameters, 0))
    assert rows.num_rows == 40
    assert len(set(rows["realised"].to_pylist())) >= 3


def test_waste_per_product_is_that_of_the_rows():
    simulation = Simulation(CircularSupplyChainGenerator(3, SMALL).generate())
    decide = _random(5)
    assert simulation.waste_kg_per_product == 0.0
    while not simulation.done:
        simulation.execute(decide(simulation.observe()))
        wasted = simulation.rows()["mass_wasted_kg"].to_numpy()
        assert simulation.waste_kg_per_product == pytest.approx(wasted.mean())
