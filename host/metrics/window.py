"""Energy windows, and what follows from a set of them with its uncertainty.

A standard uncertainty is kept in parts, by cause. What belongs to the windows themselves (their
scatter, the meter's last digit) differs from set to set; what belongs to the meter (its gain, its
zero) is one error in everything that it measured. Parts therefore know how they combine: see
:func:`mixed_parts`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist, median, stdev
from typing import Literal

from toolchain.errors import InputError

WindowName = Literal["idle", "inference", "sleep", "wake", "link"]
"""What the node does inside of a window."""

COUNTED: tuple[WindowName, ...] = ("inference", "wake", "link")
"""Windows with iterations: decisions, wake-ups, bytes."""

OWN_PARTS = ("scatter", "resolution")
"""Parts of an uncertainty that are another error in every set of windows."""

OF_WINDOWS = (*OWN_PARTS, "baseline")
"""Those that come from windows at all, and not from the meter."""

NORMAL_95 = NormalDist().inv_cdf(0.975)
"""Standard uncertainties that a 95 % interval of a normal law reaches to either side."""


@dataclass(frozen=True)
class EnergyWindow:
    """One window that a meter integrated over.

    Args:
        kind: what the node did inside of it.
        iterations: decisions, wake-ups or bytes inside of it; 0 when idle or asleep.
        elapsed_s: s between the window's ends.
        energy_j: J that went into the board.
        resolution_j: J that the meter cannot tell apart: its last digit, and the window's ends.
        accepted: whether the window may be used.
        reason: why it was refused; empty when accepted.
        mode: of its decisions, such as ``full``; empty where none are made.
        gain_uncertainty: relative standard uncertainty of the meter's gain. It is the same error
            in all windows of a meter, so more windows do not make it smaller.
        offset_w: standard uncertainty of the meter's zero in W, one error likewise; what it adds
            to busy windows it adds to idle ones.
    """

    kind: WindowName
    iterations: int
    elapsed_s: float
    energy_j: float
    resolution_j: float
    accepted: bool
    reason: str = ""
    mode: str = ""
    gain_uncertainty: float = 0.0
    offset_w: float = 0.0

    def __post_init__(self) -> None:
        if not self.accepted:
            return
        positive = (self.energy_j, self.resolution_j, self.gain_uncertainty, self.offset_w)
        usable = math.isfinite(self.elapsed_s) and self.elapsed_s > 0
        usable = usable and all(math.isfinite(x) and x >= 0 for x in positive)
        counted = self.iterations > 0 if self.kind in COUNTED else self.iterations == 0
        if not (usable and counted):
            raise InputError(
                f"an accepted {self.kind} window with {self.iterations} iterations, "
                f"{self.elapsed_s} s, {self.energy_j} J and a resolution of {self.resolution_j} J",
                hint="refuse the window, with the reason",
            )

    @property
    def power_w(self) -> float:
        """Mean W over the window."""
        return self.energy_j / self.elapsed_s

    @property
    def each_j(self) -> float:
        """J for one iteration."""
        return self.energy_j / self.iterations


@dataclass(frozen=True)
class Estimate:
    """A figure from a set of windows.

    Attributes:
        value: in J or W.
        parts: standard uncertainty by cause, in the same unit: ``scatter`` of the windows
            (standard deviation over sqrt(n)), ``resolution`` of the meter (uniform law: over
            sqrt(12)), ``gain`` and ``offset`` of the meter, ``baseline`` that was subtracted.
    """

    value: float
    parts: Mapping[str, float]

    @property
    def uncertainty(self) -> float:
        """Standard uncertainty from all causes."""
        return math.hypot(*self.parts.values())


def mean_power(windows: Sequence[EnergyWindow]) -> Estimate:
    """W, the median over accepted windows; at least one."""
    powers = [window.power_w for window in windows]
    value = median(powers)
    return Estimate(
        value,
        {
            "scatter": _scatter(powers),
            "resolution": _digit(w.resolution_j / w.elapsed_s for w in windows),
            "gain": value * _gain(windows),
            "offset": max(w.offset_w for w in windows),
        },
    )


def energy_each(windows: Sequence[EnergyWindow]) -> Estimate:
    """J for one iteration, the median over accepted windows that count; at least one."""
    each = [window.each_j for window in windows]
    value = median(each)
    return Estimate(
        value,
        {
            "scatter": _scatter(each),
            "resolution": _digit(w.resolution_j / w.iterations for w in windows),
            "gain": value * _gain(windows),
            "offset": max(w.offset_w * w.elapsed_s / w.iterations for w in windows),
        },
    )


def energy_each_above(
    windows: Sequence[EnergyWindow], baseline: Sequence[EnergyWindow]
) -> Estimate:
    """J for one iteration above what the baseline's power would have taken in the same time.

    The meter's gain error is common to both and scales the difference; its offset cancels.

    Args:
        windows: accepted, with iterations; at least one.
        baseline: accepted; at least one.
    """
    base = mean_power(baseline)
    nets = [(w.energy_j - base.value * w.elapsed_s) / w.iterations for w in windows]
    value = median(nets)
    own_w = math.hypot(*(base.parts[name] for name in OWN_PARTS))
    return Estimate(
        value,
        {
            "scatter": _scatter(nets),
            "resolution": _digit(w.resolution_j / w.iterations for w in windows),
            "gain": abs(value) * _gain((*windows, *baseline)),
            "baseline": own_w * max(w.elapsed_s / w.iterations for w in windows),
        },
    )


def mixed_parts(shares: Sequence[tuple[float, Mapping[str, float]]]) -> dict[str, float]:
    """Uncertainty of a weighted sum of estimates of one meter, by cause.

    Own parts are weighted and added in quadrature; the meter's errors and a baseline that all
    share are weighted and added as they are.

    Args:
        shares: weight and parts of each; all have the same causes.
    """
    mixed = {}
    for name in shares[0][1]:
        weighted = [share * parts[name] for share, parts in shares]
        mixed[name] = math.hypot(*weighted) if name in OWN_PARTS else math.fsum(weighted)
    return mixed


def _scatter(figures: Sequence[float]) -> float:
    return stdev(figures) / math.sqrt(len(figures)) if len(figures) > 1 else 0.0


def _digit(steps: Iterable[float]) -> float:
    return max(steps) / math.sqrt(12)


def _gain(windows: Sequence[EnergyWindow]) -> float:
    return max(window.gain_uncertainty for window in windows)
