"""The source article's product returns, vectorised, with age behind the condition."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import stats

from toolchain.scenario.factors import FAMILIES, MATERIALS, factors
from toolchain.scenario.parameters import ScenarioParameters
from toolchain.scenario.returns import Returns

BETA_CONDITIONS = ("wear", "corrosion", "electronics", "cosmetic")
"""Conditions with a Beta law, by their names in ``factors.toml``."""

_Z_LIMIT = 6.0
_Z_STEPS = 4096


def draw_article_returns(
    rng: np.random.Generator,
    latent_rng: np.random.Generator,
    first: int,
    days: np.ndarray,
    collection: np.ndarray,
    parameters: ScenarioParameters,
) -> Returns:
    """Draw a block of the article's returns.

    Laws: return day ~ Weibull(2.5) x 365, truncated to the horizon by ``repairs.horizon``;
    mechanical wear ~ Beta(2, 5); corrosion ~ Beta(1, 8); electronic health ~ Beta(3, 3); cosmetic
    damage ~ Beta(1.5, 4); battery cycles ~ floor Exp(500); masses uniform. Age ~ Weibull(2.5) x
    ``age_scale_years`` is drawn first; by ``repairs.condition`` the condition and the cycles
    follow it through a Gaussian copula, which leaves their laws as they are.

    Args:
        rng: draws the products.
        latent_rng: draws what decides their outcomes.
        first: id of the first product.
        days: int (n,), their days of arrival; see :func:`~toolchain.scenario.arrivals.weibull_law`.
        collection: the collection nodes.
        parameters: age scale, shift of the condition and repairs.
    """
    n = len(days)
    laws = factors().article
    age_z = rng.standard_normal(n)
    age = _quantile(age_z, "weibull_min", (laws.age_shape.value,)) * parameters.age_scale_years
    shift = parameters.condition_shift_sd

    def follow(name: str) -> np.ndarray:
        own = rng.standard_normal(n)
        if parameters.repairs.condition:
            correlation = getattr(laws, f"age_correlation_{name}").value
            own *= np.sqrt(1 - correlation**2)
            own += correlation * age_z
        return own + shift

    def beta(name: str) -> np.ndarray:
        shape = (getattr(laws, f"{name}_alpha").value, getattr(laws, f"{name}_beta").value)
        scores = follow(name)
        return _quantile(-scores if name == "electronics" else scores, "beta", shape)

    wear, corrosion, electronics, cosmetic = (beta(name) for name in BETA_CONDITIONS)
    cycles = np.floor(_quantile(follow("cycles"), "expon", ()) * laws.mean_cycles.value)
    masses = {name: np.zeros(n) for name in MATERIALS}
    for name in MATERIALS:
        high = getattr(laws, f"{name}_high_kg", None)
        if high is not None:
            masses[name] = rng.uniform(0.0, high.value, n)
    feedstock = factors().per_material("feedstock_eur_per_kg")
    feedstock_eur = sum(masses[m] * price for m, price in zip(MATERIALS, feedstock, strict=True))
    family = np.full(n, FAMILIES.index("article"), dtype=np.int8)
    new_value = feedstock_eur * factors().condition.value_per_feedstock.value
    components = (int(laws.components_low.value), int(laws.components_high.value) + 1)
    return Returns(
        product=np.arange(first, first + n),
        return_day=days,
        collection_node=collection[rng.integers(len(collection), size=n)],
        family=family,
        stream=np.zeros(n, dtype=np.int8),
        age_years=age,
        mechanical_wear=wear,
        corrosion=corrosion,
        electronic_health=electronics,
        cosmetic_damage=cosmetic,
        battery_cycles=cycles,
        **{f"{name}_kg": mass for name, mass in masses.items()},
        components=rng.integers(*components, n),
        new_value_eur=new_value,
        current_value_eur=current_value_eur(
            new_value, family, age, wear, corrosion, electronics, cosmetic, cycles
        ),
        remanufacture_draw=latent_rng.random(n),
        harvest_draw=latent_rng.random(n),
    )


def battery_health(cycles: np.ndarray) -> np.ndarray:
    """Remaining battery capacity, 0 to 1, linear in the cycles (FACTS section 2)."""
    loss = factors().condition.battery_loss_per_500_cycles.value / 500.0
    health: np.ndarray = np.clip(1.0 - loss * cycles, 0.0, 1.0)
    return health


def current_value_eur(
    new_value_eur: np.ndarray,
    family: np.ndarray,
    age_years: np.ndarray,
    wear: np.ndarray,
    corrosion: np.ndarray,
    electronics: np.ndarray,
    cosmetic: np.ndarray,
    cycles: np.ndarray,
) -> np.ndarray:
    """Price of the product as it is: the new price, aged, and discounted for its condition.

    All arguments and the result are arrays (n,). The form is an assumption: the article says only
    that the value follows from condition and materials.
    """
    aged = new_value_eur * np.exp(-factors().per_family("value_decay_per_year")[family] * age_years)
    looks = 1.0 - factors().condition.cosmetic_discount.value * cosmetic
    body = (1.0 - wear) * (1.0 - corrosion) * electronics
    share = factors().condition.battery_value_share.value
    value: np.ndarray = aged * looks * body * (1.0 - share + share * battery_health(cycles))
    return value


def _quantile(z: np.ndarray, law: str, shape: tuple[float, ...]) -> np.ndarray:
    """Quantiles of a law at the normal scores ``z``, from a table that is exact at its knots."""
    values, slopes = _quantile_table(law, shape)
    place = np.clip(z, -_Z_LIMIT, _Z_LIMIT)
    place += _Z_LIMIT
    place *= _Z_STEPS / (2 * _Z_LIMIT)
    knot = np.minimum(place.astype(np.int32), _Z_STEPS - 1)
    place -= knot
    place *= slopes.take(knot)
    place += values.take(knot)
    return place


@lru_cache(maxsize=32)
def _quantile_table(law: str, shape: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Values at evenly spaced scores, and the differences to the next one."""
    knots = np.linspace(-_Z_LIMIT, _Z_LIMIT, _Z_STEPS + 1)
    distribution = getattr(stats, law)
    below = distribution.ppf(stats.norm.cdf(knots), *shape)
    above = distribution.isf(stats.norm.sf(knots), *shape)
    values = np.where(knots < 0, below, above)
    return values[:-1], np.diff(values)
