"""The generator: identity, distributions against their analytic moments, repairs."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from toolchain.errors import ScenarioError
from toolchain.scenario import (
    FAMILIES,
    MATERIALS,
    CircularSupplyChainGenerator,
    Outage,
    Repairs,
    ScenarioParameters,
    current_value_eur,
    factors,
)
from toolchain.scenario.regime import price_regimes

ROOT = Path(__file__).resolve().parents[2]
MANY = ScenarioParameters(n_products=40_000)


@pytest.fixture(scope="module")
def many():
    return CircularSupplyChainGenerator(7, MANY).generate_product_returns()


def test_identity_is_the_same_in_another_process():
    code = (
        "from toolchain.scenario import *;"
        "p = ScenarioParameters(n_products=50);"
        "print(CircularSupplyChainGenerator(3, p).generate().sha256)"
    )
    other = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PYTHONHASHSEED": "12345", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    own = CircularSupplyChainGenerator(3, ScenarioParameters(n_products=50)).generate()
    assert other.stdout.strip() == own.sha256


def test_identity_covers_every_part():
    parameters = ScenarioParameters(n_products=30)
    base = CircularSupplyChainGenerator(1, parameters).generate()
    draw = base.returns.harvest_draw.copy()
    draw[5] = 0.123
    graph = base.graph.copy()
    graph.nodes[0]["capacity"] += 1e-9
    others = [
        CircularSupplyChainGenerator(2, parameters).generate(),
        replace(base, seed=2),
        replace(base, parameters=parameters.model_copy(update={"max_wait_days": 13})),
        replace(base, returns=replace(base.returns, harvest_draw=draw)),
        replace(base, graph=graph),
        replace(base, regimes=base.regimes[:-1]),
        replace(base, outages=(Outage(node=1, from_day=2, to_day=3),)),
    ]
    assert len({base.sha256, *(other.sha256 for other in others)}) == 1 + len(others)
    assert CircularSupplyChainGenerator(1, parameters).generate() == base


def test_more_products_leave_graph_and_prices_alone():
    few = CircularSupplyChainGenerator(5, ScenarioParameters(n_products=10)).generate()
    more = CircularSupplyChainGenerator(5, ScenarioParameters(n_products=20)).generate()
    assert few.regimes == more.regimes
    assert list(few.graph.edges(data="distance")) == list(more.graph.edges(data="distance"))


@pytest.mark.parametrize(
    ("column", "law"),
    [
        ("mechanical_wear", stats.beta(2, 5)),
        ("corrosion", stats.beta(1, 8)),
        ("electronic_health", stats.beta(3, 3)),
        ("cosmetic_damage", stats.beta(1.5, 4)),
        ("age_years", stats.weibull_min(2.5, scale=6.0)),
        ("aluminum_kg", stats.uniform(0, 2.5)),
        ("steel_kg", stats.uniform(0, 3)),
        ("copper_kg", stats.uniform(0, 1.5)),
        ("plastics_kg", stats.uniform(0, 2)),
        ("rare_earths_kg", stats.uniform(0, 0.1)),
        ("remanufacture_draw", stats.uniform()),
        ("harvest_draw", stats.uniform()),
    ],
)
def test_columns_follow_the_articles_laws(many, column, law):
    assert stats.kstest(getattr(many, column), law.cdf).pvalue > 1e-4


def test_cycles_are_a_floored_exponential(many):
    # floor(Exp(m)) is geometric with p = 1 - exp(-1/m) and mean 1 / (exp(1/m) - 1).
    mean = 1 / np.expm1(1 / 500)
    assert many.battery_cycles.mean() == pytest.approx(mean, abs=5 * mean / np.sqrt(len(many)))
    assert (many.battery_cycles == 0).mean() == pytest.approx(-np.expm1(-1 / 500), abs=0.001)
    assert (many.battery_cycles < 100).mean() == pytest.approx(-np.expm1(-100 / 500), abs=0.01)


def test_components_and_collection_nodes_are_uniform(many):
    counts = np.bincount(many.components, minlength=25)
    assert counts[:6].sum() == 0
    assert stats.chisquare(counts[6:]).pvalue > 1e-4
    _, nodes = np.unique(many.collection_node, return_counts=True)
    assert stats.chisquare(nodes).pvalue > 1e-4


def test_value_by_hand():
    one = {name: np.array([x]) for name, x in (("wear", 0.1), ("corrosion", 0.2))}
    one |= {name: np.array([x]) for name, x in (("electronics", 0.5), ("cosmetic", 0.25))}
    value = current_value_eur(
        np.array([100.0]),
        np.array([FAMILIES.index("article")]),
        np.array([2.0]),
        **one,
        cycles=np.array([250]),
    )
    # The price fades by 12 % a year; scratches cost 0.4 of it, and the battery, which has lost
    # 0.18 * 250 / 500 of its capacity, bears half of the value.
    assert value == pytest.approx(100 * np.exp(-0.24) * 0.9 * (0.9 * 0.8 * 0.5) * (1 - 0.5 * 0.09))


def test_prices_revert_to_the_mean_as_stated():
    prices, rng = factors().prices, np.random.default_rng(0)
    days = int(prices.regime_days.value)
    regimes = price_regimes(rng, 6_000 * days, 0.1)
    assert [regime.from_day for regime in regimes[:3]] == [0, days, 2 * days]
    log = np.log([[r.resale, r.component, r.scrap] for r in regimes])
    phi = prices.persistence.value
    assert log.mean() == pytest.approx(0, abs=0.02)
    assert log.std() == pytest.approx(0.1 / np.sqrt(1 - phi**2), rel=0.05)
    assert np.mean(log[1:] * log[:-1]) / log.var() == pytest.approx(phi, abs=0.02)
    step = log[1:] - phi * log[:-1]
    assert step.std() == pytest.approx(0.1, rel=0.02)
    assert np.abs(np.corrcoef(step.T) - np.eye(3)).max() < 0.06
    # The first regime is of the stationary law already.
    first = [np.log(price_regimes(rng, 1, 0.1)[0].resale) for _ in range(3_000)]
    assert np.std(first) == pytest.approx(0.1 / np.sqrt(1 - phi**2), rel=0.06)


def test_return_days_are_the_truncated_weibull(many):
    share = stats.weibull_min(2.5, scale=365).cdf(np.arange(1, 366))
    expected = share / share[-1]
    seen = np.searchsorted(many.return_day, np.arange(365), side="right") / len(many)
    assert np.abs(seen - expected).max() < 1.95 / np.sqrt(len(many))
    assert many.return_day.min() >= 0
    assert many.return_day.max() < 365
    assert (np.diff(many.return_day) >= 0).all()


def test_condition_follows_age_and_repairs_can_be_switched_off(many):
    age = many.age_years
    assert stats.spearmanr(age, many.mechanical_wear).statistic > 0.5
    assert stats.spearmanr(age, many.battery_cycles).statistic > 0.4
    assert stats.spearmanr(age, many.electronic_health).statistic < -0.3
    off = ScenarioParameters(n_products=20_000, repairs=Repairs(condition=False, horizon=False))
    returns = CircularSupplyChainGenerator(7, off).generate_product_returns()
    assert abs(stats.spearmanr(returns.age_years, returns.mechanical_wear).statistic) < 0.03
    # The article's defect: exp(-1) = 37 % of the returns lie behind the horizon.
    assert (returns.return_day >= 365).mean() == pytest.approx(np.exp(-1), abs=0.02)


def test_a_scenario_with_a_defect_of_the_article_is_refused():
    beyond = ScenarioParameters(repairs=Repairs(horizon=False))
    with pytest.raises(ScenarioError, match=r"'return_day', row \d+: \d+ must be below.* 365"):
        CircularSupplyChainGenerator(1, beyond).generate()
    open_loops = ScenarioParameters(repairs=Repairs(circular=False))
    with pytest.raises(ScenarioError, match="no node of type 'disposal'"):
        CircularSupplyChainGenerator(1, open_loops).generate()


def test_shifted_condition_is_worse_in_every_product():
    usual = CircularSupplyChainGenerator(4, ScenarioParameters(n_products=500)).generate()
    parameters = ScenarioParameters(n_products=500, condition_shift_sd=0.5)
    worse = CircularSupplyChainGenerator(4, parameters).generate()
    assert (worse.returns.mechanical_wear > usual.returns.mechanical_wear).all()
    assert (worse.returns.electronic_health < usual.returns.electronic_health).all()
    assert np.array_equal(worse.returns.copper_kg, usual.returns.copper_kg)


def test_masses_and_columns_are_consistent(many):
    assert many.materials_kg.shape == (len(many), len(MATERIALS))
    assert many.mass_kg == pytest.approx(sum(getattr(many, f"{m}_kg") for m in MATERIALS))
    assert (many.current_value_eur <= many.new_value_eur).all()
    with pytest.raises(ValueError, match="read-only"):
        many.age_years[0] = 1.0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"n_nodes": 7}, r"n_nodes.*greater than or equal to 8.*7"),
        ({"n_nodes": 5001}, r"n_nodes.*5000"),
        ({"n_products": 0}, r"n_products.*0"),
        ({"typo": 1}, r"typo.*not permitted"),
        ({"node": {"battery_j": -1}}, r"battery_j.*-1"),
        ({"node": {"battery_j": float("inf")}}, r"battery_j.*finite.*inf"),
        ({"slots_per_return": {"reuse": float("nan")}}, r"reuse.*finite.*nan"),
        ({"slots_per_return": {"reuse": 1001}}, r"reuse.*1000.*1001"),
        (
            {"slots_per_return": {"reuse": 0, "remanufacture": 0, "harvest": 0, "recycle": 0}},
            r"nothing can be decided",
        ),
    ],
)
def test_impossible_parameters_are_refused(given, message):
    with pytest.raises(ScenarioError, match=message) as caught:
        ScenarioParameters(**given)
    assert caught.value.hint


@pytest.mark.parametrize("seed", [-1, 1.5, "7", None, True])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(ScenarioError, match=f"seed is {seed!r}, must be a whole number of at le"):
        CircularSupplyChainGenerator(seed)
