"""How long products are used: the utility in the Material Circularity Indicator."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from scipy import special

from toolchain.environment import N_DISPOSITIONS, Disposition
from toolchain.environment.outcomes import outcomes
from toolchain.errors import InputError
from toolchain.scenario import FAMILIES, Scenario, factors


def product_utility(rows: pa.Table, scenario: Scenario) -> float:
    """X = L / L_av of the decided products, weighted by mass; the intensity of use is the average.

    L is the age at which a product was returned, and the further life that was chosen for it, in
    products of its family that need not be made: ``displaced_share`` of one when it is sold, or
    restored with success, and the mass of its harvested components. Recycling adds no life. L_av is
    the mean of the family's lifetime.

    Args:
        rows: of :data:`toolchain.environment.ROW_COLUMNS`, one for each product of the scenario.
        scenario: that was decided.

    Raises:
        InputError: the rows are not of this scenario.
    """
    returns = scenario.returns
    if not np.array_equal(rows["product"].to_numpy(), returns.product):
        raise InputError(
            f"{rows.num_rows} rows that are not the {len(returns)} products of the scenario",
            hint="give the rows of a finished replay, and its own scenario",
        )
    f = factors()
    further = np.zeros(N_DISPOSITIONS)
    further[Disposition.REUSE] = f.reuse.displaced_share.value
    further[Disposition.REMANUFACTURE] = f.remanufacture.displaced_share.value
    further[Disposition.HARVEST] = 1.0
    mass = returns.mass_kg
    realised = rows["realised"].to_numpy()
    # What goes on to a recycler is not used any more: a hulk, or what could not be restored.
    onward_kg = outcomes(scenario).realised.second_leg_kg[np.arange(len(returns)), realised]
    lived = returns.age_years / _mean_life_years(scenario)[returns.family]
    return float((mass * lived + (mass - onward_kg) * further[realised]).sum() / mass.sum())


def _mean_life_years(scenario: Scenario) -> np.ndarray:
    """Mean of each family's Weibull law of lifetimes, float64 in the order of FAMILIES."""
    f = factors()
    shape, scale = f.per_family("life_shape"), f.per_family("life_scale_years")
    article = FAMILIES.index("article")
    shape[article] = f.article.age_shape.value
    scale[article] = scenario.parameters.age_scale_years
    mean: np.ndarray = scale * special.gamma(1 + 1 / shape)
    return mean
