"""Where the mass of the returned products went: from stream and family to what became of it.

Nothing is made or lost on the way: what enters a node leaves it, and what the last two nodes
receive is the mass that material_circularity and waste_generation count.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pyarrow as pa

from host.metrics.metric import Provenance
from toolchain.environment import UNDECIDED, Disposition
from toolchain.environment.outcomes import outcomes
from toolchain.errors import InputError
from toolchain.scenario import FAMILIES, Scenario

STREAMS = ("end of life", "commercial return")
"""In the order of the returns' ``stream`` codes."""

DECISIONS = {
    Disposition.REUSE: "reuse",
    Disposition.REMANUFACTURE: "remanufacture",
    Disposition.HARVEST: "harvest",
    Disposition.RECYCLE: "recycle",
    Disposition.DISPOSE: "dispose",
}
NOT_DECIDED = "not decided"
"""Of products that arrived while the node was dead."""
RECYCLING, DISPOSAL = "recycling plant", "disposal site"
IN_A_LOOP, LOST = "re-enters a loop", "leaves every loop"

NEGLIGIBLE_KG = 1e-9
"""A flow below this is rounding, not mass."""


def material_flows(rows: pa.Table, scenario: Scenario) -> dict[str, Any]:
    """The mass of all decided products on its way through the scenario's facilities.

    A product whose remanufacturing failed goes on to recycling, as do the hulks that parts were
    harvested from, and what recycling does not recover leaves every loop. A product that found no
    free slot goes from its decision to the disposal site.

    Args:
        rows: of :data:`toolchain.environment.ROW_COLUMNS`, one for each product of the scenario.
        scenario: that was decided.

    Returns:
        JSON values: ``flows`` from ``source`` to ``target``, each with ``mass_kg`` and the number
        of ``products`` that had a part in it, in the order of the way; ``unit`` and ``provenance``.

    Raises:
        InputError: the rows are not of this scenario.
    """
    returns = scenario.returns
    if not np.array_equal(rows["product"].to_numpy(), returns.product):
        raise InputError(
            f"{rows.num_rows} rows that are not the {len(returns)} products of the scenario",
            hint="give the rows of a finished replay, and its own scenario",
        )
    onward_kg = outcomes(scenario).realised.second_leg_kg
    totals: defaultdict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0])

    def flow(source: str, target: str, mass_kg: float) -> None:
        if mass_kg > NEGLIGIBLE_KG:
            entry = totals[source, target]
            entry[0] += mass_kg
            entry[1] += 1

    columns = ("action", "realised", "mass_kg", "mass_reentered_kg", "mass_wasted_kg")
    for index, (action, realised, mass, reentered, wasted) in enumerate(
        zip(*(rows[name].to_pylist() for name in columns), strict=True)
    ):
        decision = NOT_DECIDED if action == UNDECIDED else DECISIONS[Disposition(action)]
        family = FAMILIES[returns.family[index]].replace("_", " ")
        flow(STREAMS[returns.stream[index]], family, mass)
        flow(family, decision, mass)
        if realised == Disposition.DISPOSE:
            flow(decision, DISPOSAL, mass)
            flow(DISPOSAL, IN_A_LOOP, reentered)
            flow(DISPOSAL, LOST, wasted)
            continue
        recycled = mass if realised == Disposition.RECYCLE else float(onward_kg[index, realised])
        if recycled == 0:  # it was sold or restored: nothing goes on to recycling
            flow(decision, IN_A_LOOP, reentered)
            flow(decision, LOST, wasted)
            continue
        # What is wasted is what recycling does not recover: the rest was taken out before.
        flow(decision, IN_A_LOOP, mass - recycled)
        flow(decision, RECYCLING, recycled)
        flow(RECYCLING, IN_A_LOOP, recycled - wasted)
        flow(RECYCLING, LOST, wasted)
    families = [name.replace("_", " ") for name in FAMILIES]
    decisions = [*DECISIONS.values(), NOT_DECIDED]
    order = [*STREAMS, *families, *decisions, RECYCLING, DISPOSAL, IN_A_LOOP, LOST]
    ways = sorted(totals, key=lambda way: (order.index(way[0]), order.index(way[1])))
    return {
        "provenance": str(Provenance.MODELLED),
        "unit": "kg",
        "flows": [
            {
                "source": source,
                "target": target,
                "mass_kg": totals[source, target][0],
                "products": totals[source, target][1],
            }
            for source, target in ways
        ],
    }
