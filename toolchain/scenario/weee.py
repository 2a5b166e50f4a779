"""Returns of electrical equipment: families, lifetimes, two streams, seasons, coupled wear."""

from __future__ import annotations

import networkx as nx
import numpy as np
from scipy import special

from toolchain.errors import ScenarioError
from toolchain.scenario.article import current_value_eur
from toolchain.scenario.factors import FAMILIES, MATERIALS, factors
from toolchain.scenario.graph import nodes_of_type
from toolchain.scenario.parameters import ScenarioParameters
from toolchain.scenario.returns import Returns

END_OF_LIFE = 0
COMMERCIAL = 1

_YEAR_DAYS = 365.0
_CYCLES_SHAPE = 4.0


def generate_weee_returns(
    rng: np.random.Generator,
    latent_rng: np.random.Generator,
    graph: nx.DiGraph,
    parameters: ScenarioParameters,
) -> Returns:
    """Draw returns of six families in two streams over the seasons.

    The families, their lifetimes and all rates are in ``factors.toml``; see :func:`draw_products`
    for the laws of one product.

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
    weee = factors().weee
    stream = (rng.random(n) < weee.commercial_share.value).astype(np.int8)
    family = np.searchsorted(np.cumsum(factors().per_family("share")), rng.random(n), side="right")
    family = np.minimum(family, len(FAMILIES) - 1).astype(np.int8)
    days = parameters.horizon_days
    swings = (weee.season_swing.value, weee.commercial_season_swing.value)
    peaks = (weee.season_peak_day.value, weee.commercial_season_peak_day.value)
    u = rng.random(n)
    day = np.where(
        stream == COMMERCIAL,
        _season_days(u, days, swings[1], peaks[1]),
        _season_days(u, days, swings[0], peaks[0]),
    )
    order = np.argsort(day, kind="stable")
    family, stream = family[order], stream[order]
    columns = draw_products(rng, family, stream, parameters.condition_shift_sd)
    return Returns(
        product=np.arange(n),
        return_day=day[order],
        collection_node=np.asarray(collection)[rng.integers(len(collection), size=n)],
        family=family,
        stream=stream,
        **columns,
        remanufacture_draw=latent_rng.random(n),
        harvest_draw=latent_rng.random(n),
    )


def draw_products(
    rng: np.random.Generator,
    family: np.ndarray,
    stream: np.ndarray,
    condition_shift_sd: float = 0.0,
) -> dict[str, np.ndarray]:
    """Draw what products are like, age first.

    Age: Weibull by family at the end of life, uniform up to 90 days in the commercial stream.
    Virtual age: age over the scale of life, times a log-normal intensity of use that couples all
    conditions. Wear, corrosion, scratches and electronic decay: ``1 - exp(-G)`` of gamma processes
    in the virtual age (monotone in it), evaluated at the product's; a share of the electronics has
    failed on top. Battery cycles: gamma with the family's rate times age and intensity.

    Args:
        rng: draws everything.
        family: int (n,), codes of :data:`~toolchain.scenario.factors.FAMILIES`, not the article's.
        stream: int (n,), 0 end of life, 1 commercial.
        condition_shift_sd: shift of the intensity, in its standard deviations.

    Returns:
        the columns of :class:`Returns` that describe a product, each (n,).
    """
    n = len(family)
    f = factors()
    weee = f.weee
    commercial = stream == COMMERCIAL
    life = f.per_family("life_scale_years")[family]
    age = life * rng.weibull(f.per_family("life_shape")[family])
    age = np.where(commercial, weee.commercial_max_age_years.value * rng.random(n), age)
    intensity = np.exp(weee.use_intensity_sd.value * (rng.standard_normal(n) + condition_shift_sd))
    virtual_age = age / life * intensity

    def process(mean_at_lifetime: float) -> np.ndarray:
        shape_at_lifetime = weee.process_shape_at_lifetime.value
        shape = shape_at_lifetime * virtual_age
        level = special.gammaincinv(np.maximum(shape, 1e-6), rng.random(n))
        return -np.expm1(-level * mean_at_lifetime / shape_at_lifetime)

    wear = process(weee.wear_at_lifetime.value)
    corrosion = process(weee.corrosion_at_lifetime.value)
    cosmetic = process(weee.cosmetic_at_lifetime.value)
    electronics = 1.0 - process(weee.electronics_at_lifetime.value)
    odds = np.where(commercial, weee.commercial_failed_share.value, weee.failed_share.value)
    failed, left = rng.random(n) < odds, 0.5 * rng.random(n)
    electronics = np.where(failed, electronics * left, electronics)
    use = rng.gamma(_CYCLES_SHAPE, 1.0 / _CYCLES_SHAPE, n) * age * intensity
    cycles = np.floor(use * f.per_family("cycles_per_year")[family])
    size = np.exp(weee.size_sd.value * rng.standard_normal(n) - weee.size_sd.value**2 / 2)
    price = np.exp(weee.price_sd.value * rng.standard_normal(n) - weee.price_sd.value**2 / 2)
    new_value = f.per_family("new_price_eur")[family] * price
    return {
        "age_years": age,
        "mechanical_wear": wear,
        "corrosion": corrosion,
        "electronic_health": electronics,
        "cosmetic_damage": cosmetic,
        "battery_cycles": cycles,
        **{f"{m}_kg": f.per_family(f"{m}_kg")[family] * size for m in MATERIALS},
        "components": f.per_family("components")[family],
        "new_value_eur": new_value,
        "current_value_eur": current_value_eur(
            new_value, family, age, wear, corrosion, electronics, cosmetic, cycles
        ),
    }


def _season_days(u: np.ndarray, days: int, swing: float, peak_day: float) -> np.ndarray:
    """Days at the quantiles ``u`` of an intensity of 1 + swing cos(2 pi (day - peak) / 365)."""
    day = np.arange(days)
    intensity = 1.0 + swing * np.cos(2 * np.pi * (day - peak_day) / _YEAR_DAYS)
    cumulative = np.cumsum(intensity)
    found = np.searchsorted(cumulative, u * cumulative[-1], side="right")
    return np.minimum(found, days - 1).astype(np.int32)
