"""The source article's product returns, vectorised, with age behind the condition."""

from __future__ import annotations

from functools import lru_cache

import networkx as nx
import numpy as np
from scipy import stats

from toolchain.errors import ScenarioError
from toolchain.scenario.factors import FAMILIES, MATERIALS, factors
from toolchain.scenario.graph import nodes_of_type
from toolchain.scenario.parameters import ScenarioParameters
from toolchain.scenario.returns import Returns

RETURN_SHAPE = 2.5
"""Weibull shape of the return day and of the age (Forti et al. 2018: 1.6-2.7 for appliances)."""

WEAR = (2.0, 5.0)
CORROSION = (1.0, 8.0)
ELECTRONIC_HEALTH = (3.0, 3.0)
COSMETIC_DAMAGE = (1.5, 4.0)
MEAN_CYCLES = 500.0
MASS_HIGH_KG = {"aluminum": 2.5, "steel": 3.0, "copper": 1.5, "plastics": 2.0, "rare_earths": 0.1}
"""Upper ends of the article's uniform laws; the inert rest is 0."""

COMPONENTS = (6, 24)
"""Components that could be harvested, uniform; the article has none, so this is an assumption."""

AGE_CORRELATION = {"wear": 0.7, "corrosion": 0.6, "electronics": 0.5, "cosmetic": 0.3}
"""Correlation with age under the copula; assumptions (monotone wear in age, FACTS section 2)."""

CYCLES_CORRELATION = 0.6
"""Correlation of the battery cycles with age under the copula; an assumption."""

_Z_LIMIT = 6.0
_Z_KNOTS = 4097


def generate_article_returns(
    rng: np.random.Generator,
    latent_rng: np.random.Generator,
    graph: nx.DiGraph,
    parameters: ScenarioParameters,
) -> Returns:
    """Draw the article's returns.

    Laws: return day ~ Weibull(2.5) x 365, truncated to the horizon by ``repairs.horizon``;
    mechanical wear ~ Beta(2, 5); corrosion ~ Beta(1, 8); electronic health ~ Beta(3, 3); cosmetic
    damage ~ Beta(1.5, 4); battery cycles ~ floor Exp(500); masses uniform. Age ~ Weibull(2.5) x
    ``age_scale_years`` is drawn first; by ``repairs.condition`` the condition and the cycles
    follow it through a Gaussian copula, which leaves their laws as they are.

    Raises:
        ScenarioError: the graph has no collection node.
    """
    collection = nodes_of_type(graph, "collection")
    if not collection:
        raise ScenarioError(
            f"material graph: none of its {graph.number_of_nodes()} nodes collects products",
            hint="keep repairs.circular on",
        )
    n = parameters.n_products
    day = return_days(rng, n, parameters.horizon_days, parameters.repairs.horizon)
    age_z = rng.standard_normal(n)
    age = _quantile(age_z, "weibull_min", (RETURN_SHAPE,)) * parameters.age_scale_years
    shift = parameters.condition_shift_sd
    linked = parameters.repairs.condition

    def follow(correlation: float) -> np.ndarray:
        own = rng.standard_normal(n)
        if not linked:
            return own + shift
        return correlation * age_z + np.sqrt(1 - correlation**2) * own + shift

    wear = _quantile(follow(AGE_CORRELATION["wear"]), "beta", WEAR)
    corrosion = _quantile(follow(AGE_CORRELATION["corrosion"]), "beta", CORROSION)
    electronics = _quantile(-follow(AGE_CORRELATION["electronics"]), "beta", ELECTRONIC_HEALTH)
    cosmetic = _quantile(follow(AGE_CORRELATION["cosmetic"]), "beta", COSMETIC_DAMAGE)
    cycles = np.floor(_quantile(follow(CYCLES_CORRELATION), "expon", ()) * MEAN_CYCLES)
    masses = {name: rng.uniform(0.0, high, n) for name, high in MASS_HIGH_KG.items()}
    masses |= {name: np.zeros(n) for name in MATERIALS if name not in masses}
    feedstock = factors().per_material("feedstock_eur_per_kg")
    feedstock_eur = sum(masses[m] * price for m, price in zip(MATERIALS, feedstock, strict=True))
    family = np.full(n, FAMILIES.index("article"), dtype=np.int8)
    new_value = feedstock_eur * factors().condition.value_per_feedstock.value
    return Returns(
        product=np.arange(n),
        return_day=day,
        collection_node=np.asarray(collection)[rng.integers(len(collection), size=n)],
        family=family,
        stream=np.zeros(n, dtype=np.int8),
        age_years=age,
        mechanical_wear=wear,
        corrosion=corrosion,
        electronic_health=electronics,
        cosmetic_damage=cosmetic,
        battery_cycles=cycles,
        **{f"{name}_kg": mass for name, mass in masses.items()},
        components=rng.integers(COMPONENTS[0], COMPONENTS[1] + 1, n),
        new_value_eur=new_value,
        current_value_eur=current_value_eur(
            new_value, family, age, wear, corrosion, electronics, cosmetic, cycles
        ),
        remanufacture_draw=latent_rng.random(n),
        harvest_draw=latent_rng.random(n),
    )


def return_days(rng: np.random.Generator, n: int, horizon_days: int, truncated: bool) -> np.ndarray:
    """Sorted return days, int32 (n,): floor of Weibull(2.5) x 365.

    With ``truncated`` the law is conditioned on falling inside of the horizon, by its quantiles.
    """
    share = -np.expm1(-((horizon_days / 365.0) ** RETURN_SHAPE)) if truncated else 1.0
    u = np.sort(rng.random(n)) * share
    day = np.floor(365.0 * (-np.log1p(-u)) ** (1 / RETURN_SHAPE))
    return np.minimum(day, horizon_days - 1 if truncated else np.inf).astype(np.int32)


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
    value: np.ndarray = aged * looks * body * (0.5 + 0.5 * battery_health(cycles))
    return value


def _quantile(z: np.ndarray, law: str, shape: tuple[float, ...]) -> np.ndarray:
    """Quantiles of a law at the normal scores ``z``, from a table that is exact at its knots."""
    knots, values = _quantile_table(law, shape)
    return np.interp(z, knots, values)


@lru_cache(maxsize=32)
def _quantile_table(law: str, shape: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    knots = np.linspace(-_Z_LIMIT, _Z_LIMIT, _Z_KNOTS)
    distribution = getattr(stats, law)
    below = distribution.ppf(stats.norm.cdf(knots), *shape)
    above = distribution.isf(stats.norm.sf(knots), *shape)
    return knots, np.where(knots < 0, below, above)
