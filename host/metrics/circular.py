"""The circular economy's metrics, computed from the rows of any policy on any target.

All functions take the rows of :data:`toolchain.environment.ROW_COLUMNS`. Products that a dead node
left undecided count as decided: to dispose of them was the decision's failure.
"""

from __future__ import annotations

import math

import pyarrow as pa
import pyarrow.compute as pc

from host.metrics.metric import UNITS, Metric, Provenance, unavailable
from toolchain.errors import InputError

_LINEAR_FACTOR = 0.9
"""F(X) = 0.9 / X in the Material Circularity Indicator."""


def material_circularity(rows: pa.Table, provenance: Provenance = Provenance.MODELLED) -> Metric:
    """Mass that re-enters a loop over the mass of all decided products, 0 to 1."""
    return _ratio(rows, "material_circularity", "mass_reentered_kg", "mass_kg", provenance)


def energy_recovery(rows: pa.Table, provenance: Provenance = Provenance.MODELLED) -> Metric:
    """MJ of embodied energy saved over MJ invested in processes and transport.

    Production phase only: the energy that products need in use is not in it.
    """
    return _ratio(rows, "energy_recovery", "energy_saved_mj", "energy_invested_mj", provenance)


def component_reuse_rate(rows: pa.Table, provenance: Provenance = Provenance.MODELLED) -> Metric:
    """Components that go on being used over the components in all decided products."""
    return _ratio(rows, "component_reuse_rate", "components_reused", "components", provenance)


def waste_generation(rows: pa.Table, provenance: Provenance = Provenance.MODELLED) -> Metric:
    """kg that leave every loop per decided product."""
    unit = UNITS["waste_generation"]
    if rows.num_rows == 0:
        return unavailable(unit, "no product was decided")
    wasted = _total(rows, "mass_wasted_kg")
    detail = {"mass_wasted_kg": wasted, "products": rows.num_rows}
    return Metric(wasted / rows.num_rows, unit, provenance, detail)


def material_circularity_indicator(
    rows: pa.Table, utility: float = 1.0, provenance: Provenance = Provenance.MODELLED
) -> Metric:
    """The Ellen MacArthur Foundation's indicator, MCI = max(0, 1 - LFI 0.9 / X).

    LFI = (V + W) / (2 M) for the products decided and their replacements: what re-enters a loop
    takes the place of virgin feedstock, so V is the mass that does not, and W is the mass that
    leaves every loop. X = (L / L_av)(U / U_av) is the utility. No conformity with ISO 59020 is
    claimed.

    Args:
        rows: of a rollout or a replay.
        utility: X, of :func:`~host.metrics.lifetime.product_utility`; 1 is the average product.
        provenance: of the decisions.

    Raises:
        InputError: the utility is negative or no number.
    """
    if not 0 <= utility < math.inf:
        raise InputError(
            f"utility is {utility}, must be a number of at least 0", hint="1 is the average product"
        )
    mass = _total(rows, "mass_kg")
    if mass <= 0:
        return unavailable("1", "no product was decided")
    virgin = mass - _total(rows, "mass_reentered_kg")
    wasted = _total(rows, "mass_wasted_kg")
    linear_flow = (virgin + wasted) / (2 * mass)
    loss = linear_flow * _LINEAR_FACTOR
    value = 1 - loss / utility if loss < utility else 0.0 if loss > 0 else 1.0
    return Metric(value, "1", provenance, {"linear_flow_index": linear_flow, "utility": utility})


def _ratio(
    rows: pa.Table, name: str, numerator: str, denominator: str, provenance: Provenance
) -> Metric:
    above, below = _total(rows, numerator), _total(rows, denominator)
    if below <= 0:
        return unavailable(UNITS[name], f"the total of {denominator} is {below:g}")
    return Metric(above / below, UNITS[name], provenance, {numerator: above, denominator: below})


def _total(rows: pa.Table, column: str) -> float:
    if column not in rows.column_names:
        raise InputError(
            f"rows without column {column!r}; found {', '.join(rows.column_names)}",
            hint="give the rows of Simulation.rows() or of a replay",
        )
    return float(pc.sum(rows[column]).as_py() or 0.0)
