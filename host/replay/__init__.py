"""Replay: a scenario decided by the board in closed loop, and its energy windows."""

from host.replay.closed_loop import Replay, replay
from host.replay.variants import NOMINAL, REGIME_SHIFT, Variant, shift_day, variants
from host.replay.windows import (
    MeterScale,
    WindowPlan,
    check_windows,
    measure_windows,
    read_meter,
)

__all__ = [
    "NOMINAL",
    "REGIME_SHIFT",
    "MeterScale",
    "Replay",
    "Variant",
    "WindowPlan",
    "check_windows",
    "measure_windows",
    "read_meter",
    "replay",
    "shift_day",
    "variants",
]
