"""The causal optimum lies between what causal policies reach and hindsight."""

import numpy as np
import pytest

from toolchain.environment import (
    BASELINES,
    causal_optimum_eur,
    hindsight_optimum,
    rollout,
)
from toolchain.errors import InputError
from toolchain.scenario import Regime, ScenarioParameters

SLOTS = {"use": 1.0, "disassembly": 0.0, "remanufacturing": 0.0, "recycling": 0.0}
ANY = ScenarioParameters(n_nodes=8, n_products=1)


def test_one_slot_and_a_better_product_that_may_come(make_scenario):
    # The one reuse slot, on day 1, serves the product of day 0
    # (30 EUR) or that of day 1 (90 or 20 EUR).
    def world(later_eur):
        products = [
            {"current_value_eur": 30.0},
            {"current_value_eur": later_eur, "return_day": 1},
        ]
        regimes = tuple(Regime(from_day=d, reuse_slots=float(d == 1)) for d in range(3))
        return make_scenario(products, SLOTS, max_wait_days=1, horizon_days=2, regimes=regimes)

    worlds = [world(90.0), world(20.0)]
    slots = [hindsight_optimum(w).slot_day.tolist() for w in worlds]
    assert slots == [[1], [1]]
    wait = np.exp(-0.01 / 7)
    first = 30 * wait - 4 - 0.4 - 0.05
    rich, poor, lost = 90 - 4.4, 20 - 4.4, -0.6
    hindsight = ((rich + lost) + (first + lost)) / 2
    assert np.mean([hindsight_optimum(w).value_eur for w in worlds]) == pytest.approx(hindsight)
    # On day 0 both worlds look alike. To keep the slot is best: (85.6 + 15.6) / 2 > 25.5.
    causal = causal_optimum_eur(worlds)
    assert causal == pytest.approx((rich + poor) / 2 + lost)
    assert causal < hindsight
    greedy = BASELINES["greedy_capacity"](ANY, 0)
    reached = [rollout(w, greedy)["value_eur"].to_numpy().sum() for w in worlds]
    assert np.mean(reached) == pytest.approx(first + lost)


def test_a_single_world_is_hindsight_up_to_the_dispatch_rule(make_scenario):
    products = [{"current_value_eur": 40.0}, {"current_value_eur": 60.0}]
    world = make_scenario(products, SLOTS, max_wait_days=1, horizon_days=2)
    assert causal_optimum_eur([world]) == pytest.approx(hindsight_optimum(world).value_eur, abs=0.1)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_between_causal_policies_and_hindsight(make_scenario, seed):
    rng = np.random.default_rng(seed)
    worlds = []
    for _ in range(3):
        products = [
            {
                "return_day": day,
                "mechanical_wear": rng.uniform(0, 0.8),
                "electronic_health": rng.uniform(0.2, 1),
                "current_value_eur": rng.uniform(5, 60),
                "new_value_eur": rng.uniform(50, 150),
                "copper_kg": rng.uniform(0, 1.5),
                "remanufacture_draw": rng.random(),
                "harvest_draw": rng.random(),
            }
            for day in (0, 0, 1, 2)
        ]
        slots = {"use": 0.4, "disassembly": 0.4, "remanufacturing": 0.4, "recycling": 0.4}
        worlds.append(make_scenario(products, slots, horizon_days=3, max_wait_days=2))
    hindsight = np.mean([hindsight_optimum(w).value_eur for w in worlds])
    causal = causal_optimum_eur(worlds)
    assert causal <= hindsight + 1e-9
    for name in ("random", "unit_margin", "greedy_capacity", "all_recycle", "always_dispose"):
        policy = BASELINES[name](ANY, seed)
        reached = np.mean([rollout(w, policy)["value_eur"].to_numpy().sum() for w in worlds])
        assert reached <= causal + 1e-9, name


def test_too_large_is_refused(make_scenario):
    with pytest.raises(InputError, match=r"\[9\] products"):
        causal_optimum_eur([make_scenario([{}] * 9)])
    with pytest.raises(InputError, match="at least one"):
        causal_optimum_eur([])
