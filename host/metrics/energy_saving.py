"""What the fallback network costs in quality and saves in energy, beside the full one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from host.metrics.decision import decision_quality
from host.metrics.metric import Provenance
from host.metrics.node import counted, energy_of_modes, with_assumed_cycles
from host.metrics.window import EnergyWindow
from toolchain.board import Sourced
from toolchain.environment import Optimum

FULL, FALLBACK = "full", "fallback"
"""Names of the board's modes, in the rows' ``mode`` and the windows'."""


def decisions_by_mode(rows: pa.Table) -> dict[str, int]:
    """How many decisions of a replay were made in each mode, in the modes' order."""
    modes = rows["mode"].drop_null().to_numpy(zero_copy_only=False)
    return {name: int((modes == name).sum()) for name in (FULL, FALLBACK)}


def energy_saving(
    budget: Mapping[str, Any],
    rows: pa.Table,
    fallback_rows: pa.Table,
    full_rows: pa.Table,
    optimum: Optimum,
    windows: Sequence[EnergyWindow],
    provenance: Provenance,
    cycles_per_instruction: Sourced | None = None,
) -> dict[str, Any]:
    """Quality and joules of both networks alone, and as the energy budget mixed them.

    Args:
        budget: ``limit_j`` of a decision cycle and ``energy_j_per_cycle``, which the board counted
            with; None where there is none. ``energy_source`` says where the latter is from.
        rows: decided by the board under the budget.
        fallback_rows: of the same scenario, decided by the board with nothing to spend.
        full_rows: of the same scenario, decided on the host by the full network's reference.
        optimum: of the scenario.
        windows: of both modes, and idle.
        provenance: of the board and its meter.
        cycles_per_instruction: that an emulator assumed, which knows instructions alone.

    Returns:
        JSON values: the budget, in how many decision cycles it was reached, and for each of
        ``full_only``, ``fallback_only`` and ``as_decided`` the quality, who decided, J and median
        core cycles (or instructions) of a decision. Counting is ``modelled``; J are the windows'.
    """
    counts = decisions_by_mode(rows)
    total = sum(counts.values())
    medians = _medians(pa.concat_tables([rows, fallback_rows]), cycles_per_instruction)
    what = "cycles" if cycles_per_instruction is None else "instructions"
    reached = rows.filter(pc.equal(rows["mode"], FALLBACK))["day"]
    cases = {
        "full_only": (full_rows, "reference on the host", {FULL: total}),
        "fallback_only": (fallback_rows, "board", {FALLBACK: total}),
        "as_decided": (rows, "board", counts),
    }
    entries = {}
    for name, (table, decided_by, decisions) in cases.items():
        energy = energy_of_modes(windows, decisions, provenance)
        energy = with_assumed_cycles(energy, cycles_per_instruction)
        entries[name] = {
            "decision_quality": decision_quality(table, optimum).value,
            "decided_by": decided_by,
            "decisions": decisions,
            "energy_per_decision_j": energy.value,
            "idle_subtracted_j": energy.detail.get("idle_subtracted_j"),
            "energy_provenance": str(energy.provenance),
            f"median_{what}": {mode: medians.get(mode) for mode in decisions},
        }
    return {
        "budget_j_per_decision_cycle": budget["limit_j"],
        "energy_j_per_cycle": budget["energy_j_per_cycle"],
        "energy_j_per_cycle_source": budget.get("energy_source"),
        "accounting": str(Provenance.MODELLED),
        "decision_cycles": len(rows.filter(rows["mode"].is_valid())["day"].unique()),
        "decision_cycles_at_the_budget": len(reached.unique()),
        **entries,
    }


def _medians(rows: pa.Table, cycles_per_instruction: Sourced | None) -> dict[str, float]:
    decided = rows.filter(rows["mode"].is_valid())
    modes = decided["mode"].to_numpy(zero_copy_only=False)
    counts = counted(decided["cycles"].to_numpy(), cycles_per_instruction)
    return {str(mode): float(np.median(counts[modes == mode])) for mode in np.unique(modes)}
