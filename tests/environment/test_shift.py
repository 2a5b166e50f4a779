"""Regime shifts: what changes, from when on, and what stays."""

import re
from pathlib import Path

import numpy as np
import pytest

from toolchain.environment import (
    BASELINES,
    Perturbation,
    Shift,
    Simulation,
    bid_price_after_shift,
    regime_shift,
    rollout,
    shifted,
)
from toolchain.environment.network import network
from toolchain.errors import InputError, ScenarioError
from toolchain.scenario import (
    FAMILIES,
    CircularSupplyChainGenerator,
    Scenario,
    ScenarioParameters,
    check_returns,
)
from toolchain.scenario.regime import daily

SMALL = ScenarioParameters(n_nodes=12, n_products=200, horizon_days=120)


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return CircularSupplyChainGenerator(6, SMALL).generate()


def test_regime_shift_changes_prices_and_demand_from_the_day_on(scenario):
    after = regime_shift(scenario, 35, 2)
    for field, low, high in (
        ("resale", 0.3, 0.5),
        ("component", 0.6, 0.9),
        ("scrap", 2.0, 3.0),
        ("reuse_slots", 0.3, 0.5),
        ("recycle_slots", 1.0, 1.0),
        ("disposal", 1.0, 1.0),
    ):
        ratio = daily(after.regimes, field, 120) / daily(scenario.regimes, field, 120)
        assert ratio[:35] == pytest.approx(1.0)
        assert np.ptp(ratio[35:]) < 1e-12
        assert low <= ratio[40] <= high
    assert after.returns is scenario.returns
    # The sizes hang on the seed, not on the day.
    assert regime_shift(scenario, 0, 2).regimes[-1] == after.regimes[-1]
    assert regime_shift(scenario, 35, 3).regimes[-1] != after.regimes[-1]
    assert np.array_equal(Simulation(scenario).observe().states, Simulation(after).observe().states)


def test_facility_outage_closes_the_largest_for_a_while(scenario):
    after = shifted(scenario, Shift.FACILITY_OUTAGE, 30, 0)
    assert [outage.from_day for outage in after.outages] == [30, 30]
    until = after.outages[0].to_day
    assert 70 <= until <= 110
    before, now = network(scenario), network(after)
    closed = np.flatnonzero((before.slots != now.slots).any(axis=1))
    assert set(before.node[closed]) <= {outage.node for outage in after.outages}
    for row in closed:
        assert now.slots[row, 30:until].sum() == 0
        assert np.array_equal(now.slots[row, :30], before.slots[row, :30])
        assert np.array_equal(now.slots[row, until:], before.slots[row, until:])
    assert before.slots[closed, 30:until].sum() > 0


def test_new_family_replaces_a_share_of_what_comes_later(scenario):
    after = shifted(scenario, "new_family", 60, 1)
    new = after.returns.family == FAMILIES.index("e_bike")
    later = scenario.returns.return_day >= 60
    assert not new[~later].any()
    assert 0.2 < new[later].mean() < 0.6
    for name, column in scenario.returns.columns().items():
        assert np.array_equal(column[~new], getattr(after.returns, name)[~new]), name
    assert after.returns.mass_kg[new].mean() > 2 * scenario.returns.mass_kg.mean()
    check_returns(after.returns.columns(), source="shifted", horizon_days=120)
    rows = rollout(after, BASELINES["greedy_capacity"](SMALL, 0))
    assert rows.num_rows == 200


@pytest.mark.parametrize("name", list(Shift))
@pytest.mark.parametrize("day", [0, 30, 119])
def test_any_shift_on_any_day_of_the_horizon(scenario, name, day):
    after = shifted(scenario, name, day, 4)
    starts = [regime.from_day for regime in after.regimes]
    assert starts == sorted(set(starts))
    assert starts[0] == 0
    assert after == shifted(scenario, name, day, 4)
    if day < 119:
        assert after != scenario


@pytest.mark.parametrize("day", [-1, 120])
def test_shift_outside_of_the_horizon_is_refused(scenario, day):
    with pytest.raises(ScenarioError, match=f"day {day}, must be 0 to 119"):
        regime_shift(scenario, day, 0)


def test_the_documents_example_meets_every_shift_and_perturbation(capsys):
    text = (Path(__file__).parents[2] / "docs" / "SCENARIOS.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", text, re.S)
    exec(example, {})
    said = dict(line.split() for line in capsys.readouterr().out.splitlines())
    assert list(said) == [*Shift, "robustness", "adaptability"]
    assert len({said[shift] for shift in Shift}) == len(Shift)
    assert all(0 < float(value) <= 1 for value in said.values())
    for name in (*Shift, *Perturbation):
        assert f"`{name}`" in text


@pytest.mark.parametrize(("day", "seed", "name"), [(3, -1, "seed"), (3.5, 1, "day")])
def test_days_and_seeds_are_whole_numbers(scenario, day, seed, name):
    with pytest.raises(ScenarioError, match=f"{name} is .*, must be a whole number"):
        shifted(scenario, Shift.PRICE_SHOCK, day, seed)


def test_unknown_shift_is_refused(scenario):
    with pytest.raises(InputError, match="'flood'"):
        shifted(scenario, "flood", 3, 0)


def test_knowing_the_new_regime_pays():
    parameters = ScenarioParameters(n_products=600, horizon_days=180)
    values = {"old": 0.0, "new": 0.0}
    for seed in (1, 2, 3):
        after = regime_shift(CircularSupplyChainGenerator(seed, parameters).generate(), 0, 7)
        new = rollout(after, bid_price_after_shift(parameters, 7))
        old = rollout(after, BASELINES["bid_price"](parameters, 0))
        values["new"] += new["value_eur"].to_numpy().sum()
        values["old"] += old["value_eur"].to_numpy().sum()
    assert values["new"] > values["old"]
