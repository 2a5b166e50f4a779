"""Electrical equipment: lifetimes, streams, seasons and coupled condition."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from toolchain.scenario import (
    FAMILIES,
    MATERIALS,
    CircularSupplyChainGenerator,
    ScenarioParameters,
    check_returns,
    draw_products,
    factors,
)

MANY = ScenarioParameters(generator="weee", n_products=60_000)


@pytest.fixture(scope="module")
def many():
    return CircularSupplyChainGenerator(3, MANY).generate_product_returns()


def test_families_and_streams_have_their_shares(many):
    shares = np.bincount(many.family, minlength=len(FAMILIES)) / len(many)
    expected = factors().per_family("share")
    assert shares == pytest.approx(expected, abs=0.008)
    assert shares[FAMILIES.index("article")] == shares[FAMILIES.index("e_bike")] == 0
    assert many.stream.mean() == pytest.approx(0.20, abs=0.008)
    check_returns(many.columns(), source="weee", horizon_days=365)


@pytest.mark.parametrize(
    ("family", "shape", "scale"),
    [("fridge", 2.20, 16.43), ("washing_machine", 2.20, 15.16), ("flat_tv", 2.01, 11.75)],
)
def test_lifetimes_are_those_of_the_source(many, family, shape, scale):
    chosen = (many.family == FAMILIES.index(family)) & (many.stream == 0)
    law = stats.weibull_min(shape, scale=scale)
    assert stats.kstest(many.age_years[chosen], law.cdf).pvalue > 1e-4


def test_commercial_returns_are_young_and_in_better_shape(many):
    commercial = many.stream == 1
    ages = many.age_years[commercial]
    assert ages.max() <= 0.25
    assert ages.mean() == pytest.approx(0.125, abs=0.003)
    assert many.mechanical_wear[commercial].mean() < 0.1 * many.mechanical_wear[~commercial].mean()
    value = many.current_value_eur / many.new_value_eur
    assert value[commercial].mean() > 3 * value[~commercial].mean()


def test_returns_follow_the_seasons(many):
    for stream, swing, peak in ((0, 0.25, 150), (1, 0.80, 15)):
        days = many.return_day[many.stream == stream]
        # The first Fourier coefficient of 1 + s cos(x - p) is s / 2 at the phase p.
        coefficient = np.exp(2j * np.pi * days / 365).mean()
        assert 2 * abs(coefficient) == pytest.approx(swing, abs=0.03)
        assert np.angle(coefficient) * 365 / (2 * np.pi) == pytest.approx(peak, abs=5)


def test_conditions_hang_together_through_age_and_use(many):
    old = many.stream == 0
    columns = {
        "age_years": 1,
        "mechanical_wear": 1,
        "corrosion": 1,
        "cosmetic_damage": 1,
        "electronic_health": -1,
    }
    for family in ("fridge", "laptop"):
        chosen = old & (many.family == FAMILIES.index(family))
        for a, sign_a in columns.items():
            for b, sign_b in columns.items():
                rho = stats.spearmanr(getattr(many, a)[chosen], getattr(many, b)[chosen]).statistic
                assert rho * sign_a * sign_b > 0.1, (a, b)
    laptops = old & (many.family == FAMILIES.index("laptop"))
    assert stats.spearmanr(many.age_years[laptops], many.battery_cycles[laptops]).statistic > 0.4
    assert many.battery_cycles[many.family == FAMILIES.index("fridge")].max() == 0


def test_cycles_follow_age_and_use(many):
    laptops = (many.family == FAMILIES.index("laptop")) & (many.stream == 0)
    f = factors()
    # E[cycles | age] = rate * age * E[intensity], less a half that the floor takes on average.
    intensity = np.exp(f.weee.use_intensity_sd.value**2 / 2)
    rate = f.families["laptop"].cycles_per_year.value
    expected = rate * many.age_years[laptops].mean() * intensity - 0.5
    assert many.battery_cycles[laptops].mean() == pytest.approx(expected, rel=0.04)


def test_wear_is_monotone_in_age_and_shift():
    def draw(shift):
        family = np.full(2_000, FAMILIES.index("laptop"))
        rng = np.random.default_rng(1)
        return draw_products(rng, family, np.zeros(2_000, dtype=np.int8), shift)

    usual, worse = draw(0.0), draw(0.75)
    assert np.array_equal(usual["age_years"], worse["age_years"])
    for name, sign in (("mechanical_wear", 1), ("corrosion", 1), ("electronic_health", -1)):
        assert (sign * (worse[name] - usual[name]) >= 0).all()
        assert sign * (worse[name] - usual[name]).mean() > 0.01
    in_order = np.argsort(usual["age_years"])
    bins = np.array_split(usual["mechanical_wear"][in_order], 5)
    assert (np.diff([part.mean() for part in bins]) > 0).all()


def test_bills_of_material_have_the_familys_mean(many):
    for family in ("fridge", "phone"):
        chosen = many.family == FAMILIES.index(family)
        steel = factors().families[family].steel_kg.value
        assert many.steel_kg[chosen].mean() == pytest.approx(steel, rel=0.01)
        price = factors().families[family].new_price_eur.value
        assert many.new_value_eur[chosen].mean() == pytest.approx(price, rel=0.02)
    assert many.mass_kg[many.family == FAMILIES.index("washing_machine")].mean() > 60
    assert many.mass_kg[many.family == FAMILIES.index("phone")].mean() < 0.3


def test_the_document_states_every_family():
    document = (Path(__file__).parents[2] / "docs" / "SCENARIOS.md").read_text()
    for name in FAMILIES[1:]:
        f = factors().families[name]
        cells = [name, f"{f.share.value:.0%}"]
        cells.append(f"{f.life_shape.value:g}, {f.life_scale_years.value:g} a")
        cells += [f"{f.new_price_eur.value:g} EUR", f"{f.value_decay_per_year.value:.0%} a year"]
        cells.append(f"{f.cycles_per_year.value:g}")
        cells += [f"{getattr(f, f'{material}_kg').value:g}" for material in MATERIALS]
        assert f"| {' | '.join([*cells, f'{f.components.value:g}'])} |\n" in document


def test_any_horizon_is_filled():
    parameters = ScenarioParameters(generator="weee", n_products=3_000, horizon_days=30)
    returns = CircularSupplyChainGenerator(1, parameters).generate_product_returns()
    assert returns.return_day.min() == 0
    assert returns.return_day.max() == 29
    assert (np.diff(returns.return_day) >= 0).all()


@pytest.mark.parametrize("shift", [-1.5, 0.0, 0.75])
def test_levels_follow_the_gamma_process(shift):
    """With the use at one intensity, wear is 1 - exp of a gamma variable of a known shape."""
    n = 40_000
    family = np.full(n, FAMILIES.index("fridge"))
    f = factors()
    drawn = draw_products(np.random.default_rng(5), family, np.zeros(n, dtype=np.int8), shift)
    level = -np.log1p(-drawn["mechanical_wear"])
    life = f.families["fridge"].life_scale_years.value
    sd = f.weee.use_intensity_sd.value
    # E[level | age] = mean at lifetime * age / life * E[intensity], by the mean of a log-normal.
    mean_intensity = np.exp(sd * shift + sd**2 / 2)
    expected = f.weee.wear_at_lifetime.value * drawn["age_years"] / life * mean_intensity
    assert level.mean() == pytest.approx(expected.mean(), rel=0.02)
    # Var = E[intensity^2] (mean x)^2 (...) + scatter of the process; compare the second moment.
    x = drawn["age_years"] / life
    shape = f.weee.process_shape_at_lifetime.value
    second_intensity = np.exp(2 * sd * shift + 2 * sd**2)
    m = f.weee.wear_at_lifetime.value
    second = m**2 * (x**2 * second_intensity + x * mean_intensity / shape)
    assert (level**2).mean() == pytest.approx(second.mean(), rel=0.05)
