"""What the deciding node really spends: energy, memory, time and bytes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, stdev
from typing import Literal

import numpy as np

from host.metrics.metric import UNITS, Metric, Provenance, unavailable
from toolchain.errors import InputError


@dataclass(frozen=True)
class EnergyWindow:
    """One window that a meter integrated over.

    Args:
        kind: what the node did inside of it.
        mode: of its decisions, such as ``full``; empty when idle.
        iterations: decisions made inside of it; 0 when idle.
        elapsed_s: s between the meter's reset and its reading.
        energy_j: J that went into the board.
        resolution_j: J of the meter's last digit.
        accepted: whether the window may be used.
        reason: why it was refused; empty when accepted.
    """

    kind: Literal["idle", "inference"]
    iterations: int
    elapsed_s: float
    energy_j: float
    resolution_j: float
    accepted: bool
    reason: str = ""
    mode: str = ""

    def __post_init__(self) -> None:
        if not self.accepted:
            return
        figures = (self.elapsed_s, self.energy_j, self.resolution_j)
        usable = all(math.isfinite(x) for x in figures) and self.elapsed_s > 0
        decides = self.iterations > 0 if self.kind == "inference" else self.iterations == 0
        if not (usable and self.energy_j >= 0 and self.resolution_j >= 0 and decides):
            raise InputError(
                f"an accepted {self.kind} window with {self.iterations} iterations, "
                f"{self.elapsed_s} s, {self.energy_j} J and a resolution of {self.resolution_j} J",
                hint="refuse the window, with the reason",
            )


def energy_per_decision(windows: Sequence[EnergyWindow], provenance: Provenance) -> Metric:
    """J of the board for one decision: the median over the accepted inference windows.

    The value is the board's total. ``detail`` has it apart from the idle-subtracted energy
    (median of ``(energy - idle power x elapsed) / iterations``, None without an idle window),
    each with a standard uncertainty of one figure: the meter's resolution as a uniform law
    (resolution / sqrt(12)) and the windows' scatter (standard deviation over sqrt(n)), in
    quadrature.

    Args:
        windows: all that were tried, refused ones included.
        provenance: of the meter and the board.
    """
    unit = UNITS["energy_per_decision"]
    busy = [w for w in windows if w.accepted and w.kind == "inference"]
    idle = [w for w in windows if w.accepted and w.kind == "idle"]
    refused = [w.reason for w in windows if not w.accepted]
    if not busy:
        reason = "; ".join(dict.fromkeys(refused)) or "no inference window was taken"
        return unavailable(unit, f"no accepted inference window: {reason}", refused=refused)
    totals = [w.energy_j / w.iterations for w in busy]
    steps = [w.resolution_j / w.iterations for w in busy]
    total_j = median(totals)
    detail: dict = {
        "total_j": total_j,
        "total_uncertainty_j": _uncertainty(totals, max(steps)),
        "idle_subtracted_j": None,
        "idle_subtracted_uncertainty_j": None,
        "idle_power_w": None,
        "windows_j": totals,
        "iterations": [w.iterations for w in busy],
        "elapsed_s": [w.elapsed_s for w in busy],
        "idle_windows": len(idle),
        "refused": refused,
    }
    if idle:
        powers = [w.energy_j / w.elapsed_s for w in idle]
        idle_w = median(powers)
        power_uncertainty = _uncertainty(powers, max(w.resolution_j / w.elapsed_s for w in idle))
        nets = [(w.energy_j - idle_w * w.elapsed_s) / w.iterations for w in busy]
        from_idle = power_uncertainty * max(w.elapsed_s / w.iterations for w in busy)
        detail["idle_power_w"] = idle_w
        detail["idle_subtracted_j"] = median(nets)
        detail["idle_subtracted_uncertainty_j"] = math.hypot(
            _uncertainty(nets, max(steps)), from_idle
        )
    return Metric(total_j, unit, provenance, detail)


def energy_of_modes(
    windows: Sequence[EnergyWindow], decisions: Mapping[str, int], provenance: Provenance
) -> Metric:
    """J of the board for one decision of a replay that was decided in several modes.

    The mean of :func:`energy_per_decision` of each mode, weighted by the decisions that were made
    in it. Uncertainties are weighted and added in quadrature, but those of the idle-subtracted
    energy as they are, since all modes share the idle windows. ``detail["modes"]`` has every mode
    that has windows, those without a decision too.

    Args:
        windows: all that were tried, in all modes.
        decisions: made in the replay, by mode.
        provenance: of the meter and the board.
    """
    names = list(dict.fromkeys([*decisions, *(w.mode for w in windows if w.kind == "inference")]))
    apart = {
        name: energy_per_decision(
            [w for w in windows if w.kind == "idle" or w.mode == name], provenance
        )
        for name in names
    }
    unit, total = UNITS["energy_per_decision"], sum(decisions.values())
    modes = {
        name: {"decisions": decisions.get(name, 0), **metric.as_dict()}
        for name, metric in apart.items()
    }
    shares = {name: count / total for name, count in decisions.items() if count}
    missing = [name for name in shares if apart[name].value is None]
    if not shares or missing:
        reasons = [f"mode {name}: {apart[name].detail['reason']}" for name in missing]
        return unavailable(unit, "; ".join(reasons) or "no decision was made", modes=modes)

    def weighted(key: str, add: Callable[..., float]) -> float | None:
        parts = [(share, apart[name].detail[key]) for name, share in shares.items()]
        if any(figure is None for _, figure in parts):
            return None
        return add(*(share * figure for share, figure in parts))

    def plus(*parts: float) -> float:
        return math.fsum(parts)

    detail = {
        "total_j": weighted("total_j", plus),
        "total_uncertainty_j": weighted("total_uncertainty_j", math.hypot),
        "idle_subtracted_j": weighted("idle_subtracted_j", plus),
        "idle_subtracted_uncertainty_j": weighted("idle_subtracted_uncertainty_j", plus),
        "idle_power_w": next(iter(apart.values())).detail["idle_power_w"],
        "modes": modes,
    }
    return Metric(detail["total_j"], unit, provenance, detail)


def memory_footprint(
    flash_bytes: Mapping[str, int], ram_bytes: Mapping[str, int], provenance: Provenance
) -> Metric:
    """Bytes of flash and RAM, apart in ``detail`` and summed.

    Args:
        flash_bytes: by part, such as text, rodata and the data section's image.
        ram_bytes: by part, such as data, bss and the deepest stack seen.
        provenance: of the weakest part.

    Raises:
        InputError: no part, or a negative one.
    """
    for name, parts in (("flash", flash_bytes), ("RAM", ram_bytes)):
        if not parts or min(parts.values()) < 0:
            raise InputError(
                f"{name} parts are {dict(parts)}, must be bytes of at least 0 each",
                hint="read them from the size report",
            )
    flash, ram = sum(flash_bytes.values()), sum(ram_bytes.values())
    detail = {
        "flash_bytes": flash,
        "ram_bytes": ram,
        "flash_parts": dict(flash_bytes),
        "ram_parts": dict(ram_bytes),
    }
    return Metric(float(flash + ram), UNITS["memory_footprint"], provenance, detail)


def inference_latency(cycles: np.ndarray, clock_hz: float, provenance: Provenance) -> Metric:
    """s of on-board time of one decision: the median; p95 and maximum in ``detail``.

    Args:
        cycles: integers (n,), the board's own count of each decision.
        clock_hz: of the core that counted.
        provenance: of the core.

    Raises:
        InputError: a count or the clock is not positive.
    """
    unit = UNITS["inference_latency"]
    cycles = np.asarray(cycles)
    if cycles.size == 0:
        return unavailable(unit, "no decision was timed")
    if cycles.min() <= 0 or not clock_hz > 0:
        raise InputError(
            f"{int(cycles.min())} cycles at {clock_hz} Hz: a clock that did not run",
            hint="refuse the measurement",
        )
    seconds = cycles / clock_hz
    middle = float(np.median(seconds))
    detail = {
        "p95_s": float(np.percentile(seconds, 95)),
        "max_s": float(seconds.max()),
        "median_cycles": float(np.median(cycles)),
        "clock_hz": float(clock_hz),
        "decisions": int(cycles.size),
    }
    return Metric(middle, unit, provenance, detail)


def comms_overhead(
    bytes_total: int, messages: int, decisions: int, provenance: Provenance
) -> Metric:
    """Bytes on the link in both directions per decision, framing and retries included.

    Args:
        bytes_total: all that crossed the line.
        messages: frames, in both directions.
        decisions: that they were for.
        provenance: of the link.

    Raises:
        InputError: a negative count.
    """
    if min(bytes_total, messages, decisions) < 0:
        raise InputError(
            f"{bytes_total} bytes, {messages} messages, {decisions} decisions: must be at least 0",
            hint="count them on the link",
        )
    unit = UNITS["comms_overhead"]
    if decisions == 0:
        return unavailable(unit, "no decision was made", bytes_total=bytes_total)
    detail = {
        "bytes_total": bytes_total,
        "messages": messages,
        "decisions": decisions,
        "messages_per_decision": messages / decisions,
    }
    return Metric(bytes_total / decisions, unit, provenance, detail)


def _uncertainty(figures: Sequence[float], resolution: float) -> float:
    scatter = stdev(figures) / math.sqrt(len(figures)) if len(figures) > 1 else 0.0
    return math.hypot(scatter, resolution / math.sqrt(12))
