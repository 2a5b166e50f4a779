"""The rows that a simulation leaves: one per product, with units in the columns' names."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from toolchain.environment.network import Network
from toolchain.environment.outcomes import Outcomes
from toolchain.scenario import Scenario, factors

ROW_COLUMNS: dict[str, pa.DataType] = {
    "product": pa.int64(),
    "day": pa.int32(),
    "action": pa.int8(),
    "realised": pa.int8(),
    "facility": pa.int32(),
    "processing_day": pa.int32(),
    "value_eur": pa.float64(),
    "mass_kg": pa.float64(),
    "mass_reentered_kg": pa.float64(),
    "mass_wasted_kg": pa.float64(),
    "energy_saved_mj": pa.float64(),
    "energy_invested_mj": pa.float64(),
    "components": pa.int32(),
    "components_reused": pa.int32(),
    "node_alive": pa.bool_(),
}
"""Columns of the rows in order.

``action`` is -1 when the node was dead and did not decide. ``realised`` is the disposition of the
facility that took the product: DISPOSE when no slot was left. Remanufacturing that failed keeps
REMANUFACTURE, with the value, mass and energy of the recycling that followed. ``facility`` is its
graph node.
"""


def rows_table(
    scenario: Scenario,
    outcomes: Outcomes,
    net: Network,
    *,
    action: np.ndarray,
    facility: np.ndarray,
    wait_days: np.ndarray,
    value_eur: np.ndarray,
    node_alive: np.ndarray,
) -> pa.Table:
    """Make the table of the first k products.

    Args:
        scenario: where they came from.
        outcomes: what became of them.
        net: the facilities.
        action: int (k,), as decided.
        facility: int (k,), index of the facility that took each.
        wait_days: int (k,), days until it was processed.
        value_eur: float64 (k,), realised.
        node_alive: bool (k,).
    """
    k = len(action)
    index = np.arange(k)
    returns = scenario.returns
    realised = net.disposition[facility]
    mass = returns.mass_kg[:k]
    reentered = outcomes.reentered_kg[index, realised]
    carried = mass * net.distance_km[net.collection[:k], facility]
    carried += outcomes.realised.second_leg_kg[index, realised] * net.onward_km[facility]
    invested = outcomes.invested_mj[index, realised] + net.energy_mj[facility]
    invested += factors().transport.energy_mj_per_kg_km.value * carried
    columns = {
        "product": returns.product[:k],
        "day": returns.return_day[:k],
        "action": action,
        "realised": realised,
        "facility": net.node[facility],
        "processing_day": returns.return_day[:k] + wait_days,
        "value_eur": value_eur,
        "mass_kg": mass,
        "mass_reentered_kg": reentered,
        "mass_wasted_kg": mass - reentered,
        "energy_saved_mj": outcomes.saved_mj[index, realised],
        "energy_invested_mj": invested,
        "components": returns.components[:k],
        "components_reused": outcomes.components_reused[index, realised],
        "node_alive": node_alive,
    }
    return pa.table({name: pa.array(columns[name]).cast(t) for name, t in ROW_COLUMNS.items()})
