"""Perturbations: what each changes, what it leaves, and that it can be resumed."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import special

from toolchain.environment import (
    SENSOR_FEATURES,
    Perturbation,
    Shift,
    perturbed,
    rollout,
    shifted,
)
from toolchain.environment.baselines import BASELINES
from toolchain.errors import InputError, ScenarioError
from toolchain.scenario import (
    FAMILIES,
    CircularSupplyChainGenerator,
    Scenario,
    ScenarioParameters,
    factors,
)

SMALL = ScenarioParameters(n_nodes=12, n_products=60, horizon_days=60)
OBSERVED = [name for name in Perturbation if name != Perturbation.SHIFTED_CONDITIONS]


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return CircularSupplyChainGenerator(6, SMALL).generate()


def test_the_set_is_that_of_the_metric():
    assert list(Perturbation) == [
        "sensor_noise",
        "stuck_feature",
        "missing_features",
        "calibration_drift",
        "corrupted_calibration",
        "shifted_conditions",
    ]


@pytest.mark.parametrize("name", OBSERVED)
def test_senses_are_perturbed_and_books_are_not(scenario, name):
    same, transform = perturbed(scenario, name, 3)
    assert same is scenario
    states = np.random.default_rng(0).uniform(-0.5, 0.5, (200, 24)).astype(np.float32)
    kept = states.copy()
    seen = transform(states, 30)
    assert np.array_equal(states, kept)
    assert np.array_equal(seen[:, SENSOR_FEATURES:], states[:, SENSOR_FEATURES:])
    changed = np.abs(seen - states).max(axis=0)[:SENSOR_FEATURES] > 0
    assert changed.sum() == (1 if name == "stuck_feature" else SENSOR_FEATURES)
    # Only seed and day decide: another instance resumes in the middle.
    assert np.array_equal(perturbed(scenario, name, 3)[1](states, 30), seen)
    assert not np.array_equal(perturbed(scenario, name, 4)[1](states, 30), seen)


def test_each_perturbation_is_what_its_name_says(scenario):
    states = np.random.default_rng(0).uniform(-0.5, 0.5, (4_000, 24)).astype(np.float32)

    def apply(name, day=30):
        return perturbed(scenario, name, 1)[1](states, day)

    noise = (apply("sensor_noise") - states)[:, :SENSOR_FEATURES]
    assert noise.std() == pytest.approx(factors().perturbation.noise_sd.value, rel=0.02)
    assert np.abs(noise.mean(axis=0)).max() < 0.01
    missing = (apply("missing_features") == 0)[:, :SENSOR_FEATURES]
    assert missing.mean() == pytest.approx(0.15, abs=0.005)
    stuck = apply("stuck_feature")
    constant = np.flatnonzero(np.ptp(stuck, axis=0) == 0)
    assert len(constant) == 1
    assert np.array_equal(stuck[:, constant], apply("stuck_feature", 3)[:, constant])
    drift = [np.abs(apply("calibration_drift", day) - states).max() for day in (0, 20, 40)]
    assert drift[0] == 0.0
    assert drift[2] == pytest.approx(2 * drift[1], rel=1e-5)
    corrupted = apply("corrupted_calibration")
    assert np.array_equal(corrupted, apply("corrupted_calibration", 3))
    slope = np.polyfit(states[:, 0].astype(float), corrupted[:, 0].astype(float), 1)
    assert corrupted[:, 0] == pytest.approx(np.polyval(slope, states[:, 0]), abs=1e-5)


def test_noise_differs_between_days(scenario):
    states = np.zeros((5, 24), dtype=np.float32)
    transform = perturbed(scenario, "sensor_noise", 1)[1]
    assert not np.array_equal(transform(states, 1), transform(states, 2))


def test_shifted_conditions_draw_the_same_chain_with_worse_products(scenario):
    worse, transform = perturbed(scenario, "shifted_conditions", 0)
    assert transform is None
    assert worse.regimes == scenario.regimes
    assert dict(worse.graph.nodes(data=True)) == dict(scenario.graph.nodes(data=True))
    assert np.array_equal(worse.returns.return_day, scenario.returns.return_day)
    assert (worse.returns.mechanical_wear > scenario.returns.mechanical_wear).all()
    assert worse.sha256 != scenario.sha256


def test_own_returns_cannot_be_shifted(make_scenario):
    with pytest.raises(ScenarioError, match="cannot be drawn again"):
        perturbed(make_scenario([{}] * 8), "shifted_conditions", 0)


def test_a_new_family_is_shifted_with_the_rest(scenario):
    arrived = shifted(scenario, Shift.NEW_FAMILY, 20, 1)
    worse, _ = perturbed(arrived, "shifted_conditions", 0)
    alone, _ = perturbed(scenario, "shifted_conditions", 0)
    new = arrived.returns.family == FAMILIES.index("e_bike")
    assert 5 < new.sum() < 40
    assert np.array_equal(worse.returns.family, arrived.returns.family)
    assert np.array_equal(worse.returns.steel_kg, arrived.returns.steel_kg)
    wear, usual = worse.returns.mechanical_wear, arrived.returns.mechanical_wear
    assert np.array_equal(wear[~new], alone.returns.mechanical_wear[~new])
    assert (wear[new] >= usual[new]).all()
    assert wear[new].mean() > usual[new].mean()


@pytest.mark.parametrize("name", list(Perturbation))
def test_a_negative_seed_is_refused(scenario, name):
    with pytest.raises(ScenarioError, match="seed is -1"):
        perturbed(scenario, name, -1)


def test_unknown_name_is_refused(scenario):
    with pytest.raises(InputError, match="'fog'"):
        perturbed(scenario, "fog", 0)


def test_a_policy_that_looks_is_affected(scenario):
    policy = BASELINES["greedy_capacity"](SMALL, 0)
    plain = rollout(scenario, policy)
    _, transform = perturbed(scenario, "sensor_noise", 0)
    assert rollout(scenario, policy, transform)["action"] != plain["action"]


def test_own_returns_move_inside_of_their_own_range():
    base = CircularSupplyChainGenerator(6, SMALL).generate()
    own = replace(base, parameters=SMALL.model_copy(update={"generator": "own"}))
    worse, transform = perturbed(own, "shifted_conditions", 0)
    assert transform is None
    assert worse.graph is own.graph
    before, after = own.returns, worse.returns
    for name in ("mechanical_wear", "corrosion", "cosmetic_damage", "battery_cycles"):
        old, new = getattr(before, name), getattr(after, name)
        assert (new >= old).all()
        assert new.mean() > old.mean() + 0.2 * old.std()
        assert new.max() <= old.max()
    assert (after.electronic_health <= before.electronic_health).all()
    assert after.electronic_health.min() >= before.electronic_health.min()
    assert (after.current_value_eur < before.current_value_eur).mean() > 0.9
    for name in ("age_years", "steel_kg", "return_day", "harvest_draw"):
        assert np.array_equal(getattr(after, name), getattr(before, name))
    # A shift by s normal scores takes the median to the quantile ndtr(s).
    share = special.ndtr(factors().perturbation.condition_shift_sd.value)
    middle = np.argsort(before.mechanical_wear)[len(before) // 2]
    expected = np.quantile(before.mechanical_wear, share)
    assert after.mechanical_wear[middle] == pytest.approx(expected, abs=0.03)


def test_a_single_own_return_stays_as_it_is():
    base = CircularSupplyChainGenerator(6, SMALL.model_copy(update={"n_products": 1})).generate()
    parameters = base.parameters.model_copy(update={"generator": "own"})
    worse, _ = perturbed(replace(base, parameters=parameters), "shifted_conditions", 0)
    assert np.array_equal(worse.returns.mechanical_wear, base.returns.mechanical_wear)


def test_own_graph_stays_under_a_shift():
    base = CircularSupplyChainGenerator(6, SMALL).generate()
    own = replace(base, parameters=SMALL.model_copy(update={"own_graph": True}))
    worse, _ = perturbed(own, "shifted_conditions", 0)
    assert worse.graph is own.graph
    assert (worse.returns.mechanical_wear > own.returns.mechanical_wear).all()
