"""Windows in a stream of samples: where the gate was high, and what went into the board there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from host.meter.meter import Reading


class Pulse(NamedTuple):
    """Samples ``[first, end)`` in which the gate was high, with a low one on either side."""

    first: int
    end: int


@dataclass(frozen=True, eq=False)
class Samples:
    """What an instrument on the host has recorded.

    Attributes:
        time_s: (n,) float64, ascending.
        current_a: (n,) float64.
        voltage_v: (n,) float64.
        gate: (n,) bool, the firmware's trigger pin.
        step_a: (n,) float64, the last digit of each current in A.
        lost: (n,) bool, true where samples are missing before this one.
        saturated: (n,) bool, true where the current was beyond the range that measured it.
    """

    time_s: np.ndarray
    current_a: np.ndarray
    voltage_v: np.ndarray
    gate: np.ndarray
    step_a: np.ndarray
    lost: np.ndarray
    saturated: np.ndarray


def pulses(gate: np.ndarray) -> list[Pulse]:
    """All pulses that begin and end inside the samples, in order.

    Args:
        gate: (n,) bool.
    """
    edges = np.flatnonzero(np.diff(gate.astype(np.int8))) + 1
    if len(gate) and gate[0]:
        edges = edges[1:]
    return [Pulse(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=False)]


def measure_pulse(samples: Samples, pulse: Pulse) -> Reading:
    """What went into the board while the gate was high.

    An edge lies halfway between the two samples that saw it, give or take half their distance.
    """
    first, end = pulse
    # Every sample stands for the time halfway to its neighbours; the outermost are low.
    middles_s = (samples.time_s[first - 1 : end] + samples.time_s[first : end + 1]) / 2
    lasts_s = np.diff(middles_s)
    inside = slice(first, end)
    voltage_v = samples.voltage_v[inside]
    energy_j = float(np.sum(samples.current_a[inside] * voltage_v * lasts_s))
    measured_s = float(middles_s[-1] - middles_s[0])
    edge_s = float(
        samples.time_s[first]
        - samples.time_s[first - 1]
        + samples.time_s[end]
        - samples.time_s[end - 1]
    )
    digit_j = float(np.sum(samples.step_a[inside] * np.abs(voltage_v) * lasts_s))
    refusals = []
    lost = samples.lost[first : end + 1]
    places = int(lost[0]) + int(np.count_nonzero(lost[1:] & ~lost[:-1]))
    if places:
        refusals.append(
            f"samples were lost in {places} place{'s' * (places > 1)} inside the window"
        )
    saturated = int(np.count_nonzero(samples.saturated[inside]))
    if saturated:
        refusals.append(f"{saturated} of {end - first} samples are beyond the meter's range")
    return Reading(
        energy_j=energy_j,
        measured_s=measured_s,
        digit_j=digit_j,
        ends_j=abs(energy_j) / measured_s * edge_s / 2,
        voltage_v=float(np.mean(voltage_v)),
        edge_s=edge_s / 2,
        refusals=tuple(refusals),
    )


def measure_window(samples: Samples) -> Reading:
    """What went into the board in the one window that the samples are of; refused if not one."""
    if len(samples.gate) == 0:
        return Reading.refused("the meter gave no samples")
    if samples.gate[0]:
        return Reading.refused("the gate was high before the window: is it wired to the gate pin?")
    found = pulses(samples.gate)
    if not samples.gate.any():
        return Reading.refused("the gate was not seen to rise")
    if not found:
        return Reading.refused("the gate was not seen to fall")
    if len(found) > 1 or samples.gate[-1]:
        rises = len(found) + int(samples.gate[-1])
        return Reading.refused(f"the gate rose {rises} times in one window")
    return measure_pulse(samples, found[0])
