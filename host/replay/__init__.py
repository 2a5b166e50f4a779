"""Replay: a scenario decided by the board in closed loop, and its energy windows."""

from host.replay.budget import EnergyBudget, energy_budget
from host.replay.closed_loop import Replay, replay
from host.replay.reference import Reference
from host.replay.variants import (
    FALLBACK_ONLY,
    NOMINAL,
    REGIME_SHIFT,
    Variant,
    shift_day,
    variants,
)
from host.replay.windows import (
    MeterScale,
    WindowPlan,
    check_windows,
    measure_windows,
    read_meter,
)

__all__ = [
    "FALLBACK_ONLY",
    "NOMINAL",
    "REGIME_SHIFT",
    "EnergyBudget",
    "MeterScale",
    "Reference",
    "Replay",
    "Variant",
    "WindowPlan",
    "check_windows",
    "energy_budget",
    "measure_windows",
    "read_meter",
    "replay",
    "shift_day",
    "variants",
]
