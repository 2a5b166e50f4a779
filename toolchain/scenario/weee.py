"""Returns of electrical equipment: families, lifetimes, two streams, seasons, coupled wear."""

from __future__ import annotations

import numpy as np

from toolchain.scenario.arrivals import season_law
from toolchain.scenario.article import current_value_eur
from toolchain.scenario.factors import FAMILIES, MATERIALS, factors
from toolchain.scenario.parameters import ScenarioParameters
from toolchain.scenario.returns import Returns

END_OF_LIFE = 0
COMMERCIAL = 1

_LEAST_SHAPE = 1e-6


def weee_law(horizon_days: int) -> np.ndarray:
    """Odds of each day of arrival, both streams together, (horizon_days,)."""
    end_of_life, commercial = _stream_laws(horizon_days)
    law: np.ndarray = end_of_life + commercial
    return law


def draw_weee_returns(
    rng: np.random.Generator,
    latent_rng: np.random.Generator,
    first: int,
    days: np.ndarray,
    collection: np.ndarray,
    parameters: ScenarioParameters,
) -> Returns:
    """Draw a block of returns of six families in two streams.

    The families, their lifetimes and all rates are in ``factors.toml``; see :func:`draw_products`
    for the laws of one product. A return's stream follows from its day, for the seasons of the
    two streams differ.

    Args:
        rng: draws the products.
        latent_rng: draws what decides their outcomes.
        first: id of the first product.
        days: int (n,), their days of arrival, drawn by :func:`weee_law`.
        collection: the collection nodes.
        parameters: horizon and shift of the condition.
    """
    n = len(days)
    end_of_life, commercial = _stream_laws(parameters.horizon_days)
    odds = commercial / (end_of_life + commercial)
    stream = (rng.random(n) < odds[days]).astype(np.int8)
    family = np.searchsorted(np.cumsum(factors().per_family("share")), rng.random(n), side="right")
    family = np.minimum(family, len(FAMILIES) - 1).astype(np.int8)
    columns = draw_products(rng, family, stream, parameters.condition_shift_sd)
    return Returns(
        product=np.arange(first, first + n),
        return_day=days,
        collection_node=collection[rng.integers(len(collection), size=n)],
        family=family,
        stream=stream,
        **columns,
        remanufacture_draw=latent_rng.random(n),
        harvest_draw=latent_rng.random(n),
    )


def _stream_laws(horizon_days: int) -> tuple[np.ndarray, np.ndarray]:
    """Odds by day of an end-of-life and of a commercial return; together they add up to 1."""
    weee = factors().weee
    usual = season_law(horizon_days, weee.season_swing.value, weee.season_peak_day.value)
    gifts = season_law(
        horizon_days, weee.commercial_season_swing.value, weee.commercial_season_peak_day.value
    )
    share = weee.commercial_share.value
    return (1.0 - share) * usual, share * gifts


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
    usual = np.exp(weee.use_intensity_sd.value * rng.standard_normal(n))
    harder = float(np.exp(weee.use_intensity_sd.value * condition_shift_sd))
    intensity = usual * harder
    shape_at_lifetime = weee.process_shape_at_lifetime.value
    shape = np.maximum(shape_at_lifetime * age / life * usual, _LEAST_SHAPE)
    # A shift goes on along the same path, by draws that no other column sees.
    (later,) = rng.spawn(1)

    def process(mean_at_lifetime: float) -> np.ndarray:
        level = rng.standard_gamma(shape)
        if harder > 1:
            level += later.standard_gamma((harder - 1) * shape)
        elif harder < 1:
            level *= later.beta(harder * shape, (1 - harder) * shape)
        return -np.expm1(-level * mean_at_lifetime / shape_at_lifetime)

    wear = process(weee.wear_at_lifetime.value)
    corrosion = process(weee.corrosion_at_lifetime.value)
    cosmetic = process(weee.cosmetic_at_lifetime.value)
    electronics = 1.0 - process(weee.electronics_at_lifetime.value)
    odds = np.where(commercial, weee.commercial_failed_share.value, weee.failed_share.value)
    failed = rng.random(n) < odds
    left = weee.failed_health_left.value * rng.random(n)
    electronics = np.where(failed, electronics * left, electronics)
    scatter = weee.cycles_shape.value
    use = rng.gamma(scatter, 1.0 / scatter, n) * age * intensity
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
