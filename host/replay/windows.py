"""Energy windows: the firmware bounds them, the meter measures, the host accepts or refuses.

The rules follow EEMBC's and MLPerf Tiny's (FACTS.md section 4): a warm-up that is not counted, at
least ten iterations, five windows, and enough energy for the meter's resolution. Each mode of the
board has windows of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from host.link import BoardClient, Identity, decide_rows
from host.metrics import EnergyWindow
from toolchain.errors import MeasurementError
from toolchain.protocol import Mode, WindowKind, WindowMeter, WindowReply, WindowRequest

MIN_ITERATIONS = 10
MIN_COUNTS = 100
"""Energy of a window in counts of the meter's energy register, at least."""
CLOCK_TOLERANCE = 0.01
"""Largest relative difference between the timer and the cycle counter."""


@dataclass(frozen=True)
class WindowPlan:
    """How windows are bounded.

    Attributes:
        window_s: shortest time of one window, in s of the board's clock.
        repeats: windows of each kind.
    """

    window_s: float
    repeats: int = 5


@dataclass(frozen=True)
class MeterScale:
    """The board's meter, as it describes itself."""

    kind: str
    shunt_ohm: float
    energy_lsb_j: float
    conversion_s: float


def read_meter(client: BoardClient, identity: Identity) -> MeterScale:
    """The scales of the board's meter.

    Raises:
        BoardFaultError: there is none.
    """
    reply = client.meter()
    return MeterScale(
        kind=identity.meter,
        shunt_ohm=reply.shunt_uohm * 1e-6,
        energy_lsb_j=reply.energy_lsb_pj * 1e-12,
        conversion_s=reply.conversion_us * 1e-6,
    )


def measure_windows(
    client: BoardClient,
    identity: Identity,
    scale: MeterScale,
    inputs: np.ndarray,
    masks: np.ndarray,
    modes: Sequence[Mode],
    plan: WindowPlan,
) -> list[EnergyWindow]:
    """Run a warm-up and ``plan.repeats`` windows of each mode, then as many idle ones.

    Args:
        client: the open link.
        identity: what answered.
        scale: of the board's meter.
        inputs: (n, n_in) int8 states to cycle through; must fit one frame.
        masks: (n, n_actions) bool.
        modes: that are measured; their warm-up says how many decisions make a window.
        plan: lengths and repeats.

    Returns:
        All windows, the refused ones with their reason.
    """
    rows = decide_rows(inputs, masks)
    windows = []

    def measure(request: WindowRequest) -> None:
        for _ in range(plan.repeats):
            windows.append(_judge(request, client.window(request), identity, scale))

    for mode in modes:
        short = WindowRequest(
            WindowKind.INFERENCE, mode, WindowMeter.BOARD, MIN_ITERATIONS, 0, len(inputs), rows
        )
        # A window has cycles besides its decisions, which the difference of two does not.
        longer = client.window(replace(short, iterations=2 * MIN_ITERATIONS))
        cycles = max(1, longer.cycles - client.window(short).cycles) / MIN_ITERATIONS
        iterations = math.ceil(plan.window_s * identity.clock_hz / cycles)
        measure(replace(short, iterations=max(MIN_ITERATIONS, iterations)))
    measure(
        WindowRequest(
            WindowKind.IDLE, Mode.FULL, WindowMeter.BOARD, 0, round(plan.window_s * 1e6), 0
        )
    )
    return windows


def _judge(
    request: WindowRequest, reply: WindowReply, identity: Identity, scale: MeterScale
) -> EnergyWindow:
    kind = WindowKind(request.kind)
    elapsed_s = reply.elapsed_us * 1e-6
    reason = ""
    if reply.iterations != request.iterations:
        reason = f"{reply.iterations} decisions inside, expected {request.iterations}"
    elif elapsed_s <= 0:
        reason = "the timer did not run"
    elif reply.energy < MIN_COUNTS:
        reason = f"energy of {reply.energy} counts, at least {MIN_COUNTS} are needed"
    elif kind is WindowKind.INFERENCE:
        by_cycles_s = reply.cycles / identity.clock_hz
        if abs(by_cycles_s - elapsed_s) > CLOCK_TOLERANCE * elapsed_s:
            reason = f"timer says {elapsed_s:.6f} s, cycle counter {by_cycles_s:.6f} s"
    # One conversion may lie across the window's end; it is not in the accumulator.
    power_w = reply.energy * scale.energy_lsb_j / elapsed_s if elapsed_s > 0 else 0.0
    return EnergyWindow(
        kind="idle" if kind is WindowKind.IDLE else "inference",
        iterations=reply.iterations,
        elapsed_s=elapsed_s,
        energy_j=reply.energy * scale.energy_lsb_j,
        resolution_j=scale.energy_lsb_j + power_w * scale.conversion_s,
        accepted=not reason,
        reason=reason,
        mode="" if kind is WindowKind.IDLE else Mode(request.mode).name.lower(),
    )


def check_windows(windows: list[EnergyWindow]) -> None:
    """Refuse a set of windows with nothing to take a median of.

    Raises:
        MeasurementError: no idle window was accepted, or no inference window of a mode.
    """
    groups = dict.fromkeys((window.kind, window.mode) for window in windows)
    for kind in ("inference", "idle"):
        if all(kind != found for found, _ in groups):
            groups[kind, ""] = None
    for kind, mode in groups:
        of_group = [window for window in windows if (window.kind, window.mode) == (kind, mode)]
        if not any(window.accepted for window in of_group):
            reasons = "; ".join(sorted({window.reason for window in of_group})) or "none was run"
            raise MeasurementError(
                f"no {kind} window{f' of mode {mode}' * bool(mode)} can be used: {reasons}",
                hint="lengthen the windows with --window-s, or check the meter's wiring",
            )
