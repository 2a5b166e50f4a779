"""Which energy windows count.

A window is refused, with the reason, that does not have the iterations that were asked for; whose
clocks disagree or stood; whose gate was not seen to rise and fall; that the meter lost samples of,
or was driven out of its range by; or whose energy is less than :data:`MIN_RESOLUTIONS` times the
meter's last digit, or what its ends may have cut off. A set is refused as a whole where no more
than :data:`USABLE_SHARE` of its windows can be used, or where those are spread wider than
:data:`SPREAD_LIMIT`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from statistics import median
from typing import Any

from host.meter import MeterDescription, Reading
from host.metrics import EnergyWindow, WindowName
from toolchain.errors import MeasurementError

MIN_RESOLUTIONS = 100
"""Energy of a window in multiples of the meter's last digit, and of what its ends cut off."""
CLOCK_TOLERANCE = 0.01
"""Largest relative difference between two clocks of one window."""
GATE_TOLERANCE, GATE_SLACK_S = 1e-3, 50e-6
"""Largest difference of the gate's length to the board's timer, relative and beside that: both have
crystals. It also shows samples that were lost in a multiple of what a PPK2 counts to."""
TIMER_SLACK_S = 2e-3
"""A wait may end so much later than asked, beside that."""
USABLE_SHARE = 0.5
"""Of a set's windows, more than which must be usable: a median of what is left of a set that mostly
failed has no spread to be judged by."""
SPREAD_LIMIT = 0.05
"""Largest difference of two windows of a set, relative to their median."""


@dataclass(frozen=True)
class RanWindow:
    """A window that the board has run, before anybody has judged it.

    Attributes:
        kind: what the board did.
        mode: of its decisions; empty where none are made.
        asked: iterations that it was to make.
        asked_us: us that it was to wait, or that each sleep was to last.
        iterations: that it made.
        elapsed_us: by its timer.
        cycles: of its core; 0 where nothing is decided.
        warm_up: not to be counted.
        reading: of the meter; None when it is read afterwards.
        fault: why the board refused it; empty when it did not.
        begun_us: the board's time since reset when it was asked for the window, in us.
    """

    kind: WindowName
    mode: str
    asked: int
    asked_us: int
    iterations: int
    elapsed_us: int
    cycles: int
    warm_up: bool
    reading: Reading | None = None
    fault: str = ""
    begun_us: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> RanWindow:
        """Read back what :meth:`as_dict` gave."""
        reading = values["reading"]
        if reading is not None:
            reading = Reading(**{**reading, "refusals": tuple(reading["refusals"])})
        return cls(**{**values, "reading": reading})


def judge_windows(
    ran: Sequence[RanWindow], meter: MeterDescription, clock_hz: int
) -> list[EnergyWindow]:
    """Accept or refuse every window that counts; the refused ones say why.

    Args:
        ran: with a reading each, unless the board refused it.
        meter: that measured them.
        clock_hz: of the board's core.
    """
    windows = [_judge(window, meter, clock_hz) for window in ran if not window.warm_up]
    sets: dict[tuple[str, str], list[int]] = {}
    for index, window in enumerate(windows):
        sets.setdefault((window.kind, window.mode), []).append(index)
    for of_set in sets.values():
        accepted = [index for index in of_set if windows[index].accepted]
        reason = _objection_to_set([windows[index] for index in accepted], len(of_set))
        for index in accepted if reason else ():
            windows[index] = replace(windows[index], accepted=False, reason=reason)
    return windows


def _objection_to_set(accepted: Sequence[EnergyWindow], ran: int) -> str:
    """Why none of a set's windows must be used; empty when they may."""
    if not accepted:
        return ""  # each of them has a reason of its own
    if len(accepted) <= USABLE_SHARE * ran:
        return (
            f"only {len(accepted)} of the set's {ran} windows can be used, more than half must be"
        )
    figures = [_figure(window) for window in accepted]
    spread = (max(figures) - min(figures)) / median(figures)
    if spread > SPREAD_LIMIT:
        return (
            f"the set's {len(figures)} windows are spread by {spread:.1%}, at most "
            f"{SPREAD_LIMIT:.0%} is allowed"
        )
    return ""


def _figure(window: EnergyWindow) -> float:
    return window.each_j if window.iterations else window.power_w


def _judge(window: RanWindow, meter: MeterDescription, clock_hz: int) -> EnergyWindow:
    reading = window.reading or Reading.refused()
    reasons = _objections(window, reading, clock_hz)
    return EnergyWindow(
        kind=window.kind,
        iterations=window.iterations,
        elapsed_s=window.elapsed_us * 1e-6,
        energy_j=reading.energy_j,
        resolution_j=reading.resolution_j,
        accepted=not reasons,
        reason="; ".join(reasons),
        mode=window.mode,
        gain_uncertainty=meter.accuracy.gain_uncertainty,
        offset_w=meter.accuracy.offset_w(reading.voltage_v),
    )


def _objections(window: RanWindow, reading: Reading, clock_hz: int) -> list[str]:
    """Why a window must not be used; nothing when it may."""
    if window.fault:
        return [window.fault]
    elapsed_s = window.elapsed_us * 1e-6
    if window.iterations != window.asked:
        return [f"{window.iterations} {_WHAT[window.kind]} inside, expected {window.asked}"]
    if elapsed_s <= 0:
        return ["the timer did not run"]
    reasons = []
    if window.kind == "inference":
        by_cycles_s = window.cycles / clock_hz
        if abs(by_cycles_s - elapsed_s) > CLOCK_TOLERANCE * elapsed_s:
            reasons.append(f"timer says {elapsed_s:.6f} s, cycle counter {by_cycles_s:.6f} s")
    if window.asked_us:
        least_s = window.asked_us * 1e-6 * max(1, window.asked)
        most_s = least_s * (1 + CLOCK_TOLERANCE) + TIMER_SLACK_S
        late = window.kind != "wake" and elapsed_s > most_s
        if elapsed_s < least_s or late:
            reasons.append(f"timer says {elapsed_s:.6f} s, {least_s:.6f} s were asked for")
    if reading.refusals:
        return [*reasons, *reading.refusals]
    if reading.edge_s is not None:
        tolerance_s = GATE_TOLERANCE * elapsed_s + reading.edge_s + GATE_SLACK_S
        if abs(reading.measured_s - elapsed_s) > tolerance_s:
            reasons.append(
                f"the gate was high for {reading.measured_s:.6f} s, the board's timer says "
                f"{elapsed_s:.6f} s"
            )
    for what, step_j in (
        ("of the meter's last digit", reading.digit_j),
        ("that the window's ends may have cut off", reading.ends_j),
    ):
        if reading.energy_j < MIN_RESOLUTIONS * step_j:
            reasons.append(
                f"energy of {reading.energy_j:.3g} J, at least {MIN_RESOLUTIONS} times the "
                f"{step_j:.3g} J {what} are needed"
            )
    if reading.energy_j <= 0:
        reasons.append(f"energy of {reading.energy_j:.3g} J")
    return reasons


_WHAT: dict[WindowName, str] = {
    "inference": "decisions",
    "wake": "wake-ups",
    "link": "bytes",
    "idle": "decisions",
    "sleep": "decisions",
}


def check_windows(windows: Sequence[EnergyWindow]) -> None:
    """Refuse a set of windows with nothing to take a median of.

    The other power states may be missing; what a decision takes may not.

    Raises:
        MeasurementError: no idle window was accepted, or no inference window of a mode.
    """
    needed: tuple[WindowName, ...] = ("inference", "idle")
    groups = dict.fromkeys((w.kind, w.mode) for w in windows if w.kind in needed)
    for kind in needed:
        if all(kind != found for found, _ in groups):
            groups[kind, ""] = None
    for kind, mode in groups:
        of_group = [window for window in windows if (window.kind, window.mode) == (kind, mode)]
        if not any(window.accepted for window in of_group):
            reasons = "; ".join(sorted({window.reason for window in of_group})) or "none was run"
            raise MeasurementError(
                f"no {kind} window{f' of mode {mode}' * bool(mode)} can be used: {reasons}",
                hint="check the meter's wiring and range; --preset full has longer windows",
            )
