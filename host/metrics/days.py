"""The days of a replay: what arrived, who decided it, what it was worth, what it took."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from host.metrics.flows import DECISIONS
from toolchain.environment import Disposition
from toolchain.environment.network import network
from toolchain.scenario import Scenario

NO_MODE = "not decided"


@dataclass(frozen=True, eq=False)
class ReplayDays:
    """A scenario's days, from 0; all arrays have one entry a day.

    Attributes:
        decisions: by mode, and :data:`NO_MODE` where the node was dead; they add up to the
            arrivals. Modes that decided nothing are left out.
        value_eur: realised value of the day's arrivals.
        account_j: J that the board's energy account came to, cycles times the stated energy per
            cycle; None where nothing states it.
        used: products that were processed, by disposition with limited slots.
        slots: that there were, likewise.
    """

    decisions: dict[str, np.ndarray]
    value_eur: np.ndarray
    account_j: np.ndarray | None
    used: dict[str, np.ndarray]
    slots: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.value_eur)

    @property
    def arrivals(self) -> np.ndarray:
        """Products that arrived."""
        total: np.ndarray = np.sum(list(self.decisions.values()), axis=0)
        return total


def replay_days(rows: pa.Table, scenario: Scenario, energy_j_per_cycle: float | None) -> ReplayDays:
    """Add up a replay's rows by day.

    Args:
        rows: of a finished replay, with the board's ``cycles`` and ``mode``.
        scenario: that was decided.
        energy_j_per_cycle: that the board counted with.
    """
    days = scenario.parameters.horizon_days
    day = rows["day"].to_numpy()

    def by_day(values: np.ndarray) -> np.ndarray:
        return np.bincount(day, weights=values, minlength=days)

    modes = np.array([mode or NO_MODE for mode in rows["mode"].to_pylist()])
    cycles = rows["cycles"].fill_null(0).to_numpy().astype(np.float64)
    layout = network(scenario)
    processed, realised = rows["processing_day"].to_numpy(), rows["realised"].to_numpy()
    used, slots = {}, {}
    for kind in list(Disposition)[: Disposition.DISPOSE]:
        counts = np.bincount(processed[realised == kind], minlength=layout.slots.shape[1])
        used[DECISIONS[kind]] = counts[:days]
        slots[DECISIONS[kind]] = layout.slots[layout.disposition == kind, :days].sum(axis=0)
    return ReplayDays(
        decisions={
            str(mode): by_day((modes == mode).astype(np.float64)).astype(np.int64)
            for mode in sorted(set(modes), key=lambda mode: (mode == NO_MODE, mode != "full"))
        },
        value_eur=by_day(rows["value_eur"].to_numpy()),
        account_j=None if energy_j_per_cycle is None else by_day(cycles) * energy_j_per_cycle,
        used=used,
        slots=slots,
    )
