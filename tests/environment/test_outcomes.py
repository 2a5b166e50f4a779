"""Hand-computed values, masses and energies of every disposition."""

import numpy as np
import pytest

from toolchain.environment import Disposition, Simulation
from toolchain.environment.outcomes import component_odds, outcomes, success_odds
from toolchain.scenario import Regime, factors

# The product of conftest: 2 kg of steel, new 100 EUR, now 50 EUR, ten components, as new.
# Steel: yield 0.9, scrap 0.25 EUR/kg, primary 20.1 and secondary 9.4 MJ/kg.
# Transport costs 0.01 EUR/(kg km): 0.02 EUR for each km of the 2 kg.
RECYCLE_EUR = 2 * 0.9 * 0.25 - 0.45 * 2


def _decide(scenario, action):
    simulation = Simulation(scenario)
    value = simulation.execute(np.array([action]))
    row = simulation.rows().to_pylist()[0]
    assert value[0] == row["value_eur"]
    return row


def test_constants_are_those_that_the_hand_used():
    f = factors()
    assert f.materials["steel"].scrap_eur_per_kg.value == 0.25
    assert f.families["article"].transport_eur_per_kg_km.value == 0.01
    assert f.families["article"].recycle_eur_per_kg.value == 0.45
    assert f.dispose.cost_eur_per_kg.value == 0.20
    assert f.remanufacture.price_share_of_new.value == 0.65


def test_reuse(make_scenario):
    row = _decide(make_scenario([{}]), Disposition.REUSE)
    assert row["value_eur"] == pytest.approx(50 - 4 - 0.02 * 20)
    assert (row["mass_kg"], row["mass_reentered_kg"], row["mass_wasted_kg"]) == (2.0, 2.0, 0.0)
    assert row["energy_saved_mj"] == pytest.approx(0.5 * 2 * 20.1)
    assert row["energy_invested_mj"] == pytest.approx(1.0 + 2.0 + 0.0012 * 2 * 20)
    assert (row["components"], row["components_reused"]) == (10, 10)
    assert (row["facility"], row["processing_day"], row["realised"]) == (2, 0, 0)


def test_remanufacture_that_succeeds(make_scenario):
    row = _decide(make_scenario([{}]), Disposition.REMANUFACTURE)
    assert row["value_eur"] == pytest.approx(65 - 25 - 0.02 * 40)
    assert row["mass_reentered_kg"] == pytest.approx(1.8)
    assert row["energy_saved_mj"] == pytest.approx(0.8 * 2 * 20.1)
    assert row["energy_invested_mj"] == pytest.approx(0.25 * 2 * 20.1 + 2 + 0.0012 * 2 * 40)
    assert row["components_reused"] == 9


def test_remanufacture_that_fails_is_recycled_with_the_way_to_it(make_scenario):
    # Odds at wear 0.6: logit = 3 - 5 * 0.6 = 0, so 0.5; the draw of 0.5 is not below it.
    row = _decide(make_scenario([{"mechanical_wear": 0.6}]), Disposition.REMANUFACTURE)
    assert row["value_eur"] == pytest.approx(-25 + RECYCLE_EUR - 0.02 * (40 + 5))
    assert row["mass_reentered_kg"] == pytest.approx(1.8)
    assert row["energy_saved_mj"] == pytest.approx(1.8 * 20.1)
    invested = 0.25 * 2 * 20.1 + 1.8 * 9.4 + 2 + 0.0012 * 2 * 45
    assert row["energy_invested_mj"] == pytest.approx(invested)
    assert row["components_reused"] == 0
    assert row["realised"] == Disposition.REMANUFACTURE


def test_harvest(make_scenario):
    # Components work with odds 0.9; the median of Binomial(10, 0.9) is 9.
    row = _decide(make_scenario([{}]), Disposition.HARVEST)
    share = 0.4 * 9 / 10
    value = 9 * 0.3 * 100 / 10 - 3 - 0.3 * 10 + (1 - share) * RECYCLE_EUR
    assert row["value_eur"] == pytest.approx(value - 0.02 * (30 + (1 - share) * 7))
    assert row["components_reused"] == 9
    assert row["mass_reentered_kg"] == pytest.approx(share * 2 + (1 - share) * 1.8)
    saved = share * 2 * 20.1 + (1 - share) * 1.8 * 20.1
    assert row["energy_saved_mj"] == pytest.approx(saved)


def test_recycle_and_dispose(make_scenario):
    recycled = _decide(make_scenario([{}]), Disposition.RECYCLE)
    assert recycled["value_eur"] == pytest.approx(RECYCLE_EUR - 0.02 * 50)
    assert recycled["mass_wasted_kg"] == pytest.approx(0.2)
    assert recycled["components_reused"] == 0
    disposed = _decide(make_scenario([{}]), Disposition.DISPOSE)
    assert disposed["value_eur"] == pytest.approx(-0.4 - 0.02 * 10)
    assert disposed["mass_wasted_kg"] == 2.0
    assert disposed["energy_saved_mj"] == 0.0


def test_waiting_costs_value_and_storage(make_scenario):
    # One slot a day: the second product of the day is sold a day later.
    simulation = Simulation(make_scenario([{}, {}]))
    first, second = simulation.execute(np.array([0, 0]))
    assert first == pytest.approx(50 - 4 - 0.4)
    assert second == pytest.approx(50 * np.exp(-0.01 / 7) - 4 - 0.4 - 0.05)
    assert simulation.rows()["processing_day"].to_pylist() == [0, 1]


def test_prices_of_the_day_apply(make_scenario):
    regimes = (
        Regime(from_day=0),
        Regime(from_day=5, resale=0.5, component=2.0, scrap=3.0, disposal=4.0),
    )
    scenario = make_scenario([{"return_day": 4}, {"return_day": 5}], regimes=regimes)
    out = outcomes(scenario)
    assert out.expected.fading_eur[:, Disposition.REUSE] == pytest.approx([50, 25])
    assert out.realised.fading_eur[:, Disposition.HARVEST] == pytest.approx([27, 54])
    assert out.realised.fixed_eur[:, Disposition.RECYCLE] == pytest.approx(
        [RECYCLE_EUR, 3 * 0.45 - 0.9]
    )
    assert out.realised.fixed_eur[:, Disposition.DISPOSE] == pytest.approx([-0.4, -1.6])


def test_odds_fall_with_wear_and_corrosion():
    wear = np.linspace(0, 1, 11)
    assert (np.diff(success_odds(wear, np.zeros(11))) < 0).all()
    assert (np.diff(success_odds(np.zeros(11), wear)) < 0).all()
    assert success_odds(np.array([0.6]), np.array([0.0]))[0] == pytest.approx(0.5)
    assert component_odds(np.array([0.5]), np.array([0.5]), np.array([0.5]))[0] == pytest.approx(
        0.9 * 0.5 * 0.5
    )


def test_expected_is_the_mean_of_the_realised(make_scenario):
    draws = (np.arange(2_000) + 0.5) / 2_000
    worn = {"mechanical_wear": 0.4, "corrosion": 0.1, "electronic_health": 0.7}
    products = [{**worn, "remanufacture_draw": u, "harvest_draw": u} for u in draws]
    out = outcomes(make_scenario(products))
    for name in ("fading_eur", "fixed_eur", "second_leg_kg"):
        mean = getattr(out.realised, name).mean(axis=0)
        assert mean == pytest.approx(getattr(out.expected, name)[0], abs=0.02), name


@pytest.mark.parametrize(
    ("condition", "forbidden"),
    [
        ({"electronic_health": 0.34}, {Disposition.REUSE}),
        ({"mechanical_wear": 0.61}, {Disposition.REUSE}),
        ({"mechanical_wear": 0.9}, {Disposition.REUSE, Disposition.REMANUFACTURE}),
        ({"corrosion": 0.7}, {Disposition.REUSE, Disposition.REMANUFACTURE}),
        ({"components": 0}, {Disposition.HARVEST}),
        ({}, set()),
    ],
)
def test_condition_forbids(make_scenario, condition, forbidden):
    mask = Simulation(make_scenario([condition])).observe().masks[0]
    assert set(np.flatnonzero(~mask)) == {int(action) for action in forbidden}
