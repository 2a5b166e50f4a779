"""The hindsight optimum: against brute force, as a bound, and its duals."""

from dataclasses import replace
from itertools import product as choices

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolchain.environment import (
    BASELINES,
    Disposition,
    Simulation,
    hindsight_optimum,
    perturbed,
    rollout,
)
from toolchain.environment.network import decay, network, slot_values_eur
from toolchain.environment.outcomes import outcomes
from toolchain.scenario import CircularSupplyChainGenerator, ScenarioParameters, SlotsPerReturn

SMALL = ScenarioParameters(n_nodes=12, n_products=50, horizon_days=30)


def _brute_force(scenario):
    """The best total over all assignments of products to slots, by trying every one."""
    out, net = outcomes(scenario), network(scenario)
    left = decay(scenario.parameters.max_wait_days)
    ways = []
    for i, day in enumerate(scenario.returns.return_day):
        mine = []
        for f, kind in enumerate(net.disposition):
            waits = [0] if kind == Disposition.DISPOSE else range(len(left))
            for wait in waits:
                if out.feasible[i, kind] and net.slots[f, day + wait] > 0:
                    value = slot_values_eur(
                        out.realised,
                        net,
                        scenario.returns.mass_kg,
                        np.array([i]),
                        np.array([f]),
                        np.array([wait]),
                        left,
                    )
                    mine.append((f, int(day) + wait, float(value[0])))
        ways.append(mine)
    best = -np.inf
    for plan in choices(*ways):
        used: dict = {}
        for f, day, _ in plan:
            used[f, day] = used.get((f, day), 0) + 1
        if all(count <= net.slots[slot] for slot, count in used.items()):
            best = max(best, sum(value for *_, value in plan))
    return best


@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_equals_brute_force(make_scenario, data):
    unit = st.floats(0, 1)
    products = data.draw(
        st.lists(
            st.fixed_dictionaries(
                {
                    "return_day": st.just(0),
                    "mechanical_wear": unit,
                    "electronic_health": unit,
                    "current_value_eur": st.floats(0, 100),
                    "new_value_eur": st.floats(50, 200),
                    "copper_kg": st.floats(0, 2),
                    "remanufacture_draw": unit,
                    "harvest_draw": st.floats(0.01, 0.99),
                }
            ),
            min_size=1,
            max_size=4,
        )
    )
    scenario = make_scenario(products, max_wait_days=1)
    optimum = hindsight_optimum(scenario)
    assert optimum.value_eur == pytest.approx(_brute_force(scenario), abs=1e-6)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), policy=st.integers(0, 10_000))
def test_no_policy_exceeds_it(seed, policy):
    scenario = CircularSupplyChainGenerator(seed, SMALL).generate()
    optimum = hindsight_optimum(scenario)
    for name in ("random", "all_recycle", "unit_margin", "greedy_capacity", "always_dispose"):
        rows = rollout(scenario, BASELINES[name](SMALL, policy))
        values = rows["value_eur"].to_numpy()
        assert values.sum() <= optimum.value_eur + 1e-6, name
        if name == "always_dispose":
            assert values == pytest.approx(optimum.product_floor_eur)
            assert values.sum() == pytest.approx(optimum.floor_eur)


def test_even_a_policy_that_knows_the_future_does_not_exceed_it():
    scenario = CircularSupplyChainGenerator(8, SMALL).generate()
    optimum = hindsight_optimum(scenario)
    simulation = Simulation(scenario)
    start = 0
    while not simulation.done:
        masks = simulation.observe().masks
        planned = optimum.disposition[start : start + len(masks)]
        allowed = masks[np.arange(len(masks)), planned]
        start += len(masks)
        simulation.execute(np.where(allowed, planned, Disposition.DISPOSE))
    value = simulation.rows()["value_eur"].to_numpy().sum()
    assert value <= optimum.value_eur + 1e-6
    # The dispatch rule is fixed, so following the plan loses some of it.
    assert value - optimum.floor_eur > 0.8 * (optimum.value_eur - optimum.floor_eur)


@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    kind=st.sampled_from(["reuse", "remanufacture", "harvest", "recycle"]),
    factor=st.floats(1.0, 3.0),
)
def test_more_capacity_never_lowers_it(seed, kind, factor):
    slots = SlotsPerReturn()
    more = slots.model_copy(update={kind: getattr(slots, kind) * factor})
    base = CircularSupplyChainGenerator(seed, SMALL).generate()
    wider = SMALL.model_copy(update={"slots_per_return": more})
    other = CircularSupplyChainGenerator(seed, wider).generate()
    assert np.array_equal(base.returns.return_day, other.returns.return_day)
    assert hindsight_optimum(other).value_eur >= hindsight_optimum(base).value_eur - 1e-6


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), order_seed=st.integers(0, 10_000))
def test_relabelling_and_reordering_products_changes_nothing(seed, order_seed):
    scenario = CircularSupplyChainGenerator(seed, SMALL).generate()
    rng = np.random.default_rng(order_seed)
    # Any order within a day is as good: shuffle, then sort by the day alone.
    shuffled = rng.permutation(SMALL.n_products)
    order = shuffled[np.argsort(scenario.returns.return_day[shuffled], kind="stable")]
    columns = {name: column[order] for name, column in scenario.returns.columns().items()}
    other = replace(scenario, returns=replace(scenario.returns, **columns))
    mine, theirs = hindsight_optimum(scenario), hindsight_optimum(other)
    assert theirs.value_eur == pytest.approx(mine.value_eur, abs=1e-6)
    assert theirs.floor_eur == pytest.approx(mine.floor_eur, abs=1e-6)
    assert theirs.product_floor_eur == pytest.approx(mine.product_floor_eur[order])


def test_assignment_is_one_that_the_slots_allow_and_adds_up():
    scenario = CircularSupplyChainGenerator(4, SMALL).generate()
    optimum = hindsight_optimum(scenario)
    net, out = network(scenario), outcomes(scenario)
    column = {int(node): index for index, node in enumerate(net.node)}
    used = np.zeros_like(net.slots)
    facility = np.array([column[int(node)] for node in optimum.facility])
    np.add.at(used, (facility, optimum.processing_day), 1)
    assert (used <= net.slots).all()
    wait = optimum.processing_day - scenario.returns.return_day
    assert wait.min() >= 0
    assert wait.max() <= SMALL.max_wait_days
    n = np.arange(SMALL.n_products)
    assert out.feasible[n, optimum.disposition].all()
    value = slot_values_eur(
        out.realised, net, scenario.returns.mass_kg, n, facility, wait, decay(SMALL.max_wait_days)
    )
    assert value == pytest.approx(optimum.product_value_eur)
    assert value.sum() == pytest.approx(optimum.value_eur)
    assert optimum.gap < 1e-6


def test_duals_price_the_slots(make_scenario):
    # Two products want the one reuse slot of day 0; no other facility has any.
    slots = {"use": 1.0, "disassembly": 0.0, "remanufacturing": 0.0, "recycling": 0.0}
    products = [{"current_value_eur": 50.0}, {"current_value_eur": 30.0}]
    scenario = make_scenario(products, slots, max_wait_days=1)
    scenario = replace(
        scenario,
        regimes=(
            scenario.regimes[0],
            scenario.regimes[0].model_copy(update={"from_day": 1, "reuse_slots": 0.0}),
        ),
    )
    optimum = hindsight_optimum(scenario)
    assert optimum.disposition.tolist() == [0, 4]
    assert optimum.slot_day.tolist() == [0]
    assert optimum.slot_facility.tolist() == [2]
    # One more slot would take the second product from -0.6 EUR to 30 - 4 - 0.4 EUR.
    assert optimum.slot_dual_eur == pytest.approx([25.6 + 0.6])
    assert optimum.product_dual_eur == pytest.approx([20.0, 0.0])


def test_without_any_slot_it_is_the_floor(make_scenario):
    optimum = hindsight_optimum(make_scenario([{}, {}], slots=0.0))
    assert optimum.value_eur == optimum.floor_eur == pytest.approx(-1.2)
    assert optimum.disposition.tolist() == [4, 4]
    assert optimum.slot_dual_eur.size == 0


def test_expected_values_ignore_the_latent_draws(make_scenario):
    lucky = make_scenario([{"mechanical_wear": 0.5, "remanufacture_draw": 0.0}])
    unlucky = make_scenario([{"mechanical_wear": 0.5, "remanufacture_draw": 1.0}])
    one, other = (hindsight_optimum(s, expected=True) for s in (lucky, unlucky))
    assert one.value_eur == other.value_eur
    assert hindsight_optimum(lucky).value_eur >= hindsight_optimum(unlucky).value_eur


def test_defaults_are_not_trivial():
    """Every disposition is best for a visible share, and greed is clearly beaten."""
    parameters = ScenarioParameters()
    qualities: dict[str, list[float]] = {name: [] for name in BASELINES}
    shares = []
    for seed in (11, 12):
        scenario = CircularSupplyChainGenerator(seed, parameters).generate()
        optimum = hindsight_optimum(scenario)
        shares.append(np.bincount(optimum.disposition, minlength=5) / parameters.n_products)
        for name, factory in BASELINES.items():
            value = rollout(scenario, factory(parameters, 0))["value_eur"].to_numpy().sum()
            span = optimum.value_eur - optimum.floor_eur
            qualities[name].append((value - optimum.floor_eur) / span)
    assert 0.05 < np.min(shares) < np.max(shares) < 0.5
    quality = {name: np.mean(values) for name, values in qualities.items()}
    assert quality["always_dispose"] == pytest.approx(0.0, abs=1e-9)
    assert 0.02 < quality["all_recycle"] < 0.3
    assert quality["random"] < quality["greedy_capacity"]
    assert 0.5 < quality["greedy_capacity"] < 0.75
    assert quality["greedy_capacity"] + 0.1 < quality["bid_price"] < 0.95


def test_robust_to_the_perturbed_scenario():
    scenario = CircularSupplyChainGenerator(4, SMALL).generate()
    worse, _ = perturbed(scenario, "shifted_conditions", 0)
    assert hindsight_optimum(worse).value_eur < hindsight_optimum(scenario).value_eur
