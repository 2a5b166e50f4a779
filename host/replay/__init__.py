"""Replay: a scenario decided by the board in closed loop, and its energy windows."""

from host.replay.budget import BOARD_FILE, EnergyBudget, energy_budget
from host.replay.closed_loop import Replay, replay
from host.replay.judging import RanWindow, check_windows, judge_windows
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
    ALL_KINDS,
    DECISIONS,
    WindowPlan,
    measure_windows,
    run_windows,
)

__all__ = [
    "ALL_KINDS",
    "BOARD_FILE",
    "DECISIONS",
    "FALLBACK_ONLY",
    "NOMINAL",
    "REGIME_SHIFT",
    "EnergyBudget",
    "RanWindow",
    "Reference",
    "Replay",
    "Variant",
    "WindowPlan",
    "check_windows",
    "energy_budget",
    "judge_windows",
    "measure_windows",
    "replay",
    "run_windows",
    "shift_day",
    "variants",
]
