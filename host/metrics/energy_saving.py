"""What the fallback network costs in quality and saves in energy, beside the full one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from host.metrics.decision import decision_quality
from host.metrics.metric import Provenance
from host.metrics.node import energy_of_modes
from host.metrics.window import EnergyWindow
from toolchain.environment import Optimum

FULL, FALLBACK = "full", "fallback"
"""Names of the board's modes, in the rows' ``mode`` and the windows'."""


def decisions_by_mode(rows: pa.Table) -> dict[str, int]:
    """How many decisions of a replay were made in each mode, in the modes' order."""
    modes = rows["mode"].drop_null().to_numpy(zero_copy_only=False)
    return {name: int((modes == name).sum()) for name in (FULL, FALLBACK)}


def energy_saving(
    budget: Mapping[str, float | None],
    rows: pa.Table,
    fallback_rows: pa.Table,
    full_rows: pa.Table,
    optimum: Optimum,
    windows: Sequence[EnergyWindow],
    provenance: Provenance,
    counted: str = "cycles",
) -> dict[str, Any]:
    """Quality and joules of both networks alone, and as the energy budget mixed them.

    Args:
        budget: ``limit_j`` of a decision cycle and ``energy_j_per_cycle``, which the board counted
            with; None where there is none.
        rows: decided by the board under the budget.
        fallback_rows: of the same scenario, decided by the board with nothing to spend.
        full_rows: of the same scenario, decided on the host by the full network's reference.
        optimum: of the scenario.
        windows: of both modes, and idle.
        provenance: of the board and its meter.
        counted: what the rows' cycles are: ``cycles``, or ``instructions`` of some emulators.

    Returns:
        JSON values: the budget, in how many decision cycles it was reached, and for each of
        ``full_only``, ``fallback_only`` and ``as_decided`` the quality, who decided, J and median
        core cycles (or instructions) of a decision. Counting is ``modelled``; J are the windows'.
    """
    counts = decisions_by_mode(rows)
    total = sum(counts.values())
    cycles = _median_cycles(pa.concat_tables([rows, fallback_rows]))
    reached = rows.filter(pc.equal(rows["mode"], FALLBACK))["day"]
    cases = {
        "full_only": (full_rows, "reference on the host", {FULL: total}),
        "fallback_only": (fallback_rows, "board", {FALLBACK: total}),
        "as_decided": (rows, "board", counts),
    }
    entries = {}
    for name, (table, decided_by, decisions) in cases.items():
        energy = energy_of_modes(windows, decisions, provenance)
        entries[name] = {
            "decision_quality": decision_quality(table, optimum).value,
            "decided_by": decided_by,
            "decisions": decisions,
            "energy_per_decision_j": energy.value,
            "idle_subtracted_j": energy.detail.get("idle_subtracted_j"),
            "energy_provenance": str(energy.provenance),
            f"median_{counted}": {mode: cycles.get(mode) for mode in decisions},
        }
    return {
        "budget_j_per_decision_cycle": budget["limit_j"],
        "energy_j_per_cycle": budget["energy_j_per_cycle"],
        "accounting": str(Provenance.MODELLED),
        "decision_cycles": len(rows.filter(rows["mode"].is_valid())["day"].unique()),
        "decision_cycles_at_the_budget": len(reached.unique()),
        **entries,
    }


def _median_cycles(rows: pa.Table) -> dict[str, float]:
    decided = rows.filter(rows["mode"].is_valid())
    modes = decided["mode"].to_numpy(zero_copy_only=False)
    cycles = decided["cycles"].to_numpy()
    return {str(mode): float(np.median(cycles[modes == mode])) for mode in np.unique(modes)}
